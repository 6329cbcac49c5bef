"""The distances between all pairs of several sets."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import otgan
from otgan.costs import COSTS
from otgan.distances.metric import Metric
from otgan.distances.spec import MeasurementSpec
from otgan.form import to_plain
from otgan.inference.collection import Collection, pairs_of
from otgan.inference.sets import one_distance
from otgan.inference.store import Store
from otgan.measure import Measure
from otgan.mistakes import NotInstalledError, WrongValueError
from otgan.options import WrongKindError, flag, shown
from otgan.pair import Pair
from otgan.progress import bar
from otgan.quiet import quiet
from otgan.spelling import answer_misspelt
from otgan.status import ConvergenceWarning

__all__ = ["pairwise"]

_ENTRIES = 2**24
"""Pairs of points in one batch of pairs of sets."""

_Measured = tuple[list[tuple[int, int]], NDArray[np.float64], list[str]]
"""Pairs of sets, their distances, and what fell short in solving them."""

_MOST = 256
"""Pairs of sets in one batch, after which what is found is written down."""


@quiet
@answer_misspelt
def pairwise(
    sets: Any,
    other: Any = None,
    *,
    distance: str = "emd",
    weights: Any = None,
    other_weights: Any = None,
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
    n_jobs: int | None = None,
    store: Any = None,
    progress: bool = False,
) -> Any:
    """Compute the distances between all pairs of several sets of samples.

    Pairs of similar sizes are solved as batches. What is symmetric is computed once.

    Parameters
    ----------
    sets : list of array-like, or mapping of names to array-like
        k sets, of shapes (nᵢ, d), which may differ in nᵢ.
    other : list or mapping, optional
        l other sets, to which distances are taken; by default those between the sets themselves.
    distance : str, default "emd"
        A function of :mod:`otgan` between two sets, as for :func:`otgan.compare`; a divergence may name its estimator.
    weights, other_weights : list of array-like, or mapping, optional
        Weights of the samples of each set, None for a set without.
    cost, p, epsilon, blur, tol, max_iter, time_limit, bins, bin_width, outside, k
        As for :func:`otgan.compare`.
    options : mapping, optional
        Options of the distance's own, as in ``{"kernel": "laplacian"}`` of "mmd".
    n_jobs : int, optional
        Processes of joblib; None for this one alone, which uses its threads, or what a surrounding
        :func:`joblib.parallel_config` says, a cluster of Dask or Ray for instance.
    store : path, optional
        A file in which finished distances are kept, by what the sets hold and how they are measured, so that a run that was
        killed goes on, and sets may be added.
    progress : bool, default False
        Whether to draw a progress bar on stderr.

    Returns
    -------
    ndarray of shape (k, k) or (k, l), float64; or DataFrame
        A DataFrame where the sets have names. Row i is of the first argument of the distance. Between a set and itself it
        is 0 where the distance is 0 between equal populations. As it is, for ``metric="precomputed"`` of scikit-learn.

    Raises
    ------
    TypeError, ValueError
        If sets, the distance or an option are not what is expected.
    ConvergenceError
        If an exact distance is not found in its time. Others that do not converge are returned with a
        :class:`otgan.ConvergenceWarning`, and are not kept in a store.
    ImportError
        If sets have names and pandas is not there.

    Examples
    --------
    >>> import otgan
    >>> otgan.pairwise([[0.0, 1.0], [1.0, 3.0], [5.0]])
    array([[0. , 1.5, 4.5],
           [1.5, 0. , 3. ],
           [4.5, 3. , 0. ]])
    """
    request = one_distance(distance, "distance")
    spec = MeasurementSpec.of(
        distance,
        cost=cost,
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
        options=None if options is None else {request.metric.name: options},
    )
    progress = flag(progress, "progress")
    first = Collection.of(sets, weights, "sets")
    first = first.matched(first)
    second = first if other is None else Collection.of(other, other_weights, "other").matched(first)
    if other is None and other_weights is not None:
        raise WrongValueError(
            "other_weights are of other sets, of which there are none: pass other with them"
        )
    found = _Table(first, second, spec)
    found.fill(n_jobs, store, progress)
    return framed(found.values, first.names, second.names)


def framed(values: NDArray[Any], rows: Sequence[str] | None, columns: Sequence[str] | None) -> Any:
    """Return a matrix with names, where there are any, as a DataFrame."""
    if rows is None and columns is None:
        return values
    try:
        import pandas as pd
    except ImportError as error:
        raise NotInstalledError(
            "sets with names give a DataFrame, which needs pandas: pip install 'otgan[data]', or pass a list of sets"
        ) from error
    return pd.DataFrame(
        values,
        index=None if rows is None else list(rows),
        columns=None if columns is None else list(columns),
    )


class _Table:
    """A matrix of distances on its way: which are due, which are known."""

    def __init__(self, first: Collection, second: Collection, spec: MeasurementSpec) -> None:
        (request,) = spec.requests
        self.first, self.second, self.spec = first, second, spec
        self.metric: Metric = request.metric
        for each in (*first.measures, *second.measures):
            spec.check_weights(each.weighted)
        self.values = np.full((len(first), len(second)), np.nan)
        self.mirrored = first is second and self.metric.symmetric and spec.cost.symmetric
        if first is second and self.metric.vanishes and (spec.cost.symmetric or not self.metric.uses_cost):
            np.fill_diagonal(self.values, 0.0)

    def due(self) -> list[tuple[int, int]]:
        """Return the pairs that are to be measured, those of similar sizes together, large ones first."""
        k, m = self.values.shape
        pairs = [
            (i, j)
            for i in range(k)
            for j in range(i if self.mirrored else 0, m)
            if np.isnan(self.values[i, j])
        ]
        return sorted(pairs, key=lambda pair: -self.work(*pair))

    def work(self, i: int, j: int) -> int:
        """How many pairs of points two sets have."""
        return int(self.first.measures[i].points.shape[1] * self.second.measures[j].points.shape[1])

    def put(self, pairs: Sequence[tuple[int, int]], values: NDArray[np.float64]) -> None:
        """Enter what was found."""
        for (i, j), value in zip(pairs, values, strict=True):
            self.values[i, j] = value
            if self.mirrored:
                self.values[j, i] = value

    def keys(self) -> dict[tuple[int, int], str]:
        """Return by what a store knows each pair: how it is measured, and what the two sets hold."""
        how = hashlib.sha256(repr(self.description()).encode()).hexdigest()
        x, y = self.first.fingerprints(), self.second.fingerprints()
        return {
            (i, j): f"{how}-{'-'.join(sorted((x[i], y[j])) if self.mirrored else (x[i], y[j]))}"
            for i, j in self.due()
        }

    def description(self) -> tuple[Any, ...]:
        """Everything that decides a distance between two sets."""
        spec = self.spec
        (request,) = spec.requests
        terms = spec.terms(request)
        limits = terms.epsilon, terms.blur, terms.tol, terms.max_iter, terms.time_limit
        # Edges of bins as lists: an array shows itself shortened, where others would look like it.
        own = sorted((name, to_plain(value)) for name, value in terms.options.items())
        return otgan.__version__, request.key, repr(spec.cost), *limits, own

    def fill(self, n_jobs: int | None, path: Any, progress: bool) -> None:
        """Measure what is due."""
        if path is not None and self.spec.cost.name not in COSTS:
            raise WrongValueError(
                "store knows distances by how they are measured, which of a cost that is a function cannot be told: "
                "leave out store"
            )
        with Store(path) as store:
            keys = {} if path is None else self.keys()
            known = store.known(keys.values())
            there = [pair for pair, key in keys.items() if key in known]
            self.put(there, np.array([known[keys[pair]] for pair in there]))
            due = self.due()
            with bar(len(due), progress) as told:
                told.begin(f"{len(due)} pairs by {self.spec.requests[0].key}")
                failed = []
                for pairs, values, failures in self.measured(list(self.chunks(due)), n_jobs):
                    self.put(pairs, values)
                    failed += failures
                    if keys and not failures:  # what fell short would be taken for a result by the next run
                        store.keep(
                            {keys[pair]: float(value) for pair, value in zip(pairs, values, strict=True)}
                        )
                    told.tick(len(pairs))
        if failed:
            more = f"; and so in {len(failed) - 1} more batches of pairs" if len(failed) > 1 else ""
            warnings.warn(
                f"some distances did not converge: {failed[0]}{more}", ConvergenceWarning, stacklevel=5
            )

    def chunks(self, due: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
        """Yield pairs that are solved as one batch."""
        chunk: list[tuple[int, int]] = []
        for pair in due:
            # The first one is the largest, to whose size the others are filled up.
            if chunk and (len(chunk) >= _MOST or (len(chunk) + 1) * self.work(*chunk[0]) > _ENTRIES):
                yield chunk
                chunk = []
            chunk.append(pair)
        if chunk:
            yield chunk

    def measured(self, chunks: Sequence[list[tuple[int, int]]], n_jobs: int | None) -> Iterator[_Measured]:
        """Yield the values of chunks, in whatever order they are done."""
        from joblib import Parallel, delayed

        if n_jobs is not None and (isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs == 0):
            raise WrongKindError(
                f"n_jobs must be a whole number but 0, as joblib takes it, or None, got {shown(n_jobs)}"
            )
        x, y = self.first.measures, self.second.measures
        jobs = (
            delayed(_values)(chunk, [x[i] for i, _ in chunk], [y[j] for _, j in chunk], self.spec)
            for chunk in chunks
        )
        yield from Parallel(n_jobs=n_jobs, return_as="generator_unordered")(jobs)


def _values(
    pairs: list[tuple[int, int]], x: Sequence[Measure], y: Sequence[Measure], spec: MeasurementSpec
) -> _Measured:
    """Measure the distances of a chunk, and say which solves fell short: a process hears of no other's warnings."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ConvergenceWarning)
        values = _of_batch(len(pairs), x, y, spec)
    failures = [str(each.message) for each in told if issubclass(each.category, ConvergenceWarning)]
    return pairs, values, failures


def _of_batch(
    count: int, x: Sequence[Measure], y: Sequence[Measure], spec: MeasurementSpec
) -> NDArray[np.float64]:
    # A cost that is a function is asked with what the caller gave, not with what the pairs become here.
    given = pairs_of(x, y)
    fitted = spec.fit(given)
    (request,) = fitted.requests
    terms = replace(fitted.terms(request), on_failure="warn")
    both = Pair(replace(given.x, numpy=True), replace(given.y, numpy=True))
    if terms.time_limit is None:
        return request.metric.values(both, terms)
    # What time there is for a solve must not be shared by those of a batch.
    single = [
        request.metric.statistic(terms)(Pair(*(side.take(np.array([k])) for side in (both.x, both.y))))
        for k in range(count)
    ]
    return np.array(single)
