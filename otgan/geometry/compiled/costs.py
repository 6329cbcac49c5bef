"""Costs as compiled loops see them: a stored matrix, or norms formed from the differences of coordinates, row by row.

A source is a tuple (cost, x, y, order, root): costs of shape (B, n, m), or of no problem, and then points x of shape
(B, n, d) and y of shape (B, d, m), whose coordinates follow one another; float64, or float32 for what may be rough.
"""

from __future__ import annotations

import math
from typing import Any

from otgan.jit import EXACT, compiled, part

__all__ = ["fill_norms", "part_of_row", "row_of"]

_SUM, _SQUARES = 1, 2
"""Orders of norms; any other number stands for the largest coordinate."""

_AT_ONCE = 4
"""Coordinates that are looked at together."""


@part(EXACT)
def row_of(source: Any, k: int, i: int, room: Any) -> Any:
    """Return the costs of a point x, from the matrix or formed in memory of shape (m,)."""
    cost = source[0]
    if len(cost) > 0:
        return cost[k, i]
    part_of_row(source, k, i, 0, room)
    return room


@part(EXACT)
def part_of_row(source: Any, k: int, i: int, low: int, found: Any) -> None:
    """Form costs of a point x and of some points y, from number `low` on."""
    _, x, y, order, root = source
    _norms(x[k, i], y[k], low, order, root, found)


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
        _norms(x[k, low + i], y[k], 0, order, root, out[k, i])


@part(EXACT)
def _norms(point: Any, others: Any, low: int, order: int, root: bool, found: Any) -> None:
    d, m = len(point), len(found)
    high = low + m
    for j in range(m):
        found[j] = 0.0
    c = 0
    if order == _SQUARES:
        # Four coordinates at once: what is summed up is read and written a quarter as often.
        while c + _AT_ONCE <= d:
            # One by one, lines are known to be contiguous.
            line0, line1 = others[c, low:high], others[c + 1, low:high]
            line2, line3 = others[c + 2, low:high], others[c + 3, low:high]
            _add_four_squares(point[c : c + _AT_ONCE], line0, line1, line2, line3, found)
            c += _AT_ONCE
    while c < d:
        if order == _SQUARES:
            _add_squares(point[c], others[c, low:high], found)
        elif order == _SUM:
            _add(point[c], others[c, low:high], found)
        else:
            _raise(point[c], others[c, low:high], found)
        c += 1
    if root:
        for j in range(m):
            found[j] = math.sqrt(found[j])


@part(EXACT)
def _add_four_squares(at: Any, line0: Any, line1: Any, line2: Any, line3: Any, found: Any) -> None:
    at0, at1, at2, at3 = at[0], at[1], at[2], at[3]
    for j in range(len(found)):
        apart0, apart1, apart2, apart3 = at0 - line0[j], at1 - line1[j], at2 - line2[j], at3 - line3[j]
        found[j] += (apart0 * apart0 + apart1 * apart1) + (apart2 * apart2 + apart3 * apart3)


@part(EXACT)
def _add_squares(at: float, line: Any, found: Any) -> None:
    for j in range(len(found)):
        found[j] += (at - line[j]) * (at - line[j])


@part(EXACT)
def _add(at: float, line: Any, found: Any) -> None:
    for j in range(len(found)):
        found[j] += abs(at - line[j])


@part(EXACT)
def _raise(at: float, line: Any, found: Any) -> None:
    for j in range(len(found)):
        found[j] = max(found[j], abs(at - line[j]))
