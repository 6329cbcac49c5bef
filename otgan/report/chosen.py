"""What to measure where nothing is asked for: divergences by an estimator that suits the samples."""

from __future__ import annotations

import numpy as np

from otgan.distances.spec import MeasurementSpec
from otgan.divergences.neighbors import check_k
from otgan.namespace import as_numpy
from otgan.pair import Pair

__all__ = ["chosen"]

_SHARED = 0.1
"""Share of the samples that stand where others do, from which on points are taken for atoms: single repetitions are not."""


def chosen(spec: MeasurementSpec, both: Pair) -> tuple[MeasurementSpec, tuple[str, ...]]:
    """Return what to measure between two sets; and in words what there is no sound estimate of.

    Where samples share places, the masses of places are compared; where they are draws of densities, distances to
    nearest neighbors. These see no weights.
    """
    if not spec.by_data:
        return spec, ()
    estimator = _estimator(spec, both)
    if estimator is not None:
        return spec.chosen(estimator), ()
    return spec, (
        "JS, KL and TV are left out: of weighted samples that hardly share points only histograms estimate them; ask for "
        "estimator 'histogram' with bins",
    ) if both.x.weighted or both.y.weighted else ()


def _estimator(spec: MeasurementSpec, both: Pair) -> str | None:
    sides = both.x, both.y
    pooled = np.concatenate([as_numpy(side.points[0]) for side in sides]) + 0.0  # -0 is 0
    repeated = np.unique(pooled, axis=0, return_counts=True)[1]
    k = check_k(spec.estimated.get("k"))
    if "k" not in spec.estimated and (len(repeated) <= (1 - _SHARED) * len(pooled) or repeated.max() > k):
        return "atoms"
    few = min(side.points.shape[1] for side in sides) <= k
    weighted = any(side.weighted for side in sides)
    return None if few or weighted else "knn"
