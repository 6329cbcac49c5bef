"""The assignment of least cost by shortest augmenting paths, row by row.

Each row is matched by the shortest path of reduced costs from it to a column that is free, found as Dijkstra's algorithm
does; the potentials then make all reduced costs at least 0 again. Source: Jonker & Volgenant 1987, without their
initialization but for the least cost of every row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from otgan.deadline import NEVER, Deadline
from otgan.exact.endings import OutOfTimeError
from otgan.jit import EXACT, compiled, part

__all__ = ["match"]

_EFFORT = 2**23
"""Costs looked at before the clock is, at most: some hundredths of a second."""


def match(cost: Any, deadline: Deadline = NEVER) -> Any:
    """Return the column of each row in the assignment of least cost, shape (n,), int64.

    Parameters
    ----------
    cost : ndarray, shape (n, n), float64
        Finite.
    deadline : Deadline

    Raises
    ------
    OutOfTimeError
        If the deadline passes first.
    """
    n, cost = len(cost), np.ascontiguousarray(cost)
    u, v = cost.min(1), np.zeros(n)
    column_of, row_of = np.full(n, -1), np.full(n, -1)
    step = max(1, _EFFORT // (n * n))
    for start in range(0, n, step):
        if deadline.passed:
            raise OutOfTimeError
        match_rows(cost, u, v, column_of, row_of, start, min(n, start + step))
    return column_of


@compiled(EXACT | {"nnan"})
def match_rows(cost: Any, u: Any, v: Any, column_of: Any, row_of: Any, start: int, stop: int) -> None:
    """Match some rows, those before them being matched.

    Parameters
    ----------
    cost : array, shape (n, n)
    u, v : array, shape (n,)
        Potentials of the rows and the columns, of which no reduced cost is negative; 0 where matched.
    column_of, row_of : array of int64, shape (n,)
        What is matched with what; −1 with nothing.
    start, stop : int
        The rows.
    """
    n = len(cost)
    shortest, closed = np.empty(n), np.empty(n)
    before, visited = np.empty(n, np.int64), np.empty(n, np.int64)
    for row in range(start, stop):
        for j in range(n):
            shortest[j], closed[j], before[j] = np.inf, 0.0, row
        i, count, length = row, 0, 0.0
        while True:
            _look(cost[i], v, length - u[i], i, shortest, closed, before)
            length = _least(shortest, closed)
            j = _first(shortest, closed, length)
            closed[j] = np.inf
            if row_of[j] < 0:
                break
            visited[count] = j
            count += 1
            i = row_of[j]
        u[row] += length
        for k in range(count):
            column = visited[k]
            u[row_of[column]] += length - shortest[column]
            v[column] -= length - shortest[column]
        while True:
            i = before[j]
            row_of[j] = i
            j, column_of[i] = column_of[i], j
            if i == row:
                break


@part(EXACT | {"nnan"})
def _look(costs: Any, v: Any, base: float, i: int, shortest: Any, closed: Any, before: Any) -> None:
    """Shorten the paths to all columns by way of row i."""
    for j in range(len(v)):
        length = base + costs[j] - v[j]
        shorter = length + closed[j] < shortest[j]
        shortest[j] = length if shorter else shortest[j]
        before[j] = i if shorter else before[j]


@part(EXACT | {"nnan"})
def _least(shortest: Any, closed: Any) -> float:
    """The length of the shortest path to a column that is open."""
    least = np.inf
    for j in range(len(shortest)):
        least = min(least, shortest[j] + closed[j])
    return least


@part(EXACT)
def _first(shortest: Any, closed: Any, length: float) -> int:
    """The first column that is so far."""
    j = 0
    while shortest[j] + closed[j] != length:
        j += 1
    return j
