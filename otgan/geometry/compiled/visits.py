"""Visits to the costs of a source: each reads a row once, while it is in cache.

A visit is of some rows of all problems together, numbered 0 … B·rows − 1, so that it can be cut into pieces for threads;
sums over rows are gathered in a row of memory for each piece.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from otgan.geometry.compiled.costs import row_of
from otgan.geometry.compiled.powers import exp2, fill_powers
from otgan.jit import SUMS, compiled, part

__all__ = [
    "FLUSH",
    "columns_of",
    "exponential",
    "hand_over",
    "lowest_of",
    "marginal_sums",
    "softmin_columns",
    "softmin_rows",
]

FLUSH = 64
"""Rows after which sums in the type of the kernel move on to float64."""

_LN2 = math.log(2.0)


@compiled(SUMS)
def exponential(
    source: Any, row: Any, column: Any, inverse: Any, out: Any, low: int, piece: int, start: int, stop: int
) -> None:
    """Write 2^(row + column − cost · inverse), exponents in float64, into out: float32 or float64.

    Parameters
    ----------
    source : tuple
        Of costs, as :mod:`otgan.geometry.compiled.costs` has it.
    row, column : array, shapes (B, n) and (B, m), float64
    inverse : array, shape (B,), float64
    out : array, shape (B, rows, m)
    low : int
        First row of the costs that `out` is of.
    piece, start, stop : int
    """
    rows, m = out.shape[1], out.shape[2]
    room = np.empty(m)
    for index in range(start, stop):
        k = index // rows
        i = index - k * rows
        fill_powers(row_of(source, k, low + i, room), row[k, low + i], column[k], inverse[k], out[k, i])


@compiled(SUMS)
def marginal_sums(
    source: Any,
    row: Any,
    column: Any,
    inverse: Any,
    row_sums: Any,
    column_sums: Any,
    piece: int,
    start: int,
    stop: int,
) -> None:
    """Sum 2^(row + column − cost · inverse) over rows and over columns, in float64, without storing it.

    Parameters
    ----------
    source, row, column, inverse
        As for :func:`exponential`.
    row_sums : array, shape (B, n)
    column_sums : array, shape (pieces, B, m)
        Zeros.
    piece, start, stop : int
    """
    n, m = row.shape[1], column.shape[1]
    part, room = np.empty(m), np.empty(m)
    for j in range(m):
        part[j] = 0.0
    for index in range(start, stop):
        k = index // n
        i = index - k * n
        costs, columns, sums = row_of(source, k, i, room), column[k], column_sums[piece, k]
        base, factor = row[k, i], inverse[k]
        total = 0.0
        for j in range(m):
            entry = exp2(base + columns[j] - costs[j] * factor, 0.0)
            total += entry
            part[j] += entry
        row_sums[k, i] = total
        if i % FLUSH == FLUSH - 1 or i == n - 1 or index == stop - 1:
            hand_over(part, sums)


@part(SUMS | {"nnan"})
def lowest_of(costs: Any, potential: Any, m: int) -> float:
    """minⱼ cⱼ − hⱼ, of numbers that are numbers."""
    least = np.inf
    for j in range(m):
        least = min(least, costs[j] - potential[j])
    return least


@compiled(SUMS)
def softmin_rows(
    source: Any, h: Any, epsilon: Any, soft: bool, found: Any, piece: int, start: int, stop: int
) -> None:
    """Write −ε log Σⱼ exp((hⱼ − Cᵢⱼ)/ε), or where not `soft` minⱼ Cᵢⱼ − hⱼ, into found of shape (B, n)."""
    n, m = found.shape[1], h.shape[1]
    room = np.empty(m)
    for index in range(start, stop):
        k = index // n
        i = index - k * n
        costs, potential = row_of(source, k, i, room), h[k]
        least = lowest_of(costs, potential, m)
        found[k, i] = least
        if soft and abs(least) < np.inf:
            inverse, total = 1 / (epsilon[k] * _LN2), 0.0
            for j in range(m):
                total += exp2((least - (costs[j] - potential[j])) * inverse, 0.0)
            found[k, i] = least - epsilon[k] * math.log(total)


@compiled(SUMS)
def columns_of(source: Any, h: Any, least: Any, piece: int, start: int, stop: int) -> None:
    """Lower `least`, shape (pieces, B, m), to minᵢ Cᵢⱼ − hᵢ over some rows."""
    n, m = h.shape[1], least.shape[2]
    room = np.empty(m)
    for index in range(start, stop):
        k = index // n
        i = index - k * n
        costs, found, at = row_of(source, k, i, room), least[piece, k], h[k, i]
        for j in range(m):
            found[j] = min(found[j], costs[j] - at)


@compiled(SUMS)
def softmin_columns(
    source: Any, h: Any, epsilon: Any, least: Any, total: Any, piece: int, start: int, stop: int
) -> None:
    """Add exp((leastⱼ − Cᵢⱼ + hᵢ)/ε) over some rows to `total`, shape (pieces, B, m); `least` has shape (B, m)."""
    n, m = h.shape[1], least.shape[1]
    room = np.empty(m)
    for index in range(start, stop):
        k = index // n
        i = index - k * n
        costs, sums, lowest, at = row_of(source, k, i, room), total[piece, k], least[k], h[k, i]
        inverse = 1 / (epsilon[k] * _LN2)
        for j in range(m):
            sums[j] += exp2((lowest[j] - (costs[j] - at)) * inverse, 0.0)


@part(SUMS)
def hand_over(part: Any, total: Any) -> None:
    """Add sums to a total in float64, and begin again at 0."""
    for j in range(len(part)):
        total[j] += part[j]
        part[j] = 0
