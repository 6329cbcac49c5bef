"""How far apart two draws of one population would be: the distances between random halves of one set."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from otgan.distances.distance import NoiseFloor
from otgan.distances.metric import Metric
from otgan.distances.splits import Pool
from otgan.distances.terms import Terms
from otgan.inference.relabelling import random_sides
from otgan.pair import Pair

__all__ = ["noise_floor"]

_HALVES = 4
"""A set of fewer samples is not halved."""

_MOST, _LEAST = 8, 2
"""Halvings of one set: as many as tell their mean and its error where they are cheap, and as few where they are dear."""

_ENTRIES = 2**26
"""Pairs of points in all halvings of a set together, above which there are fewer of them."""


def noise_floor(both: Pair, metric: Metric, terms: Terms, rng: np.random.Generator) -> NoiseFloor | None:
    """Measure the distances between random halves of either set; None where a set is too small to be halved."""
    pools = [Pool.of_one(side) for side in (both.x, both.y)]
    if any(len(pool) < max(_HALVES, 2 * metric.least_samples(terms)) for pool in pools):
        return None
    draws = [max(_LEAST, min(_MOST, _ENTRIES // (len(pool) * len(pool)))) for pool in pools]
    values = [
        metric.of_splits(pool, random_sides(pool.sizes, count, rng), terms, lambda _: None)
        for pool, count in zip(pools, draws, strict=True)
    ]
    (x, x_error), (y, y_error) = map(_mean, values)
    return NoiseFloor(x, y, x_error, y_error, min(draws))


def _mean(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return a mean and its standard error, which of infinite values is none."""
    if not np.isfinite(values).all():
        return float(values.mean()), math.inf
    return float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
