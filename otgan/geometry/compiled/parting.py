"""Visits to a kernel in two parts: its few heavy entries as compressed rows, and the rest as a matrix.

The heavy ones, in float64, are the core: arrays (ends, index, value), row i being index[ends[i] : ends[i + 1]] with the
values there, as in CSR. They are 0 in the matrix of the rest, in float32. All are of one problem, n × m; what is cut into
pieces for threads is as in :mod:`otgan.geometry.compiled.visits`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from otgan.geometry.compiled.costs import row_of
from otgan.geometry.compiled.powers import exp2, fill_powers
from otgan.geometry.compiled.products import turned
from otgan.geometry.compiled.visits import FLUSH, hand_over
from otgan.jit import SUMS, compiled, part

__all__ = ["fill_rest", "part_off", "parted_products"]

_AT_ONCE = 4
"""Rows of the rest that are multiplied at once, so that vectors are read a quarter as often."""

_LOOK = 64
"""Entries of a row that are looked at together: mostly none of them is heavy."""


@part(SUMS)
def _heavy(entries: Any, a: float, b: Any, least: Any) -> int:
    """How many entries k of a row have k max(a, b) > least: a plan's, relative to the lighter of its two weights."""
    found = 0
    for j in range(len(entries)):
        found += 1 if entries[j] * max(a, b[j]) > least else 0
    return found


@compiled(SUMS)
def fill_rest(
    source: Any,
    row: Any,
    column: Any,
    inverse: Any,
    a: Any,
    b: Any,
    least: Any,
    every: int,
    rest: Any,
    counts: Any,
    piece: int,
    start: int,
    stop: int,
) -> None:
    """Write 2^(row + column − cost · inverse) into rows of a matrix, and count their heavy entries.

    Parameters
    ----------
    source, row, column, inverse
        As for :func:`otgan.geometry.compiled.visits.exponential`.
    a, b : array, shapes (n,) and (m,), float32
        Weights.
    least : float32
        Entries of the plan, relative to the lighter of their weights, above which they are heavy.
    every : int
        Row k of what is written is row k · every of the kernel.
    rest : array, shape (rows, m), float32
    counts : array, shape (rows,)
        Written.
    piece, start, stop : int
    """
    room = np.empty(column.shape[1])
    for k in range(start, stop):
        i = k * every
        fill_powers(row_of(source, 0, i, room), row[0, i], column[0], inverse[0], rest[k])
        counts[k] = _heavy(rest[k], a[i], b, least)


@compiled(SUMS)
def part_off(
    source: Any,
    row: Any,
    column: Any,
    inverse: Any,
    a: Any,
    b: Any,
    least: Any,
    rest: Any,
    ends: Any,
    index: Any,
    value: Any,
    piece: int,
    start: int,
    stop: int,
) -> None:
    """Move the heavy entries that :func:`fill_rest` counted out of some rows, where they become 0, into the core."""
    m = column.shape[1]
    room = np.empty(m)
    zero = np.float32(0)
    for i in range(start, stop):
        entries, at, base, factor = rest[i], ends[i], row[0, i], inverse[0]
        if at == ends[i + 1]:
            continue
        costs = row_of(source, 0, i, room)
        for low in range(0, m, _LOOK):
            high = min(low + _LOOK, m)
            if _heavy(entries[low:high], a[i], b[low:high], least) == 0:
                continue
            for j in range(low, high):
                if entries[j] * max(a[i], b[j]) > least:
                    index[at] = j
                    value[at] = exp2(base + column[0, j] - costs[j] * factor, 0.0)
                    entries[j] = zero
                    at += 1


@compiled(SUMS)
def parted_products(
    rest: Any,
    core: Any,
    side: Any,
    weights: Any,
    how: int,
    sums: Any,
    back: Any,
    piece: int,
    start: int,
    stop: int,
) -> None:
    """Do as :func:`otgan.geometry.compiled.products.products_of` with the sum of a core and the rest, of one problem.

    Parameters
    ----------
    rest : array, shape (n, m), float32
    core : tuple
        Arrays ends, index and value.
    side : array, shape (m,), float64
        What rows are multiplied with.
    weights : array, shape (n,), float64
    how : int
    sums : array, shape (n,)
        Written.
    back : array, shape (pieces, m)
        Zeros.
    piece, start, stop : int
    """
    m = rest.shape[1]
    ends, index, value = core
    found = back[piece]
    rough, gathered, turns = side.astype(np.float32), np.zeros(m, np.float32), np.zeros(_AT_ONCE, np.float32)
    for low in range(start, stop, _AT_ONCE):
        high = min(low + _AT_ONCE, stop)
        _sums_of_rest(rest[low:high], rough, sums[low:high])
        for i in range(low, high):
            first, last, total = ends[i], ends[i + 1], sums[i]
            for k in range(first, last):
                total += value[k] * side[index[k]]
            sums[i] = total
            turn = turned(weights[i], total, how)
            turns[i - low] = turn
            for k in range(first, last):
                found[index[k]] += value[k] * turn
        _add_rest(rest[low:high], turns, gathered)
        if (low - start) % FLUSH == 0 or high == stop:
            hand_over(gathered, found)


@part(SUMS)
def _sums_of_rest(rows: Any, side: Any, sums: Any) -> None:
    zero = np.float32(0)
    if len(rows) < _AT_ONCE:
        for i in range(len(rows)):
            row, total = rows[i], zero
            for j in range(len(side)):
                total += row[j] * side[j]
            sums[i] = total
        return
    row0, row1, row2, row3 = rows[0], rows[1], rows[2], rows[3]
    sum0, sum1, sum2, sum3 = zero, zero, zero, zero
    for j in range(len(side)):
        at = side[j]
        sum0 += row0[j] * at
        sum1 += row1[j] * at
        sum2 += row2[j] * at
        sum3 += row3[j] * at
    sums[0], sums[1], sums[2], sums[3] = sum0, sum1, sum2, sum3


@part(SUMS)
def _add_rest(rows: Any, turns: Any, part: Any) -> None:
    if len(rows) < _AT_ONCE:
        for i in range(len(rows)):
            row, turn = rows[i], turns[i]
            for j in range(len(part)):
                part[j] += turn * row[j]
        return
    row0, row1, row2, row3 = rows[0], rows[1], rows[2], rows[3]
    turn0, turn1, turn2, turn3 = turns[0], turns[1], turns[2], turns[3]
    for j in range(len(part)):
        part[j] += (turn0 * row0[j] + turn1 * row1[j]) + (turn2 * row2[j] + turn3 * row3[j])
