"""How far a measured distance can be trusted as a statement about populations, not about these samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from otgan.distances.distance import NoiseFloor, Null
from otgan.measure import Measure
from otgan.namespace import beside, namespace
from otgan.pair import Pair

__all__ = ["noise_floor", "permutation_null"]

Statistic = Callable[[Pair], float]

_HALVES = 4
"""A set of fewer samples is not halved."""


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
    pooled = replace(both.x, points=namespace(both.x.points).concat([both.x.points, both.y.points], axis=1))
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


def _size(side: Measure) -> int:
    return side.points.shape[1]


def _take(side: Measure, rows: NDArray[np.int64]) -> Measure:
    """Return some samples of an unweighted measure as a measure."""
    return replace(Measure.of(side.points[0, beside(rows, side.points)]), numpy=side.numpy)
