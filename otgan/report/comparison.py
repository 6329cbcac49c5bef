"""compare(): every distance between two sets of samples, with what to believe of it."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from otgan.distances.distance import Distance
from otgan.distances.findings import Findings
from otgan.distances.request import Request
from otgan.distances.spec import MeasurementSpec
from otgan.distances.splits import Pool
from otgan.inference.border import fitted
from otgan.inference.noise import noise_floor
from otgan.inference.relabelling import random_sides
from otgan.inference.two_sample import null_of
from otgan.inference.verdict import Verdict, verdict_of
from otgan.mistakes import OutOfRangeError
from otgan.pair import Pair, pair
from otgan.plain import plain as safe
from otgan.progress import Progress, bar
from otgan.quiet import quiet
from otgan.report.caveats import caveats
from otgan.report.chosen import chosen
from otgan.report.report import Extent, Report
from otgan.report.shared import Asked, judged, over_ranks
from otgan.spelling import answer_misspelt
from otgan.status import ConvergenceError, Status

__all__ = ["compare"]


@quiet
@answer_misspelt
def compare(
    x: Any,
    y: Any,
    a: Any = None,
    b: Any = None,
    *,
    metrics: str | Iterable[str] | None = None,
    test: str | None = "energy",
    cost: Any = "euclidean",
    p: float | None = None,
    epsilon: float | None = None,
    blur: float | None = None,
    tol: float | None = None,
    max_iter: int | None = None,
    time_limit: float | None = None,
    estimator: str | None = None,
    bins: Any = None,
    bin_width: Any = None,
    outside: str | None = None,
    k: int | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    permutations: int = 0,
    seed: int | np.random.Generator = 0,
    names: tuple[str, str] = ("x", "y"),
    progress: bool = False,
    group: Any = None,
) -> Report:
    """Measure several distances between two sets of samples, and say what to believe of them.

    Parameters
    ----------
    x, y : array-like
        Samples of shape (n, d) and (m, d), or (n,) and (m,) on the line.
    a, b : array-like, optional
        Weights, uniform if omitted; each side is normalized to total 1.
    metrics : iterable of str, or names separated by commas, optional
        Functions of :mod:`otgan` between two sets, all of :data:`otgan.distances.METRICS`. A divergence may name its
        own estimator, as in "js:knn", so that several stand side by side. By default "emd", "sinkhorn_divergence" and
        "energy", and divergences by what suits the samples: "js", "kl" and "tv" of atoms where points are shared, "js:knn"
        and "kl:knn" where they are not; or all that `estimator` gives, where it is named.
    test : str or None, default "energy"
        The distance of the permutation test that the verdict is by, at level 5 %, of at most 5000 samples of either set;
        None for no verdict. Samples carry their weights through the test.
    cost : str or callable, default "euclidean"
        The ground distance of the transport distances, as for :func:`otgan.transport`; not "precomputed".
    p : float, default 1
        Power of the ground distance. The earth mover's distance is p = 1.
    epsilon, blur, tol, max_iter
        Of the entropic distances, as for :func:`otgan.sinkhorn`.
    time_limit : float, optional
        Seconds that each solve of a transport distance may take, as for :func:`otgan.transport`. Of EM there is no
        noise floor and no p-value where one of theirs does not end in time; a warning says so.
    estimator, bins, bin_width, outside, k
        Of the divergences; "atoms" for those that are named without one. As for :func:`otgan.kl`.
    options : mapping of mappings, optional
        Options that a metric has for itself, by its name, as in ``{"mmd": {"kernel": "laplacian"}}``.
    permutations : int, default 0
        How many times to split the pooled samples at random and measure again, for a p-value and for what each
        distance would be between draws of one population. As many times the work; 99 are of use, 999 are ample.
        The verdict's test has its own, 199.
    seed : int or numpy.random.Generator, default 0
        What the noise floor and the permutations follow from.
    names : tuple of str
        What to call the two sets.
    progress : bool, default False
        Whether to draw a progress bar on stderr, and beside it between which bounds an exact distance is while it is solved.
    group : ProcessGroup, True or "world", optional
        Processes of torch.distributed, called ranks, that measure together. Each gives the rows of x and of y that it has, some
        may have none, and all get one report: of "emd", "sinkhorn", "sinkhorn_divergence", "energy", "mmd" with a bandwidth, and "bures",
        without permutations, noise floor, standard error of "bures", and figure. The samples of the verdict are those that one process
        would draw. See the page on many processes.

    Returns
    -------
    Report
        Nothing is warned of by :mod:`warnings`: what there is to say, a solve that did not converge included, is
        in its ``warnings``.

    Raises
    ------
    TypeError, ValueError
        If the samples, a metric or an option are not what is expected, or form a batch.
    MemoryError, otgan.exact.simplex.SimplexError
        If the exact problem cannot be solved; see :func:`otgan.emd`.
    RankError
        If a process of the group ends, does not answer in the group's timeout, or makes another call.

    See Also
    --------
    otgan.Report : What is found, and what it does not say.
    otgan.two_sample_test : Whether a difference can be chance.
    otgan.confidence_interval : An interval for the distance of the populations.
    otgan.pairwise : The distances between all pairs of several sets.

    Examples
    --------
    >>> import otgan
    >>> report = otgan.compare([0.0, 1.0, 2.0], [3.0, 4.0, 5.0], metrics="emd,tv")
    >>> report["emd"].value, report["tv"].value
    (3.0, 1.0)
    >>> print(report.warnings[0])
    the supports are disjoint: TV is at its ceiling and says nothing about how far apart the sets are
    """
    start = time.perf_counter()
    settings = {
        "cost": cost,
        "p": p,
        "epsilon": epsilon,
        "blur": blur,
        "tol": tol,
        "max_iter": max_iter,
        "time_limit": time_limit,
        "estimator": estimator,
        "bins": bins,
        "bin_width": bin_width,
        "outside": outside,
        "k": k,
        "options": options,
        "permutations": permutations,
    }
    given = {"seed": seed, "names": names, "test": test, "progress": progress}
    found = None if group is None else over_ranks(group, (x, y, a, b), metrics, settings, given)
    if found is None:
        spec, asked = MeasurementSpec.of(metrics, **settings), Asked.of(**given)
        spec, both = fitted(spec, pair(x, y, a, b), "compare")
        spec, left_out = chosen(spec, both)
        spec.check_weights(both.x.weighted or both.y.weighted)
        found = _compared(spec, both, asked, left_out)
    return replace(
        found,
        seed=None if isinstance(seed, np.random.Generator) else int(seed),
        seconds=time.perf_counter() - start,
    )


def _compared(spec: MeasurementSpec, both: Pair, asked: Asked, left_out: tuple[str, ...]) -> Report:
    """Measure what is asked for, judge, and say what is to be said of it."""
    judging, measuring = asked.rng.spawn(2)
    steps = len(spec.requests) * (2 if spec.permutations == 0 else 3 + spec.permutations)
    with bar(steps + (asked.test is not None), asked.progress) as told:
        verdict, untested = (
            (None, ()) if asked.test is None else _judged(spec, asked.test, both, judging, told)
        )
        distances, unfinished = _measure(spec, both, measuring, told)
    return Report(
        names=asked.names,
        verdict=verdict,
        warnings=(*_words(spec, both, asked.names, distances), *left_out, *unfinished, *untested),
        seed=None,
        seconds=0.0,
        _distances=distances,
        _extent=Extent.of(both),
        _both=both,
    )


def _judged(
    spec: MeasurementSpec, request: Request, both: Pair, rng: np.random.Generator, told: Progress
) -> tuple[Verdict | None, tuple[str, ...]]:
    """Test whether the sets are draws of one population; or say in words why that cannot be told."""
    told.begin(f"verdict by {request.key}")
    found = judged(lambda: verdict_of(both, request.metric, spec.terms(request), rng, lambda _: None), spec)
    told.tick()
    return found


def _words(
    spec: MeasurementSpec, both: Pair, names: tuple[str, str], distances: tuple[Distance, ...]
) -> tuple[str, ...]:
    found = {each.name: each for each in distances}
    return caveats(Findings(both, (safe(names[0]), safe(names[1])), found, spec.cost))


def _measure(
    spec: MeasurementSpec, both: Pair, rng: np.random.Generator, told: Progress
) -> tuple[tuple[Distance, ...], tuple[str, ...]]:
    """Measure every distance; and say in words what there was no time for."""
    halving, *splitting = rng.spawn(1 + len(spec.requests))
    found, unfinished = [], []
    size = " × ".join(str(side.points.shape[1]) for side in (both.x, both.y))
    for request, stream in zip(spec.requests, splitting, strict=True):
        told.begin(f"{request.key} of {size} samples")
        terms = replace(spec.terms(request), progress=_between(told))
        each = request.metric.measured(both, terms)
        told.tell("")
        told.tick()
        # Every metric sees the same halves: what is measured beside it does not change its noise floor.
        streams = copy.deepcopy(halving), stream
        told.begin(f"noise of {request.key}")
        each, wanting = _with_uncertainty(request, each, spec, both, streams, told.tick)
        told.tick()
        found.append(each)
        for reason, names in wanting.items():
            unfinished.append(f"{each.title} has no {' and no '.join(names)}{reason}")
    return tuple(found), tuple(unfinished)


def _with_uncertainty(
    request: Request,
    each: Distance,
    spec: MeasurementSpec,
    both: Pair,
    streams: tuple[np.random.Generator, np.random.Generator],
    tick: Callable[[int], object],
) -> tuple[Distance, dict[str, list[str]]]:
    """Add the noise floor and what permutations say; and return what is wanting, by the reason for that, in words."""
    metric, terms = request.metric, spec.terms(request)
    wanted = [name for name, due in (("noise floor", True), ("p-value", spec.permutations > 0)) if due]
    late = (
        "" if spec.time_limit is None else f" for want of time: raise time_limit, here {spec.time_limit:g} s"
    )
    if not metric.comparable(each):
        why = (
            late
            if each.status is Status.TIME_LIMIT
            else f", as nothing can be held against a value that is {each.status}"
        )
        return each, {why: wanted} if wanted else {}
    wanting: dict[str, list[str]] = {}
    for name in wanted:
        try:
            if name == "noise floor":
                each = replace(each, noise_floor=noise_floor(both, metric, terms, streams[0]))
            else:
                pool = Pool.of(both)
                sides = random_sides(pool.sizes, spec.permutations, streams[1])
                each = replace(each, null=null_of(pool, sides, metric, terms, tick))
        except ConvergenceError:
            wanting.setdefault(late, []).append(name)
        except OutOfRangeError:
            wanting.setdefault(", as float64 does not tell parts of the sets from each other", []).append(
                name
            )
    return each, wanting


def _between(told: Progress) -> Callable[[float, float], object]:
    """Return what says beside a bar between which bounds a distance is."""

    def tell(lower: float, upper: float) -> None:
        told.tell(f"between {lower:.6g} and {upper:.6g}" if math.isfinite(upper) else f"at least {lower:.6g}")

    return tell
