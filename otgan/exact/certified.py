"""Exact transport between many points, without their costs: few arcs, and a proof that the others are not needed.

In few dimensions arcs are found by a search through two trees, from coarse to fine; else by a look at all of them, from
potentials of entropic sweeps.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from otgan.costs import Cost
from otgan.costs.places import Places
from otgan.deadline import NEVER, Deadline
from otgan.exact.line import solve_line
from otgan.exact.network.masses import whole_masses
from otgan.exact.search.coarse import descend_levels
from otgan.exact.search.generation import Generated, generate
from otgan.exact.search.law import law_of
from otgan.exact.search.nearest import least_arcs
from otgan.exact.search.scene import Scene
from otgan.exact.search.sweeps import approximate_potentials
from otgan.exact.search.tiles import Tiles
from otgan.exact.search.tree import plant
from otgan.exact.sparse_plan import Floats, SparsePlan
from otgan.memory import available, free_memory
from otgan.mistakes import TooLargeError
from otgan.sizes import describe

__all__ = ["solve_certified"]

Ints = NDArray[np.int64]

_BYTES = 3000
"""Memory that a point takes with its arcs, about, when there are most."""

_MANY, _FEW = 2**20, 500
"""Costs from which on the mean is that of so many points of either side."""

_LEAST = 0.1
"""Share of its bound that the mean is taken to be at least."""


def solve_certified(
    x: Floats,
    y: Floats,
    a: Floats,
    b: Floats,
    cost: Cost,
    deadline: Deadline = NEVER,
) -> SparsePlan:
    """Solve min ⟨P, C⟩ over plans with marginals a and b, without a cost matrix.

    Parameters
    ----------
    x, y : ndarray, shapes (n, d) and (m, d)
        In normal form.
    a, b : ndarray, shapes (n,) and (m,)
        Weights, each of total 1.
    cost : Cost
    deadline : Deadline

    Returns
    -------
    SparsePlan
        With potentials that are feasible for all n·m arcs; not optimal where the deadline passes first.

    Raises
    ------
    MemoryError
        If the arcs would not fit, as far as can be told beforehand.
    OutOfTimeError
        If it passes before there is anything worth having.
    SimplexError
        If arcs are still missing after many rounds. The network simplex on all costs is the way then.
    """
    _check_memory(len(x), len(y))
    rows, columns = a.nonzero()[0], b.nonzero()[0]
    heavy = a[rows], b[columns]
    some_x, some_y = x[rows], y[columns]
    unit = _mean(some_x, some_y, *heavy, cost) or 1.0
    places = cost.places(x, y)
    if places is not None and places.few:
        found = _by_trees(places, rows, columns, heavy, unit, deadline)
    else:
        found = _by_tiles(x, y, rows, columns, heavy, cost, unit, deadline)
    i, j = found.codes // len(columns), found.codes % len(columns)
    slack = 0.0 if places is None else places.slack
    plan = SparsePlan(rows[i], columns[j], found.mass, found.f, found.g, "certified", found.optimal, slack)
    return plan if found.optimal else _completed(plan, x, y, a, b)


def _check_memory(n: int, m: int) -> None:
    """Raise where the arcs of so many points would not fit."""
    need = _BYTES * (n + m)
    if need > available(need):
        raise TooLargeError(
            f"an exact solve of {n} x {m} points needs about {describe(need)} for its arcs, and {describe(free_memory())} are "
            "free: take fewer samples, or give epsilon (or blur), whose streamed solver needs less, and whose bounds enclose the "
            "exact cost"
        )


def _mean(x: Floats, y: Floats, a: Floats, b: Floats, cost: Cost) -> float:
    """The mean cost, of what rounding is measured in; of norms between many points about what it is."""
    if not cost.has_moments and cost.sorts and len(x) * len(y) > _MANY:
        rng = np.random.default_rng(0)
        some_x, some_y = (side[rng.choice(len(side), _FEW, p=w)] for side, w in ((x, a), (y, b)))
        ones = np.ones((1, _FEW))
        drawn = float(cost.mean(some_x[None], some_y[None], ones, ones)[0])
        # Few points may carry most of it, and not be drawn.
        of_x, of_y = cost.majorant(x[None], y[None])
        return max(drawn, _LEAST * float(a @ of_x[0] + b @ of_y[0]))
    return float(cost.mean(x[None], y[None], a[None], b[None])[0])


def _completed(plan: SparsePlan, x: Floats, y: Floats, a: Floats, b: Floats) -> SparsePlan:
    """Couple what the arcs do not carry in the order of one coordinate."""
    left = np.maximum(a - np.bincount(plan.i, plan.mass, len(a)), 0.0)
    lack = np.maximum(b - np.bincount(plan.j, plan.mass, len(b)), 0.0)
    rows, columns = left.nonzero()[0], lack.nonzero()[0]
    if not (len(rows) and len(columns)):
        return plan
    total = min(left.sum(), lack.sum())
    widest = int(np.ptp(np.concatenate([x, y]), axis=0).argmax())
    rest = solve_line(
        x[rows, widest], y[columns, widest], left[rows] / left.sum(), lack[columns] / lack.sum(), 2.0
    )
    return replace(
        plan,
        i=np.concatenate([plan.i, rows[rest.i]]),
        j=np.concatenate([plan.j, columns[rest.j]]),
        mass=np.concatenate([plan.mass, total * rest.mass]),
    )


def _by_trees(
    places: Places, rows: Ints, columns: Ints, heavy: tuple[Floats, Floats], unit: float, deadline: Deadline
) -> Generated:
    """Solve in the order of two trees; return arcs between points with weight, and potentials of all points."""
    law = law_of(places)
    some_x, some_y = places.x[rows], places.y[columns]
    (x, of_x), (y, of_y) = plant(some_x), plant(some_y)
    weights = heavy[0][of_x], heavy[1][of_y]
    masses = whole_masses(*weights)
    start = descend_levels(x, y, masses, law, unit, deadline)
    found = generate(Scene(x, y, law, deadline), masses, start, unit, deadline)
    n, m = len(places.x), len(places.y)
    i, j = of_x[found.codes // len(of_y)], of_y[found.codes % len(of_y)]
    f, g = np.empty(len(of_x)), np.empty(len(of_y))
    f[of_x], g[of_y] = found.f, found.g
    if len(rows) < n or len(columns) < m:
        # Those of weight 0 have the largest that are feasible: two c-transforms.
        (all_x, of_x), (all_y, of_y) = plant(places.x), plant(places.y)
        f, g = np.empty(n), np.empty(m)
        f[of_x] = least_arcs(all_x.points, y, found.g, law, 1)[1][:, 0]
        g[of_y] = least_arcs(all_y.points, all_x, f[of_x], law, 1)[1][:, 0]
    return Generated(i * len(columns) + j, found.mass, f, g, found.optimal)


def _by_tiles(
    x: Floats,
    y: Floats,
    rows: Ints,
    columns: Ints,
    heavy: tuple[Floats, Floats],
    cost: Cost,
    unit: float,
    deadline: Deadline,
) -> Generated:
    """Solve by a look at all costs; return arcs between points with weight, and potentials of all points."""
    some_x, some_y = x[rows], y[columns]
    search = Tiles(some_x, some_y, cost, deadline)
    if search.blocks.wide:
        search.blocks.keep()
    start = approximate_potentials(search.blocks, *heavy, unit, deadline)
    found = generate(search, whole_masses(*heavy), start, unit, deadline)
    if len(rows) == len(x) and len(columns) == len(y):
        return found
    # Those of weight 0 have the largest that are feasible: two c-transforms.
    infinite = np.full(len(x), np.inf), np.full(len(y), np.inf)
    f = Tiles(x, some_y, cost, deadline).transform(found.g, infinite[0])
    g = Tiles(x, y, cost, deadline).across(f, infinite[1])
    return Generated(found.codes, found.mass, f, g, found.optimal)
