"""Potentials from coarse to fine: the nodes of two trees as points of their own, solved level by level."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.deadline import NEVER, Deadline
from otgan.exact.search.law import Law
from otgan.exact.search.processes import ALONE, Processes
from otgan.exact.search.restricted import Restricted
from otgan.exact.search.tree import Tree, grow
from otgan.exact.search.trees import Trees
from otgan.exact.sparse_plan import Floats
from otgan.jit import EXACT, compiled

__all__ = ["descend_levels"]

Ints = NDArray[np.int64]

_COARSEST = 7
"""Level that is solved first, on all its arcs."""

_STEP = 2
"""Levels between two that are solved."""

_PER_LEAF = 3
"""Levels between that of points which are nodes and that of the leaves they are in."""

_NEAREST = 12
"""Arcs of least reduced cost of every node."""

_ROUNDS = 30
"""Restricted problems after which a level is left as it is: nothing but time depends on it."""


def descend_levels(
    x: Tree,
    y: Tree,
    masses: tuple[Ints, Ints],
    law: Law,
    unit: float,
    deadline: Deadline = NEVER,
    processes: Processes = ALONE,
) -> tuple[Floats, Floats]:
    """Return potentials of the points of two trees that are near the optimal ones.

    Parameters
    ----------
    x, y : Tree
        Of n and m points.
    masses : tuple of ndarray of int64, shapes (n,) and (m,)
        Positive, with one total.
    law : tuple
    unit : float
        The mean cost.
    deadline : Deadline
    processes : Processes
        Who shares the levels that are large; small ones every process solves for itself.

    Raises
    ------
    OutOfTimeError
        If the deadline passes first.
    """
    before, f, g = None, np.zeros(0), np.zeros(0)
    for level in itertools.count(min(_COARSEST, max(x.depth, y.depth)), _STEP):
        (near_x, mass_x), (near_y, mass_y) = _at(x, masses[0], level), _at(y, masses[1], level)
        sizes = near_x.points.shape[1], near_y.points.shape[1]
        who = processes if processes.shares(*sizes, part=True) else ALONE
        here = Trees(near_x, near_y, law, deadline, who)
        if before is None:
            f, g = np.zeros(here.shape[0]), np.zeros(here.shape[1])
            count = max(here.shape)
        else:
            f, g = _extended(before.y, who.vectors(g)[0], here)
            if near_x is x and near_y is y:
                break
            count = _NEAREST
        f, g = _solve(here, (mass_x, mass_y), f, g, count, unit, deadline)
        before = here
    return f, g


def _extended(coarse: Tree, g: Floats, trees: Trees) -> tuple[Floats, Floats]:
    """Return potentials of the points of two trees, by two c-transforms of potentials of other points."""
    x, y, rest = trees.x, trees.y, (trees.law, trees.deadline, trees.processes)
    f = Trees(x, coarse, *rest).transform(g, np.full(trees.shape[0], np.inf))
    return f, Trees(y, x, *rest).transform(f, np.full(trees.shape[1], np.inf))


def _solve(
    trees: Trees,
    masses: tuple[Ints, Ints],
    f: Floats,
    g: Floats,
    count: int,
    unit: float,
    deadline: Deadline,
) -> tuple[Floats, Floats]:
    """Solve a level on arcs that can carry all mass: what a proof would add matters little to the next level."""
    problem = Restricted(trees, masses, f, g, count, unit)
    for _ in range(_ROUNDS):
        problem.solve(deadline)
        if problem.missing == 0:
            break
        problem.expand()
    return problem.f, problem.g


def _at(tree: Tree, mass: Ints, level: int) -> tuple[Tree, Ints]:
    """The nodes of a level as a tree of points, with their masses; the tree itself below its last level."""
    if level > tree.depth:
        return tree, mass
    points, masses = np.zeros((len(tree.points), 1 << level)), np.zeros(1 << level, np.int64)
    gather(tree.points, mass, points, masses)
    return grow(points, max(0, level - _PER_LEAF)), masses


@compiled(EXACT)
def gather(points: Any, mass: Any, means: Any, masses: Any) -> None:
    """Fill in the means and the masses of the nodes of a level, from zeros.

    Parameters
    ----------
    points : array, shape (d, n)
    mass : array of int64, shape (n,)
    means : array, shape (d, nodes)
    masses : array of int64, shape (nodes,)
    """
    d, n = points.shape
    nodes = len(masses)
    for q in range(nodes):
        start, stop = n * q // nodes, n * (q + 1) // nodes
        for k in range(start, stop):
            masses[q] += mass[k]
        for k in range(start, stop):
            share = mass[k] / masses[q]
            for c in range(d):
                means[c, q] += share * points[c, k]
