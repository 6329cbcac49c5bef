"""Transport between the two sides of many splits of one set on lines, on which all samples are put in order once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.jit import EXACT, compiled
from otgan.threads import count, in_pieces

__all__ = ["costs_of_splits"]

_SQUARED = 2


def costs_of_splits(
    projected: NDArray[np.float64],
    chosen: NDArray[np.bool_],
    w: NDArray[np.float64],
    *,
    slack: float,
    p: float,
) -> NDArray[np.float64]:
    """W_p^p between the two sides of K splits, summed over L lines, shape (K,).

    Parameters
    ----------
    projected : ndarray, shape (L, n)
        Where the samples are on each line.
    chosen : ndarray of bool, shape (K, n)
        Which of them are on the first side.
    w : ndarray, shape (n,)
        The weight of each, on whichever side it is.
    slack : float
        The length up to which two samples are at one place.
    p : float
    """
    order = np.argsort(projected, axis=1, kind="stable")
    places = np.take_along_axis(projected, order, 1)
    found = np.empty(len(chosen))
    chosen = np.ascontiguousarray(chosen)
    in_pieces(_costs_of_splits, len(chosen), count(), places, order, chosen, w, float(slack), float(p), found)
    return found


@compiled(EXACT)
def _costs_of_splits(
    places: Any,
    order: Any,
    chosen: Any,
    w: Any,
    slack: float,
    p: float,
    found: Any,
    piece: int,
    start: int,
    stop: int,
) -> None:
    """Write the sums of some splits: the quantile functions of the sides are coupled, step by step."""
    lines, n = places.shape
    at, level, count_of = np.empty((2, n)), np.empty((2, n)), np.empty(2, np.int64)
    for k in range(start, stop):
        mass = np.zeros(2)
        for i in range(n):
            mass[0 if chosen[k, i] else 1] += w[i]
        total = 0.0
        for line in range(lines):
            count_of[:] = 0
            upto = np.zeros(2)
            for r in range(n):
                i = order[line, r]
                side = 0 if chosen[k, i] else 1
                upto[side] += w[i]
                at[side, count_of[side]] = places[line, r]
                level[side, count_of[side]] = upto[side] / mass[side]
                count_of[side] += 1
            # Levels that differ by the rounding of their sums alone are one.
            same = 2 * 2.0**-52 * np.sqrt(n)
            i, j, last = 0, 0, 0.0
            while i < count_of[0] and j < count_of[1]:
                apart = abs(at[0, i] - at[1, j])
                ahead = level[0, i] - level[1, j]
                upper = level[0, i] if ahead <= 0 else level[1, j]
                if apart > slack and upper > last:
                    power = apart if p == 1 else apart * apart if p == _SQUARED else apart**p
                    total += (upper - last) * power
                last = max(last, upper)
                if ahead <= same:
                    i += 1
                if ahead >= -same:
                    j += 1
        found[k] = total
