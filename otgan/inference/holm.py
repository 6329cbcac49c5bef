"""Several tests at once: p-values such that one false alarm among all of them is as rare as a level says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["holm"]


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the p-values adjusted by Holm's step-down rule, max over j <= i of min(1, (k − j) p₍ⱼ₎).

    Whatever the tests have to do with each other: the probability that any true hypothesis is rejected at α is at most α.

    Parameters
    ----------
    p_values : ndarray, shape (k,)

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6(2), 1979.
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.maximum.accumulate((len(order) - np.arange(len(order))) * p_values[order])
    found = np.empty_like(p_values)
    found[order] = np.minimum(steps, 1.0)
    return found
