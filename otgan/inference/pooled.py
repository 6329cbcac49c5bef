"""Distances between pooled samples, in place of samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.arrays import array_of
from otgan.distances.metric import Metric
from otgan.mistakes import WrongValueError
from otgan.namespace import Array, as_numpy, double
from otgan.options import WrongKindError, shown, whole_number

__all__ = ["posed"]

_PAIR = 2
"""How many sets there are, and of how many dimensions a matrix is."""


def posed(x: Any, y: Any, cost: Any, p: Any, sizes: Any, metric: Metric) -> tuple[Any, Any, Any]:
    """Return samples and their cost; for a matrix of pooled distances the places in it, and a cost that looks there.

    Raises
    ------
    TypeError, ValueError
        If there is a matrix without sizes, or the other way around, or they do not go together.
    """
    if not (isinstance(cost, str) and cost == "precomputed"):
        if sizes is not None:
            raise WrongValueError(
                "sizes are of a matrix of pooled distances: pass cost='precomputed' with them"
            )
        return x, y, cost
    expected = "the numbers of samples of the first and of the second set, (n, m)"
    if y is not None:
        raise WrongValueError(
            "with cost='precomputed' x is the matrix of distances between the pooled samples: leave out y"
        )
    if not metric.uses_cost:
        raise WrongValueError(
            f"with cost='precomputed' distance must be one of distances between samples, got {metric.name!r}, which looks at their "
            "coordinates: use 'energy', 'emd' or 'sinkhorn_divergence'"
        )
    if p is not None and not (isinstance(p, (int, float)) and p == 1):
        raise WrongValueError(
            f"p must be 1 for cost='precomputed', got {shown(p)}: raise the matrix to that power"
        )
    if not isinstance(sizes, (list, tuple)) or len(sizes) != _PAIR:
        raise WrongKindError(f"with cost='precomputed' sizes must be {expected}, got {shown(sizes)}")
    n, m = (whole_number(size, "sizes", expected) for size in sizes)
    matrix = _matrix(x, n + m)

    def precomputed(u: Array, v: Array) -> Array:
        return matrix[np.ix_(u[:, 0].astype(np.int64), v[:, 0].astype(np.int64))]

    places = np.arange(float(n + m))[:, None]
    return places[:n], places[n:], precomputed


def _matrix(x: Any, count: int) -> NDArray[np.float64]:
    """Return the distances between so many pooled samples."""
    matrix: NDArray[np.float64] = double(as_numpy(array_of(x, "x")))
    if matrix.shape != (count, count):
        raise WrongValueError(
            f"x must be the matrix of distances between {count} pooled samples, of shape {(count, count)}, got "
            f"{matrix.shape}"
        )
    if not np.isfinite(matrix).all() or (matrix < 0).any():
        raise WrongValueError("x must hold distances, finite and at least 0")
    if matrix.diagonal().any() or not np.allclose(matrix, matrix.T, rtol=1e-6, atol=0):
        raise WrongValueError(
            "x must hold the distances between pooled samples: symmetric, and 0 on the diagonal"
        )
    return matrix
