"""compare(): every distance between two sets of samples, with what to believe of it."""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from otgan.distances import DEFAULT
from otgan.distances.distance import Distance
from otgan.distances.findings import Findings
from otgan.distances.request import Request
from otgan.distances.spec import MeasurementSpec
from otgan.measure import Measure
from otgan.mistakes import OutOfRangeError, WrongValueError
from otgan.options import WrongKindError, flag, shown, whole_number
from otgan.pair import Pair, pair
from otgan.plain import plain as safe
from otgan.quiet import quiet
from otgan.report.caveats import caveats
from otgan.report.report import Report
from otgan.report.uncertainty import noise_floor, permutation_null
from otgan.spelling import answer_misspelt
from otgan.status import ConvergenceError, Status

__all__ = ["compare"]

_SETS = 2
"""How many sets are compared."""


@quiet
@answer_misspelt
def compare(
    x: Any,
    y: Any,
    a: Any = None,
    b: Any = None,
    *,
    metrics: str | Iterable[str] = DEFAULT,
    cost: Any = "euclidean",
    p: float | None = None,
    epsilon: float | None = None,
    blur: float | None = None,
    tol: float | None = None,
    max_iter: int | None = None,
    time_limit: float | None = None,
    estimator: str = "atoms",
    bins: Any = None,
    bin_width: Any = None,
    outside: str | None = None,
    k: int | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    permutations: int = 0,
    seed: int | np.random.Generator = 0,
    names: tuple[str, str] = ("x", "y"),
    progress: bool = False,
) -> Report:
    """Measure several distances between two sets of samples, and say what to believe of them.

    Parameters
    ----------
    x, y : array-like
        Samples of shape (n, d) and (m, d), or (n,) and (m,) on the line.
    a, b : array-like, optional
        Weights, uniform if omitted; each side is normalized to total 1.
    metrics : iterable of str, or names separated by commas
        Functions of :mod:`otgan` between two sets, all of :data:`otgan.distances.METRICS`. A divergence may name its
        own estimator, as in "js:knn", so that several stand side by side.
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
        Of the divergences, as for :func:`otgan.kl`.
    options : mapping of mappings, optional
        Options that a metric has for itself, by its name, as in ``{"mmd": {"kernel": "laplacian"}}``.
    permutations : int, default 0
        How many times to split the pooled samples at random and measure again, for a p-value and for what each
        distance would be between draws of one population. As many times the work; 99 are of use, 999 are ample.
        Not for weighted samples.
    seed : int or numpy.random.Generator, default 0
        What the noise floor and the permutations follow from.
    names : tuple of str
        What to call the two sets.
    progress : bool, default False
        Whether to draw a progress bar on stderr, and beside it between which bounds an exact distance is while it is solved.

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
    spec = MeasurementSpec.of(
        metrics,
        cost=cost,
        p=p,
        epsilon=epsilon,
        blur=blur,
        tol=tol,
        max_iter=max_iter,
        time_limit=time_limit,
        estimator=estimator,
        bins=bins,
        bin_width=bin_width,
        outside=outside,
        k=k,
        options=options,
        permutations=permutations,
    )
    rng = _generator(seed)
    names = _pair_of_names(names)
    progress = flag(progress, "progress")
    spec, both = _fitted(spec, pair(x, y, a, b))
    spec.check_weights(both.x.weighted or both.y.weighted)
    distances, unfinished = _measure(spec, both, rng, progress)
    return Report(
        names=names,
        warnings=(*_words(spec, both, names, distances), *unfinished),
        seed=None if isinstance(seed, np.random.Generator) else int(seed),
        seconds=time.perf_counter() - start,
        _distances=distances,
        _both=both,
    )


def _generator(seed: Any) -> np.random.Generator:
    expected = "a whole number >= 0, or a numpy.random.Generator"
    if isinstance(seed, np.random.Generator):
        return seed
    return np.random.default_rng(whole_number(seed, "seed", expected, least=0))


def _pair_of_names(names: Any) -> tuple[str, str]:
    expected = "two strings, what to call x and y"
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise WrongKindError(f"names must be {expected}, got {shown(names)}")
    if len(names) != _SETS:
        raise WrongValueError(f"names must be {expected}, got {len(names)}")
    return names[0], names[1]


def _words(
    spec: MeasurementSpec, both: Pair, names: tuple[str, str], distances: tuple[Distance, ...]
) -> tuple[str, ...]:
    found = {each.name: each for each in distances}
    return caveats(Findings(both, (safe(names[0]), safe(names[1])), found, spec.cost))


def _fitted(spec: MeasurementSpec, both: Pair) -> tuple[MeasurementSpec, Pair]:
    """Return what to measure, and the pair with results as floats and arrays, whatever library it came from."""
    if both.batched:
        raise WrongValueError(
            f"compare reports on one pair of sets, got a batch of {both.x.points.shape[0]}: call it for each, or "
            "otgan.emd, otgan.sinkhorn and their like for the numbers of a whole batch"
        )

    def plain(side: Measure) -> Measure:
        return replace(side.detached(), numpy=True)

    # A cost that is a function is asked with what the caller gave, not with what the pair becomes here.
    return spec.fit(both), Pair(plain(both.x), plain(both.y))


def _measure(
    spec: MeasurementSpec, both: Pair, rng: np.random.Generator, progress: bool
) -> tuple[tuple[Distance, ...], tuple[str, ...]]:
    """Measure every distance; and say in words what there was no time for."""
    halving, *splitting = rng.spawn(1 + len(spec.requests))
    found, unfinished = [], []
    with _bar(len(spec.requests) * (1 + spec.permutations), progress) as bar:
        for request, stream in zip(spec.requests, splitting, strict=True):
            bar.set_description(request.key)
            terms = replace(spec.terms(request), progress=_told(bar) if progress else None)
            each = request.metric.measured(both, terms)
            bar.set_postfix_str("", refresh=False)
            bar.update()
            # Every metric sees the same halves: what is measured beside it does not change its noise floor.
            streams = copy.deepcopy(halving), stream
            each, wanting = _with_uncertainty(request, each, spec, both, streams, bar.update)
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
    tick: Callable[[], object],
) -> tuple[Distance, dict[str, list[str]]]:
    """Add the noise floor and what permutations say; and return what is wanting, by the reason for that, in words."""
    metric, statistic = request.metric, request.metric.statistic(spec.terms(request))
    wanted = [
        name for name, due in (("noise floor", metric.noise_floor), ("p-value", spec.permutations > 0)) if due
    ]
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
                each = replace(each, noise_floor=noise_floor(both, statistic, streams[0]))
            else:
                null = permutation_null(both, statistic, each.value, spec.permutations, streams[1], tick)
                each = replace(each, null=null)
        except ConvergenceError:
            wanting.setdefault(late, []).append(name)
        except OutOfRangeError:
            wanting.setdefault(", as float64 does not tell parts of the sets from each other", []).append(
                name
            )
    return each, wanting


def _told(bar: Any) -> Callable[[float, float], object]:
    """Return what writes beside a bar between which bounds a distance is."""

    def tell(lower: float, upper: float) -> None:
        bar.set_postfix_str(
            f"between {lower:.6g} and {upper:.6g}" if math.isfinite(upper) else f"at least {lower:.6g}"
        )

    return tell


@contextlib.contextmanager
def _bar(total: int, progress: bool) -> Iterator[Any]:
    from tqdm import tqdm

    with tqdm(total=total, disable=not progress, leave=False) as bar:
        yield bar
