"""Who might have been in which set, had chance decided: the splits of a permutation test."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.distances.splits import Pool, Sides
from otgan.mistakes import WrongValueError
from otgan.options import WrongKindError, shown

__all__ = ["paired_sides", "random_sides", "strata_of"]

_SETS = 2
"""x and y."""


def random_sides(
    sizes: tuple[int, int],
    permutations: int,
    rng: np.random.Generator,
    strata: NDArray[np.int64] | None = None,
) -> Sides:
    """Return which samples each split gives to x: any of them, or as many of every stratum as x has of it.

    Parameters
    ----------
    sizes : tuple of int
    permutations : int
        How many splits, K.
    rng : numpy.random.Generator
    strata : ndarray of int, shape (n + m,), optional

    Returns
    -------
    ndarray of bool, shape (K, n + m)
    """
    n, m = sizes
    sides = np.tile(np.arange(n + m) < n, (permutations, 1))
    if strata is None:
        return rng.permuted(sides, axis=1)
    for stratum in np.unique(strata):
        inside = strata == stratum
        sides[:, inside] = rng.permuted(sides[:, inside], axis=1)
    return sides


def paired_sides(n: int, permutations: int, rng: np.random.Generator) -> Sides:
    """Return splits that exchange the two samples of some pairs: of each with probability ½."""
    kept = rng.integers(0, 2, (permutations, n), dtype=np.bool_)
    return np.concatenate([kept, ~kept], axis=1)


def strata_of(strata: Any, pool: Pool) -> NDArray[np.int64] | None:
    """Return the stratum of every pooled sample, as a number; None where there are none.

    Raises
    ------
    TypeError, ValueError
        If strata are not two lists of labels, one a sample of x and one a sample of y.
    """
    if strata is None:
        return None
    n, m = (len(rows) for rows in pool.heavy)
    expected = f"two lists of labels, {n} of the samples of x and {m} of those of y"
    if not isinstance(strata, (list, tuple)) or len(strata) != _SETS:
        raise WrongKindError(f"strata must be {expected}, got {shown(strata)}")
    labels = [np.asarray(side) for side in strata]
    if [side.shape for side in labels] != [(n,), (m,)]:
        raise WrongValueError(
            f"strata must be {expected}, got shapes {labels[0].shape} and {labels[1].shape}"
        )
    if any(side.dtype == object for side in labels):
        labels = [side.astype(str) for side in labels]
    both = np.concatenate([side[rows] for side, rows in zip(labels, pool.heavy, strict=True)])
    return np.unique(both, return_inverse=True)[1].reshape(-1)
