"""How far the samples, and not the populations, make a number what it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["rooted", "standard_error"]


def standard_error(
    f: NDArray[np.float64], g: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]
) -> float:
    """Standard error of a distance as an estimate of its own expectation.

    (Σᵢ aᵢ² (fᵢ − ⟨a, f⟩)² + Σⱼ bⱼ² (gⱼ − ⟨b, g⟩)²)^½, where f and g are the derivatives of the distance in the weights,
    which of a transport cost are its potentials: the delta method. Without weights it is (Var f / n + Var g / m)^½. It
    says nothing about the bias, the distance between the expectation and that of the populations, which the noise
    floor bounds.

    References
    ----------
    E. del Barrio, J.-M. Loubes, "Central limit theorems for empirical transportation cost in general dimension",
    Ann. Probab. 47(2), 2019. G. Mena, J. Niles-Weed, "Statistical bounds for entropic optimal transport: sample
    complexity and the central limit theorem", NeurIPS 2019.
    """
    # The values are brought to order one before they are squared, which may be beyond what a float can hold.
    scale = max(float(np.abs(values).max()) for values in (f, g))
    if not 0 < scale < np.inf:
        return scale
    parts = (weights * (values / scale - weights @ (values / scale)) for values, weights in ((f, a), (g, b)))
    return scale * float(np.sqrt(sum((part**2).sum() for part in parts)))


def rooted(error: float, cost: float, p: float) -> float | None:
    """Turn the standard error of a cost into that of its p-th root; None at cost 0, where that has no slope."""
    if p == 1:
        return error
    return error * cost ** (1 / p - 1) / p if cost > 0 else None
