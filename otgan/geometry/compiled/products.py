"""Products with kernels, there and back: each row is read once, while it is in cache.

Kernels are of shape (B, n, m), stored or formed a few rows at a time. What is cut into pieces for threads is as in
:mod:`otgan.geometry.compiled.visits`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from otgan.geometry.compiled.costs import part_of_row
from otgan.geometry.compiled.powers import fill_powers
from otgan.geometry.compiled.visits import FLUSH, hand_over
from otgan.jit import SUMS, compiled, part

__all__ = [
    "INSTEAD",
    "ONLY",
    "OVER",
    "TIMES",
    "products_of",
    "streamed_products",
    "there_and_back",
    "turned",
]

TIMES, OVER, INSTEAD, ONLY = 0, 1, 2, 3
"""What the sums of rows become before they go back through the columns, with weights."""

_PART = 1024
"""Costs of a row that are formed at once, so that they stay in the nearest cache until they are powers."""

_AT_ONCE = 4
"""Rows of a kernel that are multiplied at once, so that vectors are read a quarter as often."""


@part(SUMS)
def there_and_back(
    kernel: Any,
    n: int,
    m: int,
    side: Any,
    weights: Any,
    how: int,
    sums: Any,
    part: Any,
    back: Any,
    start: int,
    stop: int,
) -> None:
    """Multiply rows of one kernel K with a vector, turn the sums s, and add the products of the columns with those.

    Parameters
    ----------
    kernel : array, shape (n, m), float32 or float64
    n, m : int
        Rows and columns in use.
    side : array, shape (m,), in the type of the kernel
        What rows are multiplied with.
    weights : array, shape (n,)
        w.
    how : int
        What sums become: w / s for ``OVER``, which is 0 where w is; w s for ``TIMES``; w for ``INSTEAD``; nothing for
        ``ONLY``, which does not go back.
    sums : array, shape (n,)
        s, written.
    part : array, shape (m,), in the type of the kernel
        Room for sums.
    back : array, shape (m,)
        What Kᵀ turned(s) is added to.
    start, stop : int
        The rows.
    """
    zero = kernel.dtype.type(0)
    for j in range(m):
        part[j] = zero
    fresh = 0
    i = start
    while i + _AT_ONCE <= stop:
        row0, row1, row2, row3 = kernel[i], kernel[i + 1], kernel[i + 2], kernel[i + 3]
        sum0, sum1, sum2, sum3 = zero, zero, zero, zero
        for j in range(m):
            at = side[j]
            sum0 += row0[j] * at
            sum1 += row1[j] * at
            sum2 += row2[j] * at
            sum3 += row3[j] * at
        sums[i], sums[i + 1], sums[i + 2], sums[i + 3] = sum0, sum1, sum2, sum3
        turn0 = kernel.dtype.type(turned(weights[i], sums[i], how))
        turn1 = kernel.dtype.type(turned(weights[i + 1], sums[i + 1], how))
        turn2 = kernel.dtype.type(turned(weights[i + 2], sums[i + 2], how))
        turn3 = kernel.dtype.type(turned(weights[i + 3], sums[i + 3], how))
        for j in range(m if how != ONLY else 0):
            part[j] += (turn0 * row0[j] + turn1 * row1[j]) + (turn2 * row2[j] + turn3 * row3[j])
        i += _AT_ONCE
        fresh += _AT_ONCE
        if fresh >= FLUSH:
            fresh = 0
            hand_over(part, back)
    for rest in range(i, stop):
        row0, sum0 = kernel[rest], zero
        for j in range(m):
            sum0 += row0[j] * side[j]
        sums[rest] = sum0
        turn0 = kernel.dtype.type(turned(weights[rest], sums[rest], how))
        for j in range(m if how != ONLY else 0):
            part[j] += turn0 * row0[j]
    hand_over(part, back)


@part(SUMS)
def turned(weight: float, total: float, how: int) -> float:
    """What the sum of a row becomes before it goes back."""
    if how == TIMES:
        return weight * total
    return 0.0 if weight == 0 else weight / total if how == OVER else weight


@compiled(SUMS)
def products_of(
    kernel: Any,
    side: Any,
    weights: Any,
    how: int,
    sums: Any,
    back: Any,
    piece: int,
    start: int,
    stop: int,
) -> None:
    """Do :func:`there_and_back` for the rows of a batch of kernels (B, n, m); `back` has shape (pieces, B, m)."""
    n, m = kernel.shape[1], kernel.shape[2]
    part = np.empty(m, kernel.dtype)
    index = start
    while index < stop:
        k = index // n
        low = index - k * n
        high = min(n, stop - k * n)
        there_and_back(kernel[k], n, m, side[k], weights[k], how, sums[k], part, back[piece, k], low, high)
        index = k * n + high


@compiled(SUMS)
def streamed_products(
    source: Any,
    row: Any,
    column: Any,
    inverse: Any,
    side: Any,
    weights: Any,
    how: int,
    sums: Any,
    back: Any,
    piece: int,
    start: int,
    stop: int,
) -> None:
    """Do as :func:`products_of` with the kernel of :func:`exponential`, formed a few rows at a time in the type of `side`."""
    n, m = row.shape[1], column.shape[1]
    rows, part, room = (
        np.empty((_AT_ONCE, m), side.dtype),
        np.empty(m, side.dtype),
        np.empty(_PART, row.dtype),
    )
    index = start
    while index < stop:
        k = index // n
        low = index - k * n
        count = min(_AT_ONCE, n - low, stop - index)
        # A part of the columns serves all of these rows while it is near: a million points are read from memory otherwise.
        for first in range(0, m, _PART):
            last = min(first + _PART, m)
            costs = room[: last - first]
            for i in range(count):
                part_of_row(source, k, low + i, first, costs)
                fill_powers(costs, row[k, low + i], column[k, first:last], inverse[k], rows[i, first:last])
        some, found = weights[k, low : low + count], sums[k, low : low + count]
        there_and_back(rows, count, m, side[k], some, how, found, part, back[piece, k], 0, count)
        index += count
