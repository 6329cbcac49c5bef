"""What to measure where nothing is asked for: divergences by an estimator that suits the samples."""

from __future__ import annotations

from dataclasses import replace

from otgan.distances.spec import MeasurementSpec
from otgan.divergences import atoms
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
    n, m = (side.points.shape[1] for side in sides)
    places = atoms(Pair(*(replace(side, weighted=False) for side in sides)))
    repeated = as_numpy(places.p) * n + as_numpy(places.q) * m  # how many samples stand at each place
    k = check_k(spec.estimated.get("k"))
    if "k" not in spec.estimated and (len(repeated) <= (1 - _SHARED) * (n + m) or repeated.max() > k + 0.5):
        return "atoms"
    few = min(n, m) <= k
    weighted = any(side.weighted for side in sides)
    return None if few or weighted else "knn"
