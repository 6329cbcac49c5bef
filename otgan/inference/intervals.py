"""Intervals for the distance between two populations, from samples of them; where there is no valid one, words that say so."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from otgan.distances.distance import Distance
from otgan.distances.metric import Metric
from otgan.distances.splits import Pool
from otgan.distances.terms import Terms
from otgan.distances.words import number
from otgan.inference.border import asked_for, fitted, generator_of
from otgan.inference.noise import noise_floor
from otgan.measure import Measure
from otgan.mistakes import WrongValueError
from otgan.namespace import as_numpy, beside
from otgan.options import one_of, probability, whole_number
from otgan.pair import Pair, pair
from otgan.quiet import quiet
from otgan.spelling import answer_misspelt
from otgan.status import ConvergenceError

__all__ = ["Interval", "confidence_interval"]

_DRAWN = 4 / 5
"""Samples drawn at a time by subsampling, as a power of those there are."""


@dataclass(frozen=True, repr=False)
class Interval:
    """An interval for the distance between two populations. Made by :func:`otgan.confidence_interval`.

    Attributes
    ----------
    lower, upper : float
        In the units of the distance.
    level : float
        The share of such intervals that hold the distance of the populations, at least about.
    method : str
    value : float
        The distance between the samples, which may lie outside: for few samples it is too large.
    distance : str

    See Also
    --------
    otgan.confidence_interval : An interval for the distance of the populations.

    Examples
    --------
    >>> import numpy as np, otgan
    >>> x = np.arange(200.0)
    >>> found = otgan.confidence_interval(x, x + 5000, distance="emd")
    >>> bool(found.lower < 5000 < found.upper)
    True
    """

    lower: float
    upper: float
    level: float
    method: str
    value: float
    distance: str

    def __repr__(self) -> str:
        return (
            f"Interval({number(self.lower)} to {number(self.upper)}, level={self.level:g}, method={self.method!r}, "
            f"{self.distance}={number(self.value)})"
        )


@quiet
@answer_misspelt
def confidence_interval(
    x: Any,
    y: Any,
    a: Any = None,
    b: Any = None,
    *,
    distance: str = "emd",
    level: float = 0.95,
    method: str | None = None,
    draws: int = 400,
    cost: Any = "euclidean",
    p: float | None = None,
    epsilon: float | None = None,
    blur: float | None = None,
    tol: float | None = None,
    max_iter: int | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int | np.random.Generator = 0,
) -> Interval:
    """Compute an interval that holds the distance between the populations of two sets of samples.

    Three methods, each for the distances whose theory has it:

    - "bracket", of "emd" and "sliced" at p = 1: by convexity samples are farther apart than populations on average, and by the triangle
      inequality at most by what two draws of either population are apart. From the value less both noise floors to the value,
      each end moved outward by the normal quantile times the standard error. Valid in every dimension, and wide where
      samples are few for it.
    - "subsampling", of "emd": the distances of draws of n^(4/5) samples show how a distance between samples varies about that
      of populations. Valid for populations of finitely many points, and on the line; where n^(-1/d) is slow it
      is not, so that more than one dimension needs points that are shared.
    - "normal", of "sinkhorn_divergence", "energy" and "mmd": the central limit theorem about the distance of the populations, with the
      standard error from potentials or slopes. What few samples add on average is taken off: of energy exactly, by leaving out the
      pairs of a sample with itself; of the Sinkhorn divergence by what halves of the samples have more of it, and the lower end
      leaves room for as much again, since it falls more slowly than 1/n where ε is small for the dimension. Valid where the
      populations differ; between equal ones the distance is of smaller order, and the interval holds 0 more often than it says.

    Parameters
    ----------
    x, y, a, b
        As for :func:`otgan.compare`.
    distance : str, default "emd"
    level : float, default 0.95
    method : {"bracket", "subsampling", "normal"}, optional
        The first that the distance has by default.
    draws : int, default 400
        How many draws subsampling takes.
    cost, p, epsilon, blur, tol, max_iter
        As for :func:`otgan.compare`; p is 1 by default, of the Sinkhorn divergence too.
    options : mapping, optional
        Options of the distance's own.
    seed : int or numpy.random.Generator, default 0
        What halvings and draws follow from.

    Returns
    -------
    Interval

    Raises
    ------
    TypeError, ValueError
        If the samples or an option are not what is expected, or the distance has no valid interval.
    ConvergenceError
        If the distance between the samples does not converge.

    See Also
    --------
    otgan.Interval : What an interval is.
    otgan.two_sample_test : Whether a difference can be chance.
    otgan.compare : Several distances at once, in a report.

    References
    ----------
    M. Sommerfeld, A. Munk, "Inference for empirical Wasserstein distances on finite spaces", J. R. Stat. Soc. B 80(1), 2018.
    E. del Barrio, P. Gordaliza, J.-M. Loubes, "A central limit theorem for Lp transportation cost on the real line", Inf. Inference 8(4),
    2019. A. González-Sanz, J.-M. Loubes, J. Niles-Weed, "Weak limits of entropy regularized optimal transport", 2022.

    Examples
    --------
    >>> import numpy as np, otgan
    >>> rng = np.random.default_rng(0)
    >>> found = otgan.confidence_interval(rng.normal(size=400), rng.normal(size=400) + 1)
    >>> found.lower < 1 < found.upper
    True
    """
    request, spec = asked_for(
        distance, options, cost=cost, p=p, epsilon=epsilon, blur=blur, tol=tol, max_iter=max_iter
    )
    metric = request.metric
    if not metric.intervals:
        raise WrongValueError(
            f"distance must be one with a valid interval, got {request.key!r}: its estimate from samples has no known "
            "law about that of the populations; two_sample_test still tells whether they differ"
        )
    method = metric.intervals[0] if method is None else one_of(method, "method", metric.intervals)
    level = probability(level, "level")
    draws = whole_number(draws, "draws", "a whole number >= 1")
    if method == "bracket" and spec.cost.p != 1:
        raise WrongValueError(f"p must be 1 for method='bracket', got {spec.cost.p:g}")
    spec, both = fitted(spec, pair(x, y, a, b), "confidence_interval")
    terms = spec.terms(request)
    if min(len(Pool.of_one(side)) for side in (both.x, both.y)) < 2 * max(2, metric.least_samples(terms)):
        raise WrongValueError(
            "x and y must have four samples with mass or more, which are halved or drawn from"
        )
    measured = metric.measured(both, terms)
    if not measured.converged:
        assert measured.status is not None
        raise ConvergenceError(
            f"{measured.title} did not converge, so that no interval holds: {measured.status.remedy}"
        )
    ends = _METHODS[method](both, metric, terms, measured, (level, draws, generator_of(seed)))
    lower, upper = (max(end, metric.floor) for end in ends)
    return Interval(lower, upper, level, method, measured.value, request.key)


_Asked = tuple[float, int, np.random.Generator]


def _bracket(
    both: Pair, metric: Metric, terms: Terms, measured: Distance, asked: _Asked
) -> tuple[float, float]:
    level, _, rng = asked
    floor = noise_floor(both, metric, terms, rng)
    assert floor is not None
    # Either end errs to one side alone.
    reach = float(norm.ppf(0.5 + level / 2)) * (measured.standard_error or 0.0)
    # What the floors err by is of the means of halvings of one draw, beside which that of the draw is in the value's.
    slack = math.hypot(floor.x_error, floor.y_error)
    return measured.value - floor.x - floor.y - reach - 2 * slack, measured.value + reach


def _subsampling(
    both: Pair, metric: Metric, terms: Terms, measured: Distance, asked: _Asked
) -> tuple[float, float]:
    level, draws, rng = asked
    sides = [Pool.of_one(side) for side in (both.x, both.y)]
    shared = len(np.unique(np.concatenate([as_numpy(side.points) for side in sides]), axis=0))
    if sides[0].points.shape[1] > 1 and shared > 0.5 * sum(map(len, sides)):
        raise WrongValueError(
            "method='subsampling' is for samples on the line, or of finitely many points that many samples share: use 'bracket'"
        )
    # Of samples that differ in weight as many count as would have the same variance at equal weights.
    n, m = (float(side.mass.sum() ** 2 / (side.mass**2).sum()) for side in sides)
    sizes = [max(2, round(count**_DRAWN)) for count in (n, m)]
    values = np.array([_of_draws(sides, sizes, metric, terms, rng) for _ in range(draws)])
    # Distances vary as 1/√n: those of draws about the measured one, brought to the scale of all samples.
    scale = math.sqrt(sizes[0] * sizes[1] / sum(sizes)) / math.sqrt(n * m / (n + m))
    tails = np.quantile(values - measured.value, [0.5 + level / 2, 0.5 - level / 2])
    return measured.value - scale * float(tails[0]), measured.value - scale * float(tails[1])


def _of_draws(
    sides: list[Pool], sizes: list[int], metric: Metric, terms: Terms, rng: np.random.Generator
) -> float:
    """Return the distance between draws, with replacement and by weights, from two sets."""
    drawn = [
        Measure.of(side.points[beside(chosen, side.points)]).for_numbers()
        for side, size in zip(sides, sizes, strict=True)
        for chosen in [rng.choice(len(side), size, p=side.mass / side.mass.sum())]
    ]
    return metric.statistic(terms)(Pair(*drawn))


def _normal(
    both: Pair, metric: Metric, terms: Terms, measured: Distance, asked: _Asked
) -> tuple[float, float]:
    level, _, rng = asked
    reach = float(norm.ppf(0.5 + level / 2)) * (measured.standard_error or 0.0)
    center, left = metric.unbiased(both, terms, measured.value, rng)
    return center - left - reach, center + reach


_METHODS: dict[str, Callable[..., tuple[float, float]]] = {
    "bracket": _bracket,
    "subsampling": _subsampling,
    "normal": _normal,
}
