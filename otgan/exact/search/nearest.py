"""Arcs of least reduced cost from points to a tree: for every point the k least C − g over the points of the tree.

A node is left out where no point of it can be below what is found already. The bound is second-order: costs are above
their tangent, and potentials below a plane, so that what the box adds is only by how much the two slopes differ, which is
next to nothing where arcs are nearly tight. What is found is what a look at all pairs would find, but for the rounding of
ties.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan import threads
from otgan.deadline import NEVER, Deadline
from otgan.exact.endings import OutOfTimeError
from otgan.exact.search.law import SQUARES, SUM, Law, cost_of, is_squared, slope_of, stretch
from otgan.exact.search.shortlist import insert
from otgan.exact.search.tree import LEAF, Tree, raise_planes
from otgan.exact.sparse_plan import Floats
from otgan.jit import EXACT, compiled, part

__all__ = ["least_arcs"]

_ROUNDING = 2.0**-44
"""Share of the numbers that a bound is made of by which it is lowered, so that no rounding takes it too high."""

_AT_ONCE = 256
"""Points that a thread takes at a time: some parts of a cloud take longer than others."""


def least_arcs(
    points: Floats,
    other: Tree,
    g: Floats,
    law: Law,
    count: int,
    below: Floats | None = None,
    deadline: Deadline = NEVER,
) -> tuple[NDArray[np.int32], Floats]:
    """Find the points of a tree of least C − g.

    Parameters
    ----------
    points : ndarray, shape (d, n)
    other : Tree
        Of m points.
    g : ndarray, shape (m,)
        Potentials of the tree's points.
    law : tuple
    count : int
        How many to find of each.
    below : ndarray, shape (n,), optional
        What they must be below; infinity by default.
    deadline : Deadline

    Returns
    -------
    tuple of ndarray, shapes (n, count)
        Their numbers, −1 where there are no more, and C − g, in ascending order; `below` where there are no more.

    Raises
    ------
    OutOfTimeError
        If the deadline passes first.
    """
    n, m = points.shape[1], other.points.shape[1]
    count = min(count, m)
    found = np.full((n, count), -1, np.int32)
    least = np.repeat(np.full(n, np.inf) if below is None else below, count).reshape(n, count)
    planes = raise_planes(other, g)

    def search(worker: int, start: int, stop: int) -> None:
        del worker
        if deadline.passed:
            raise OutOfTimeError
        descend(points, other, planes, g, law, found, least, start, stop)

    threads.in_turns(search, n, _AT_ONCE)
    return found, least


@compiled(EXACT)
def descend(
    points: Any, other: Tree, planes: Any, g: Any, law: Any, found: Any, least: Any, start: int, stop: int
) -> None:
    """Search for some points.

    Parameters
    ----------
    points : array, shape (d, n)
    other : Tree
    planes : array
        Above the potentials in every node of the tree.
    g : array, shape (m,)
    law : tuple
    found : array of int32, shape (n, k)
    least : array, shape (n, k)
    start, stop : int
        The points.
    """
    d, leaves = len(points), 1 << other.depth
    nodes, bounds = np.empty(other.depth + 2, np.int64), np.empty(other.depth + 2)
    room, at, last = np.empty(2 * LEAF), np.empty(d), found.shape[1] - 1
    for i in range(start, stop):
        for c in range(d):
            at[c] = points[c, i]
        values, items = least[i], found[i]
        nodes[0], bounds[0], top = 1, -np.inf, 1
        while top > 0:
            top -= 1
            node = nodes[top]
            if bounds[top] >= values[last]:
                continue
            if node >= leaves:
                _look(at, other, node - leaves, g, law, values, items, room)
                continue
            one = _bound(at, other.boxes[2 * node], planes[2 * node], law)
            two = _bound(at, other.boxes[2 * node + 1], planes[2 * node + 1], law)
            near = 2 * node if one <= two else 2 * node + 1
            nodes[top], bounds[top] = 4 * node + 1 - near, max(one, two)
            nodes[top + 1], bounds[top + 1] = near, min(one, two)
            top += 2


@part(EXACT)
def _look(at: Any, other: Tree, leaf: int, g: Any, law: Any, values: Any, items: Any, room: Any) -> None:
    """Look at all points of a leaf."""
    m = other.points.shape[1]
    first, end = m * leaf >> other.depth, m * (leaf + 1) >> other.depth
    apart = room[: end - first]
    for j in range(len(apart)):
        apart[j] = 0.0
    for c in range(len(at)):
        line, here = other.points[c, first:end], at[c]
        for j in range(len(apart)):
            apart[j] = stretch(apart[j], here - line[j], law[0])
    last = len(values) - 1
    for j in range(len(apart)):
        value = cost_of(apart[j], law) - g[first + j]
        if value < values[last]:
            insert(values, items, value, first + j)


@part(EXACT)
def _bound(at: Any, box: Any, plane: Any, law: Any) -> float:
    """A bound below the C − g of all points of a box."""
    d, order = len(at), law[0]
    apart, loss, size = 0.0, 0.0, abs(plane[d])
    if is_squared(law):
        # The least of the sum of a square and a line over every coordinate of the box.
        for c in range(d):
            away = box[0, c] - at[c]
            step = max(-box[1, c], min(box[1, c], 0.5 * plane[c] / law[2] - away))
            apart += (away + step) * (away + step)
            loss += plane[c] * step
            size += abs(plane[c]) * box[1, c]
        cost = law[2] * apart
        return cost - loss - plane[d] - _ROUNDING * (size + cost)
    near, largest, widest = 0.0, 0.0, 0
    for c in range(d):
        away = box[0, c] - at[c]
        apart = stretch(apart, away, order)
        near = stretch(near, max(0.0, abs(away) - box[1, c]), order)
        if abs(away) > largest:
            largest, widest = abs(away), c
    cost = cost_of(apart, law)
    slope, flat = slope_of(apart, cost, law), 0.0
    for c in range(d):
        away = box[0, c] - at[c]
        pull = _pull(slope, away, order, c == widest)
        loss += abs(pull - plane[c]) * box[1, c]
        flat += abs(plane[c]) * box[1, c]
    # Above the tangent in the middle, and above the cost of the nearest point of the box.
    tangent, nearest = cost - loss, cost_of(near, law) - flat
    return max(tangent, nearest) - plane[d] - _ROUNDING * (size + cost + flat)


@part(EXACT)
def _pull(slope: float, away: float, order: int, widest: bool) -> float:
    """The derivative of a cost by a coordinate of the far place, given that by what places are apart."""
    if order == SQUARES:
        return slope * away
    if order == SUM or widest:
        return slope if away > 0 else -slope
    return 0.0
