"""How far a measured distance can be trusted as a statement about populations, not about these samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from otgan.measure import Measure, Pair

__all__ = ["NoiseFloor", "Null", "noise_floor", "permutation_null", "standard_error"]

Statistic = Callable[[Pair], float]

_HALVES = 4
"""A set of fewer samples is not halved."""


@dataclass(frozen=True)
class NoiseFloor:
    """How far two random halves of one set are apart.

    Two draws of one population are never at distance 0. For W₁, with Eᵢ the mean distance between two draws of
    population i of the sizes measured, the distance of the populations is between E[W₁] − E_x − E_y and E[W₁],
    by the triangle inequality and the convexity of W₁; halves, being smaller, are farther apart than Eᵢ.

    Attributes
    ----------
    x, y : float
        The distance between the two halves of x, and of y.
    """

    x: float
    y: float

    @property
    def larger(self) -> float:
        """The larger of the two."""
        return max(self.x, self.y)


@dataclass(frozen=True)
class Null:
    """What the distance would be if both sets were draws of one population, by a permutation test.

    Attributes
    ----------
    permutations : int
        How many times the pooled samples were split at random into sets of the same sizes.
    mean, quantile_95 : float
        Mean and 95 % quantile of the distance between the two parts.
    p_value : float
        (1 + how many were at least as far apart as x and y) / (1 + permutations). Where both sets are draws of
        one population it is below α with probability at most α, exactly, whatever the distance and the sizes.
    """

    permutations: int
    mean: float
    quantile_95: float
    p_value: float


def noise_floor(both: Pair, statistic: Statistic, rng: np.random.Generator) -> NoiseFloor | None:
    """Measure the distance between two random halves of either set; None for weighted or tiny sets."""
    sides = (both.x, both.y)
    if any(side.weighted or _size(side) < _HALVES for side in sides):
        return None
    apart = []
    for side in sides:
        order = rng.permutation(_size(side))
        half = len(order) // 2
        apart.append(statistic(Pair(_take(side, order[:half]), _take(side, order[half : 2 * half]))))
    return NoiseFloor(*apart)


def permutation_null(
    both: Pair,
    statistic: Statistic,
    observed: float,
    permutations: int,
    rng: np.random.Generator,
    tick: Callable[[], object],
) -> Null:
    """Measure the distance between random parts of the pooled samples; `tick` is called after each."""
    n, m = _size(both.x), _size(both.y)
    pooled = replace(both.x, points=torch.cat([both.x.points, both.y.points], 1))
    values = np.empty(permutations)
    for k in range(permutations):
        order = rng.permutation(n + m)
        values[k] = statistic(Pair(_take(pooled, order[:n]), _take(pooled, order[n:])))
        tick()
    # Equal splits give equal distances only up to rounding; a tie counts against significance.
    slack = 1e-12 * abs(observed) if np.isfinite(observed) else 0.0
    beyond = int((values >= observed - slack).sum())
    return Null(
        permutations,
        float(values.mean()),
        float(np.quantile(values, 0.95, method="higher")),
        (1 + beyond) / (1 + permutations),
    )


def standard_error(
    f: NDArray[np.float64], g: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]
) -> float:
    """Standard error of a transport cost as an estimate of its own expectation.

    (Σᵢ aᵢ² (fᵢ − ⟨a, f⟩)² + Σⱼ bⱼ² (gⱼ − ⟨b, g⟩)²)^½: potentials are the derivatives of the cost in the weights,
    so this is the delta method; without weights it is (Var f / n + Var g / m)^½. It says nothing about the bias,
    the distance between the expectation and the cost of the populations, which the noise floor bounds.

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


def _size(side: Measure) -> int:
    return side.points.shape[1]


def _take(side: Measure, rows: NDArray[np.int64]) -> Measure:
    """Return some samples of an unweighted measure as a measure."""
    index = torch.from_numpy(rows).to(side.device)
    return replace(Measure.of(side.points[0, index]), numpy=side.numpy)
