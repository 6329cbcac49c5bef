"""Weights as whole numbers of one total: what the simplex counts with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from otgan.exact.sparse_plan import Floats

__all__ = ["whole_masses"]

Ints = NDArray[np.int64]

_TOTAL = 2.0**61
"""The total, which leaves room for sums of flows."""


def whole_masses(a: Floats, b: Floats) -> tuple[Ints, Ints]:
    """Return masses of both sides in a common unit.

    Equal weights are m units for each of n points and n units for each of m, over their common divisor: exactly. Others
    are rounded to 2^−61 of the total, and no less than one unit; the largest of one side takes the difference of the totals.

    Parameters
    ----------
    a, b : ndarray, shapes (n,) and (m,)
        Positive, each of total 1, as well as float64 has it.
    """
    n, m = len(a), len(b)
    if a.min() == a.max() and b.min() == b.max():
        common = np.gcd(n, m)
        return np.full(n, m // common), np.full(m, n // common)
    supply, demand = (np.maximum(np.rint(w * (_TOTAL / w.sum())), 1).astype(np.int64) for w in (a, b))
    surplus = int(supply.sum()) - int(demand.sum())
    if demand.max() >= supply.max():
        demand[demand.argmax()] += surplus
    else:
        supply[supply.argmax()] -= surplus
    return supply, demand
