"""Costs as compiled loops see them: a stored matrix, or norms formed from the differences of coordinates, row by row.

A source is a tuple (cost, x, y, order, root): costs of shape (B, n, m), or of no problem, and then points x of shape
(B, n, d) and y of shape (B, d, m), whose coordinates follow one another; everything float64.
"""

from __future__ import annotations

import math
from typing import Any

from otgan.jit import EXACT, compiled

__all__ = ["fill_norms", "row_of"]

_SUM, _SQUARES = 1, 2
"""Orders of norms; any other number stands for the largest coordinate."""


@compiled(EXACT)
def row_of(source: Any, k: int, i: int, room: Any) -> Any:
    """Return the costs of a point x, from the matrix or formed in memory of shape (m,)."""
    cost, x, y, order, root = source
    if len(cost) > 0:
        return cost[k, i]
    _norms(x[k, i], y[k], order, root, room)
    return room


@compiled(EXACT)
def fill_norms(
    x: Any, y: Any, order: int, root: bool, out: Any, low: int, piece: int, start: int, stop: int
) -> None:
    """Write the norms of xᵢ − yⱼ, or the squares of Euclidean ones, into out.

    Parameters
    ----------
    x, y, order, root
        As in a source: 1, 2, or 0 for the largest coordinate; whether to take the root of squares.
    out : array, shape (B, rows, m)
    low : int
        First row of x that `out` is of.
    piece, start, stop : int
        Number of this piece of the work, and which rows of all problems together it is.
    """
    rows = out.shape[1]
    for index in range(start, stop):
        k = index // rows
        i = index - k * rows
        _norms(x[k, low + i], y[k], order, root, out[k, i])


@compiled(EXACT)
def _norms(point: Any, others: Any, order: int, root: bool, found: Any) -> None:
    d, m = others.shape
    for j in range(m):
        found[j] = 0.0
    for c in range(d):
        if order == _SQUARES:
            _add_squares(point[c], others[c], found)
        elif order == _SUM:
            _add(point[c], others[c], found)
        else:
            _raise(point[c], others[c], found)
    if root:
        for j in range(m):
            found[j] = math.sqrt(found[j])


@compiled(EXACT)
def _add_squares(at: float, line: Any, found: Any) -> None:
    for j in range(len(found)):
        found[j] += (at - line[j]) * (at - line[j])


@compiled(EXACT)
def _add(at: float, line: Any, found: Any) -> None:
    for j in range(len(found)):
        found[j] += abs(at - line[j])


@compiled(EXACT)
def _raise(at: float, line: Any, found: Any) -> None:
    for j in range(len(found)):
        found[j] = max(found[j], abs(at - line[j]))
