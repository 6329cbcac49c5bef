"""Gradients in points: what the mass of a plan pulls them by, a few rows at a time, the plan never stored."""

from __future__ import annotations

from typing import Any

import numpy as np

from otgan.geometry.compiled.costs import row_of
from otgan.geometry.compiled.powers import fill_powers
from otgan.jit import SUMS, compiled, part

__all__ = ["pulls_of"]

_AT_ONCE = 4
"""Rows whose pulls are summed at once, so that what they pull at is read and written a quarter as often."""


@compiled(SUMS)
def pulls_of(
    source: Any,
    x: Any,
    y: Any,
    row: Any,
    column: Any,
    inverse: Any,
    squared: bool,
    in_x: Any,
    in_y: Any,
    piece: int,
    start: int,
    stop: int,
) -> None:
    """Write Σⱼ Pᵢⱼ ∇ₓ C of Euclidean costs to the power 1 or 2, and add what pulls at y.

    P is 2^(row + column − C · inverse), and ∇ₓ C is 2 (x − y) or (x − y)/C, 0 where the two coincide.

    Parameters
    ----------
    source : tuple
        As for :func:`otgan.geometry.compiled.visits.exponential`.
    x, y : array, shapes (B, n, d) and (B, d, m), float64
        The coordinates of y one after another.
    row, column, inverse : array
        As for that, too.
    squared : bool
        Whether the power is 2.
    in_x : array, shape (B, n, d)
    in_y : array, shape (pieces, B, d, m)
        Zeros.
    piece, start, stop : int
    """
    n, d, m = x.shape[1], x.shape[2], y.shape[2]
    room, force, some = np.empty(m), np.empty((_AT_ONCE, m)), np.empty(_AT_ONCE)
    index = start
    while index < stop:
        k = index // n
        low = index - k * n
        count = min(_AT_ONCE, n - low, stop - index)
        for r in range(_AT_ONCE):
            if r < count:
                i = low + r
                costs = row_of(source, k, i, room)
                fill_powers(costs, row[k, i], column[k], inverse[k], force[r])
                _turn(force[r], costs, squared)
            else:
                _clear(force[r])
        for c in range(d):
            for r in range(_AT_ONCE):
                some[r] = x[k, low + min(r, count - 1), c]
            _pull(some, y[k, c], force, in_y[piece, k, c])
            for r in range(count):
                in_x[k, low + r, c] = some[r]
        index += count


@part(SUMS)
def _turn(force: Any, costs: Any, squared: bool) -> None:
    """Turn masses into what they pull with at a unit of distance."""
    for j in range(len(force)):
        force[j] = 2 * force[j] if squared else force[j] / costs[j] if costs[j] > 0 else 0.0


@part(SUMS)
def _clear(force: Any) -> None:
    for j in range(len(force)):
        force[j] = 0.0


@part(SUMS)
def _pull(at: Any, line: Any, force: Any, others: Any) -> None:
    """Put Σⱼ force (at − line) of each row in the place of `at`, and take each term from the others' sums."""
    at0, at1, at2, at3 = at[0], at[1], at[2], at[3]
    force0, force1, force2, force3 = force[0], force[1], force[2], force[3]
    sum0, sum1, sum2, sum3 = 0.0, 0.0, 0.0, 0.0
    for j in range(len(line)):
        there = line[j]
        pull0, pull1 = force0[j] * (at0 - there), force1[j] * (at1 - there)
        pull2, pull3 = force2[j] * (at2 - there), force3[j] * (at3 - there)
        sum0 += pull0
        sum1 += pull1
        sum2 += pull2
        sum3 += pull3
        others[j] -= (pull0 + pull1) + (pull2 + pull3)
    at[0], at[1], at[2], at[3] = sum0, sum1, sum2, sum3
