"""The search for arcs that lower the cost, and the pivots that take them: on a matrix of costs, and on a list of arcs.

On a matrix rows are looked at in turns, a few at a time. The worst arc of each is a candidate, and candidates enter
the tree, the worst first, until none of them lowers the cost any more: looking at a row costs as much as many pivots.
On a list the worst arc of a block of arcs enters.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from otgan.exact.network.tree import Tree, pivot, settle
from otgan.jit import EXACT, compiled, part

__all__ = [
    "CLEAN",
    "FRESH",
    "PIVOTS",
    "PLACE",
    "STATE",
    "TOUCHED",
    "cheapest",
    "improve_dense",
    "improve_sparse",
]

PLACE, CLEAN, PIVOTS, FRESH, TOUCHED, STATE = range(6)
"""What a search knows of itself: where it is, for how many rows or arcs it has found nothing, its pivots so far and
those since potentials were computed anew, and what it has looked at."""

_ROUNDING = 2.0**-46
"""Reduced cost, relative to the largest potential, that is taken for rounding: 64 units in the last place."""

_ROWS = 16
"""Rows whose worst arcs are candidates together."""

_CHUNK = 64
"""Costs that are looked at together: few enough to be looked at again where one of them is low."""

_BLOCK = 512
"""Arcs of a list of which the worst enters."""

_PIVOT = 64
"""What a pivot costs, apart from potentials, in arcs looked at."""


@part(EXACT)
def cheapest(row: Any, other: Any, limit: float) -> tuple[float, int]:
    """Return the least of rowⱼ + otherⱼ below a limit, and its j; the limit and −1 where there is none."""
    found = -1
    for start in range(0, len(row), _CHUNK):
        some, others = row[start : start + _CHUNK], other[start : start + _CHUNK]
        low = 0
        for j in range(len(some)):  # without a branch, eight at a time
            low += some[j] + others[j] < limit
        if low:
            for j in range(len(some)):
                if some[j] + others[j] < limit:
                    limit, found = some[j] + others[j], start + j
    return limit, found


@part(EXACT)
def _enter(tree: Tree, n: int, tails: Any, heads: Any, costs: Any, tolerance: float, state: Any) -> None:
    """Let the worst of some candidates enter, until none lowers the cost."""
    potential = tree.potential
    while True:
        worst, chosen = -tolerance, -1
        for k in range(len(costs)):
            reduced = costs[k] - potential[tails[k]] + potential[heads[k]]
            if reduced < worst:
                worst, chosen = reduced, k
        if chosen < 0:
            return
        touched = pivot(tree, n, tails[chosen], heads[chosen], costs[chosen], worst)
        state[PIVOTS] += 1
        state[FRESH] += 1
        state[TOUCHED] += touched + len(costs) + _PIVOT


@part(EXACT)
def _begin(tree: Tree, n: int, state: Any) -> float:
    """Compute the potentials anew; return the reduced cost that is taken for rounding."""
    if state[FRESH] > 0:  # what was found at other potentials, be it by rounding, is not known of these
        state[FRESH], state[CLEAN] = 0, 0
    return _ROUNDING * settle(tree, n)


@compiled(EXACT)
def improve_dense(tree: Tree, cost: Any, state: Any, effort: int, limit: int) -> bool:
    """Pivot until the tree is optimal for a matrix of costs, or for a while; return whether it is optimal.

    Parameters
    ----------
    tree : Tree
    cost : array, shape (n, m)
    state : array of int64, shape (STATE,)
        Zeros at first, and what the call before has left.
    effort : int
        Costs to look at, about.
    limit : int
        Pivots after which to return, within a few.
    """
    n, m = cost.shape
    columns = tree.potential[n : n + m]
    tails, heads, costs = np.empty(_ROWS, np.int64), np.empty(_ROWS, np.int64), np.empty(_ROWS)
    tolerance = _begin(tree, n, state)
    state[TOUCHED] = 0
    while state[TOUCHED] < effort and state[PIVOTS] < limit:
        count = 0
        for _ in range(min(_ROWS, n)):
            i = state[PLACE]
            j = cheapest(cost[i], columns, tree.potential[i] - tolerance)[1]
            if j >= 0:
                tails[count], heads[count], costs[count] = i, n + j, cost[i, j]
                count += 1
            state[CLEAN] += 1
            state[PLACE] = i + 1 if i + 1 < n else 0
            state[TOUCHED] += m
        if count:
            _enter(tree, n, tails[:count], heads[:count], costs[:count], tolerance, state)
            state[CLEAN] = 0
        if state[CLEAN] >= n and state[FRESH] == 0:
            return True
        if state[CLEAN] >= n or state[FRESH] > n + m:
            tolerance = _begin(tree, n, state)
    return False


@compiled(EXACT)
def improve_sparse(
    tree: Tree, n: int, tails: Any, heads: Any, costs: Any, state: Any, effort: int, limit: int
) -> bool:
    """Pivot until the tree is optimal for a list of arcs, or for a while; return whether it is optimal.

    Parameters
    ----------
    tree : Tree
    n : int
        Number of sources.
    tails, heads : array of int32
        Nodes.
    costs : array
    state, effort, limit
        As for :func:`improve_dense`.
    """
    potential, arcs = tree.potential, len(costs)
    wide: Any = np.int64  # one kind of number, and one pivot to compile
    tolerance = _begin(tree, n, state)
    k = state[PLACE]
    state[TOUCHED] = 0
    while state[TOUCHED] < effort and state[PIVOTS] < limit:
        worst, chosen = -tolerance, -1
        for _ in range(min(_BLOCK, arcs)):
            reduced = costs[k] - potential[tails[k]] + potential[heads[k]]
            if reduced < worst:
                worst, chosen = reduced, k
            k = k + 1 if k + 1 < arcs else 0
        state[PLACE] = k
        state[CLEAN] += _BLOCK
        state[TOUCHED] += _BLOCK
        if chosen >= 0:
            i, j = wide(tails[chosen]), wide(heads[chosen])
            state[TOUCHED] += _PIVOT + pivot(tree, n, i, j, costs[chosen], worst)
            state[PIVOTS] += 1
            state[FRESH] += 1
            state[CLEAN] = 0
        if state[CLEAN] >= arcs and state[FRESH] == 0:
            return True
        if state[CLEAN] >= arcs or state[FRESH] > len(tree.parent):
            tolerance = _begin(tree, n, state)
    return False
