"""A matrix of distances between sets on its way: what is due, in batches, what is known, what is kept."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import otgan
from otgan.costs import COSTS
from otgan.distances.metric import Metric
from otgan.distances.spec import MeasurementSpec
from otgan.form import to_plain
from otgan.inference.collection import Collection
from otgan.inference.packed import Packed
from otgan.inference.store import Store
from otgan.inference.workers import spread
from otgan.mistakes import WrongValueError
from otgan.pair import Pair, pair
from otgan.progress import bar
from otgan.status import ConvergenceWarning

if TYPE_CHECKING:
    from otgan.distributed.tables import Sharing

__all__ = ["Table", "check_store", "described"]

_ENTRIES = 2**24
"""Pairs of points in one batch of pairs of sets."""

_Measured = tuple[list[tuple[int, int]], NDArray[np.float64], list[str]]
"""Pairs of sets, their distances, and what fell short in solving them."""

_MOST = 256
"""Pairs of sets in one batch, after which what is found is written down."""

_SQUARE = 16
"""Rows and columns of a square of the matrix that holds so many pairs."""


class Table:
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
        # Within one size by squares of the matrix: a batch of 256 then holds some 32 sets, where one by rows may hold all
        # of them, and whatever it holds is sent to a worker.
        return sorted(pairs, key=lambda pair: (-self.work(*pair), pair[0] // _SQUARE, pair[1] // _SQUARE))

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
        how = hashlib.sha256(repr(described(self.spec)).encode()).hexdigest()
        x, y = self.first.fingerprints(), self.second.fingerprints()
        return {
            (i, j): f"{how}-{'-'.join(sorted((x[i], y[j])) if self.mirrored else (x[i], y[j]))}"
            for i, j in self.due()
        }

    def fill(self, n_jobs: int | None, path: Any, progress: bool, group: Any = None) -> None:
        """Measure what is due, on all ranks of a group where there is one."""
        if group is None:
            self._fill(n_jobs, path, progress, None)
            return
        from otgan.distributed.tables import Sharing  # which brings torch

        sharing = Sharing(group)
        with sharing.guarded():
            prints = self.first.fingerprints(), self.second.fingerprints()
            asked = repr((described(self.spec), *prints)).encode()
            sharing.check(hashlib.sha256(asked).hexdigest())
            self._fill(n_jobs, path, progress, sharing)

    def _fill(self, n_jobs: int | None, path: Any, progress: bool, sharing: Sharing | None) -> None:
        check_store(path, self.spec)
        with Store(path) as store:
            keys = {} if path is None else self.keys()
            known = store.known(keys.values())
            there = [pair for pair, key in keys.items() if key in known]
            self.put(there, np.array([known[keys[pair]] for pair in there]))
            if sharing is not None:
                self.values = sharing.known(self.values)
            chunks = list(self.chunks(self.due()))
            mine = chunks if sharing is None else sharing.own(chunks)
            count, failed = sum(map(len, mine)), []
            with bar(count, progress) as told:
                told.begin(f"{count} pairs by {self.spec.requests[0].key}")
                for pairs, values, failures in self.measured(mine, n_jobs):
                    self.put(pairs, values)
                    failed += failures
                    if keys and not failures:  # what fell short would be taken for a result by the next run
                        store.keep(
                            {keys[pair]: float(value) for pair, value in zip(pairs, values, strict=True)}
                        )
                    told.tick(len(pairs))
        if sharing is not None:
            found = np.zeros(self.values.shape, dtype=bool)
            for i, j in (pair for chunk in mine for pair in chunk):
                found[i, j] = True
            found = found | found.T if self.mirrored else found
            self.values, failed = sharing.joined(self.values, found), sharing.all_words(failed)
        if failed:
            more = f"; and so in {len(failed) - 1} more batches of pairs" if len(failed) > 1 else ""
            warnings.warn(
                f"some distances did not converge: {failed[0]}{more}", ConvergenceWarning, stacklevel=5
            )

    def chunks(self, due: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
        """Yield pairs that are solved as one batch."""
        chunk: list[tuple[int, int]] = []
        for both in due:
            # The first one is the largest, to whose size the others are filled up.
            if chunk and (len(chunk) >= _MOST or (len(chunk) + 1) * self.work(*chunk[0]) > _ENTRIES):
                yield chunk
                chunk = []
            chunk.append(both)
        if chunk:
            yield chunk

    def measured(self, chunks: Sequence[list[tuple[int, int]]], n_jobs: int | None) -> Iterator[_Measured]:
        """Yield the values of chunks, in whatever order they are done."""
        return (found for _, found in spread(_values, chunks, n_jobs, self.packed))

    def packed(self, chunk: list[tuple[int, int]]) -> tuple[Any, ...]:
        """Return what a worker must know to measure a chunk."""
        rows, columns = ([pair[side] for pair in chunk] for side in (0, 1))
        if self.first is self.second:
            both = Packed.of(self.first.measures, rows + columns)
            return chunk, both, both, self.spec
        return (
            chunk,
            Packed.of(self.first.measures, rows),
            Packed.of(self.second.measures, columns),
            self.spec,
        )


def described(spec: MeasurementSpec) -> tuple[Any, ...]:
    """Everything that decides a distance between two sets."""
    (request,) = spec.requests
    terms = spec.terms(request)
    limits = terms.epsilon, terms.blur, terms.tol, terms.max_iter, terms.time_limit
    # Edges of bins as lists: an array shows itself shortened, where others would look like it.
    own = sorted((name, to_plain(value)) for name, value in terms.options.items())
    return otgan.__version__, request.key, repr(spec.cost), *limits, own


def check_store(path: Any, spec: MeasurementSpec) -> None:
    """Raise where what is measured cannot be known again by how it is."""
    if path is not None and spec.cost.name not in COSTS:
        raise WrongValueError(
            "store knows distances by how they are measured, which of a cost that is a function cannot be told: "
            "leave out store"
        )


def _values(pairs: list[tuple[int, int]], x: Packed, y: Packed, spec: MeasurementSpec) -> _Measured:
    """Measure the distances of a chunk, and say which solves fell short: a process hears of no other's warnings."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ConvergenceWarning)
        values = _of_batch(pair(x.batch([i for i, _ in pairs]), y.batch([j for _, j in pairs])), spec)
    failures = [str(each.message) for each in told if issubclass(each.category, ConvergenceWarning)]
    return pairs, values, failures


def _of_batch(given: Pair, spec: MeasurementSpec) -> NDArray[np.float64]:
    # A cost that is a function is asked with what the caller gave, not with what the pairs become here.
    fitted = spec.fit(given)
    (request,) = fitted.requests
    terms = replace(fitted.terms(request), on_failure="warn")
    both = Pair(given.x.for_numbers(), given.y.for_numbers())
    if terms.time_limit is None:
        return request.metric.values(both, terms)
    # What time there is for a solve must not be shared by those of a batch.
    single = [
        request.metric.statistic(terms)(Pair(*(side.take(np.array([k])) for side in (both.x, both.y))))
        for k in range(both.x.count)
    ]
    return np.array(single)
