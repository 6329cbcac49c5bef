"""Where the simplex starts: a forest of cheap arcs that carries as much as they can.

Every arc of the forest exhausts one of its ends, which gets no other arc after it: so it is a forest, and in each of its
trees one node at most has anything left.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from otgan.exact.network.pricing import cheapest
from otgan.jit import EXACT, compiled

__all__ = ["deal_all", "deal_first", "deal_sparse", "nearest"]


@compiled(EXACT)
def nearest(cost: Any, closed: Any, rows: Any, value: Any, index: Any) -> None:
    """Write the least cost of every one of some rows, and its column, among columns that are not closed.

    Parameters
    ----------
    cost : array, shape (n, m)
    closed : array, shape (m,)
        0, or infinity where a column is closed.
    rows : array of int64
    value, index : array, shapes (n,)
        Written.
    """
    for i in rows:
        value[i], index[i] = cheapest(cost[i], closed, np.inf)


@compiled(EXACT, inner=True)
def _carry(left: Any, i: int, j: int, tails: Any, heads: Any, flows: Any, count: int) -> int:
    """Let the arc from i to j carry what it can; return the number of arcs."""
    mass = min(left[i], left[j])
    left[i] -= mass
    left[j] -= mass
    tails[count], heads[count], flows[count] = i, j, mass
    return count + 1


@compiled(EXACT)
def deal_first(
    order: Any, index: Any, closed: Any, left: Any, tails: Any, heads: Any, flows: Any, count: int
) -> int:
    """Let rows, in the order given, send what they can to the columns they are nearest to; return the number of arcs."""
    n = len(left) - len(closed)
    for i in order:
        j = n + index[i]
        if left[j] > 0:
            count = _carry(left, i, j, tails, heads, flows, count)
            if left[j] == 0:
                closed[j - n] = np.inf
    return count


@compiled(EXACT)
def deal_all(cost: Any, rows: Any, closed: Any, left: Any, tails: Any, heads: Any, flows: Any, count: int) -> int:
    """Let rows send all that they have, each to the nearest columns that still lack some; return the number of arcs."""
    n = len(left) - len(closed)
    for i in rows:
        while left[i] > 0:
            j = n + cheapest(cost[i], closed, np.inf)[1]
            count = _carry(left, i, j, tails, heads, flows, count)
            if left[j] == 0:
                closed[j - n] = np.inf
    return count


@compiled(EXACT)
def deal_sparse(order: Any, i: Any, j: Any, left: Any, tails: Any, heads: Any, flows: Any, chosen: Any) -> int:
    """Let arcs carry, in the order given, what they can; write which they are, and return their number."""
    count = 0
    for k in order:
        if left[i[k]] > 0 and left[j[k]] > 0:
            chosen[count] = k
            count = _carry(left, i[k], j[k], tails, heads, flows, np.int64(count))
    return count
