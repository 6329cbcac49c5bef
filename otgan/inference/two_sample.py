"""Are two sets draws of one population? A permutation test by any of the distances."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from otgan.costs import Cost
from otgan.distances.distance import Distance, Null
from otgan.distances.metric import Metric
from otgan.distances.scaled import DISTANCE
from otgan.distances.spec import MeasurementSpec
from otgan.distances.splits import Pool, Sides
from otgan.distances.terms import Terms
from otgan.inference.border import fitted, generator_of, one_distance
from otgan.inference.outcome import TwoSampleTest
from otgan.inference.pooled import posed
from otgan.inference.relabelling import paired_sides, random_sides, strata_of
from otgan.inference.splitting import Splitting
from otgan.measure import Measure
from otgan.mistakes import WrongValueError
from otgan.namespace import beside
from otgan.options import flag, pair_of_names, whole_number
from otgan.pair import Pair, pair
from otgan.progress import bar
from otgan.quiet import quiet
from otgan.spelling import answer_misspelt

__all__ = ["null_of", "two_sample_test"]

_SCALED = 2000
"""Samples of the pool from which the length is computed that an effect is measured in."""


@quiet
@answer_misspelt
def two_sample_test(
    x: Any,
    y: Any = None,
    a: Any = None,
    b: Any = None,
    *,
    distance: str = "sinkhorn_divergence",
    permutations: int = 999,
    strata: Any = None,
    paired: bool = False,
    sizes: tuple[int, int] | None = None,
    cost: Any = "euclidean",
    p: float | None = None,
    epsilon: float | None = None,
    blur: float | None = None,
    tol: float | None = None,
    max_iter: int | None = None,
    time_limit: float | None = None,
    bins: Any = None,
    bin_width: Any = None,
    outside: str | None = None,
    k: int | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int | np.random.Generator = 0,
    names: tuple[str, str] = ("x", "y"),
    n_jobs: int | None = None,
    progress: bool = False,
    group: Any = None,
) -> TwoSampleTest:
    """Test whether two sets of samples are draws of one population, by splitting the pooled samples at random.

    The distance between x and y is held against those between the two parts of random splits. Under the hypothesis that all
    samples, with their weights, are draws of one population the p-value is at most α with probability at most α, for
    every α, any numbers of samples and any distance: the test is exact. The distance decides its power: which
    differences it finds.

    Parameters
    ----------
    x, y : array-like
        Samples of shape (n, d) and (m, d), or (n,) and (m,) on the line.
    a, b : array-like, optional
        Weights. Each sample carries its own through the splits, relative to the mean weight of its set, so that the
        hypothesis is of pairs of a sample and a weight: weights on one side alone are a difference that may be found, even where
        the weighted populations agree. Samples of weight 0 are left out.
    distance : str, default "sinkhorn_divergence"
        A function of :mod:`otgan` between two sets, as for :func:`otgan.compare`; a divergence may name its estimator, as
        in "js:knn".
    permutations : int, default 999
        How many splits. The least p-value is 1 / (1 + permutations).
    strata : pair of array-like, optional
        A label for each sample of x and of y: labels of sets are exchanged within a stratum alone, so that a difference
        of strata is not taken for one of sets.
    paired : bool, default False
        Whether sample i of x and sample i of y belong together, as before and after: splits exchange the two of a pair.
    sizes : tuple of int, optional
        With cost="precomputed": n and m. x is then the matrix of distances between the pooled samples, (n + m, n + m), those
        of the first set first, and y is left out.
    cost, p, epsilon, blur, tol, max_iter, time_limit, bins, bin_width, outside, k
        As for :func:`otgan.compare`.
    options : mapping, optional
        Options of the distance's own, as in ``{"kernel": "laplacian"}`` of "mmd".
    seed : int or numpy.random.Generator, default 0
        What the splits follow from.
    names : tuple of str
        What to call the two sets.
    n_jobs : int, optional
        Processes of joblib that measure batches of splits, as for :func:`otgan.pairwise`: one that is killed costs the batches
        that were under way. "energy" and "mmd" measure all splits at once, in one process.
    progress : bool, default False
        Whether to draw a progress bar on stderr.
    group : ProcessGroup, True or "world", optional
        Processes of torch.distributed that share the batches of splits out: all give the same sets, and all get the test of one
        process.

    Returns
    -------
    TwoSampleTest
        With the p-value, an effect size, and the distances of all splits.

    Raises
    ------
    TypeError, ValueError
        If the samples, the distance or an option are not what is expected, or form a batch.
    WorkerError
        If processes are killed again and again before any of them finishes something.
    RankError
        If a process of the group ends, does not answer in the group's timeout, or makes another call.

    See Also
    --------
    otgan.TwoSampleTest : What a test finds.
    otgan.pairwise_tests : A test of every pair.
    otgan.confidence_interval : An interval for the distance of the populations.
    otgan.compare : Several distances at once, in a report.

    References
    ----------
    B. Phipson, G. Smyth, "Permutation p-values should never be zero", Stat. Appl. Genet. Mol. Biol. 9(1), 2010.

    Examples
    --------
    >>> import numpy as np, otgan
    >>> rng = np.random.default_rng(0)
    >>> test = otgan.two_sample_test(rng.normal(size=50), rng.normal(0.8, size=60), permutations=99)
    >>> test.p_value, test.rejects()
    (0.01, True)
    """
    metric = one_distance(distance, "distance").metric
    permutations = whole_number(permutations, "permutations", "a whole number >= 1")
    x, y, rule = posed(x, y, cost, p, sizes, metric)
    spec = MeasurementSpec.of(
        distance,
        cost=rule,
        p=p,
        epsilon=epsilon,
        blur=blur,
        tol=tol,
        max_iter=max_iter,
        time_limit=time_limit,
        bins=bins,
        bin_width=bin_width,
        outside=outside,
        k=k,
        options=None if options is None else {metric.name: options},
    )
    paired, progress = flag(paired, "paired"), flag(progress, "progress")
    spec, both = fitted(spec, pair(x, y, a, b), "two_sample_test")
    spec.check_weights(both.x.weighted or both.y.weighted)
    splitting = Splitting(n_jobs, group)
    found = _test(spec, both, permutations, generator_of(seed), (strata, paired), progress, splitting)
    return replace(
        found,
        distance=found.distance if rule is cost else replace(found.distance, cost=cost),
        names=pair_of_names(names),
        seed=None if isinstance(seed, np.random.Generator) else int(seed),
    )


def _test(
    spec: MeasurementSpec,
    both: Pair,
    permutations: int,
    rng: np.random.Generator,
    asked: tuple[Any, bool],
    progress: bool,
    splitting: Splitting,
) -> TwoSampleTest:
    """Measure, split, and hold the one against the other."""
    pool = Pool.of(both)
    sides, design = _design(pool, permutations, rng, *asked)
    (request,) = spec.requests
    terms = spec.terms(request)
    with bar(1 + permutations, progress) as told:
        told.begin(f"{request.key} of {pool.sizes[0]} × {pool.sizes[1]} samples")
        measured = request.metric.measured(both, terms)
        told.begin(f"{permutations} splits by {request.key}")
        null = null_of(pool, sides, request.metric, terms, told.tick, splitting)
    return TwoSampleTest(
        distance=replace(measured, null=null),
        null=null.values,
        effect=_effect(measured, null, request.metric, pool, spec.cost),
        design=design,
        names=("x", "y"),
        sizes=pool.sizes,
    )


def null_of(
    pool: Pool,
    sides: Sides,
    metric: Metric,
    terms: Terms,
    tick: Callable[[int], object],
    splitting: Splitting | None = None,
) -> Null:
    """Hold the distance between the two sets of a pool against those between the sides of splits.

    The split that was observed is measured beside the others, by the same path to the same accuracy.
    """
    observed = np.arange(len(pool)) < pool.sizes[0]
    values = (splitting or Splitting()).values(
        metric, pool, np.concatenate([observed[None], sides]), terms, tick
    )
    return Null.of(values[1:], float(values[0]))


def _design(
    pool: Pool, permutations: int, rng: np.random.Generator, strata: Any, paired: bool
) -> tuple[Sides, str]:
    """Return the splits, and which they are in words."""
    within = strata_of(strata, pool)
    if within is not None and not set(within[: pool.sizes[0]]) & set(within[pool.sizes[0] :]):
        raise WrongValueError(
            "strata must have one, at least, with samples of both x and y: none can be exchanged within these"
        )
    if not paired:
        where = "" if within is None else f" within {len(np.unique(within))} strata"
        return random_sides(pool.sizes, permutations, rng, within), f"random splits of the pool{where}"
    if within is not None:
        raise WrongValueError(
            "strata and paired were both given: a pair is a stratum of its own, so leave out strata"
        )
    n, m = (len(rows) for rows in pool.heavy)
    if n != m:
        raise WrongValueError(f"paired samples must be as many of x as of y, got {n} and {m}")
    if pool.sizes != (n, m):
        raise WrongValueError(
            "paired samples must have mass, got a weight of 0: leave out both of such a pair"
        )
    return paired_sides(n, permutations, rng), "random exchanges within pairs"


def _effect(measured: Distance, null: Null, metric: Metric, pool: Pool, cost: Cost) -> float:
    """Return by how much a distance exceeds its mean over splits, in units that do not depend on those of the samples."""
    excess = measured.value - null.mean if math.isfinite(null.mean) else math.nan
    power = metric.power(measured.p)
    if power == 0:
        return excess
    scale = _mean_distance(pool, replace(cost, p=1.0) if metric.uses_cost else DISTANCE)
    return excess / scale**power if scale > 0 else 0.0


def _mean_distance(pool: Pool, rule: Cost) -> float:
    """Return the mean distance between two of the pooled samples, of some of them where they are many."""
    some = slice(None, None, -(-len(pool) // _SCALED))
    weights = None if pool.weights is None else pool.weights[some]
    itself = Measure.of(pool.points[some], None if weights is None else beside(weights, pool.points))
    return float(rule.mean(itself.points, itself.points, itself.weights, itself.weights).item())
