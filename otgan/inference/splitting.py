"""Who measures the splits of a permutation test: this process, workers of joblib, or the ranks of a group."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.distances.metric import Metric
from otgan.distances.splits import Pool, Sides
from otgan.distances.terms import Terms
from otgan.inference.workers import check_n_jobs, filled
from otgan.namespace import as_numpy

__all__ = ["Splitting"]


@dataclass(frozen=True)
class Splitting:
    """Who measures the splits.

    Attributes
    ----------
    n_jobs : int or None
        Processes of joblib; None for this one alone.
    group : ProcessGroup, True, "world" or None
        Whose ranks share the batches out.
    """

    n_jobs: int | None = None
    group: Any = None

    def __post_init__(self) -> None:
        check_n_jobs(self.n_jobs)

    def values(
        self, metric: Metric, pool: Pool, sides: Sides, terms: Terms, tick: Callable[[int], object]
    ) -> NDArray[np.float64]:
        """Return the values between the two sets of every split, shape (K,), as :meth:`Metric.of_splits` has them."""
        if self.group is None:
            if self.n_jobs is None or not metric.cuts:
                return metric.of_splits(pool, sides, terms, tick)
            return self._batched(metric, pool, sides, terms, tick, None)
        from otgan.distributed.tables import Sharing  # which brings torch

        sharing = Sharing(self.group)
        with sharing.guarded():
            sharing.check(_digest(metric, pool, sides, terms))
            if metric.cuts:
                return self._batched(metric, pool, sides, terms, tick, sharing)
            # One product serves all splits: the first rank forms it for all.
            first = sharing.ranks.rank == 0
            found, _ = sharing.ranks.together(
                "splits",
                lambda: metric.of_splits(pool, sides, terms, tick) if first else np.zeros(len(sides)),
            )
            return sharing.known(found)

    def _batched(
        self,
        metric: Metric,
        pool: Pool,
        sides: Sides,
        terms: Terms,
        tick: Callable[[int], object],
        sharing: Any,
    ) -> NDArray[np.float64]:
        """Measure batch by batch, the batches of one process."""
        parts = [part for _, part in pool.batches(sides, single=terms.time_limit is not None)]
        width = max(map(len, parts))
        found, _ = filled(
            _of_part,
            [(metric, pool, part, terms) for part in parts],
            width,
            n_jobs=self.n_jobs,
            sharing=sharing,
            tick=lambda batches: tick(batches * width),
        )
        return np.concatenate([row[: len(part)] for row, part in zip(found, parts, strict=True)])


def _of_part(metric: Metric, pool: Pool, part: Sides, terms: Terms) -> tuple[NDArray[np.float64], list[str]]:
    return metric.values(pool.split(part), terms), []


def _digest(metric: Metric, pool: Pool, sides: Sides, terms: Terms) -> str:
    """What tells two tests apart: what is pooled, how it is split, and how it is measured."""
    found = hashlib.sha256(repr((metric.name, pool.sizes, terms.key, terms.entropic_options())).encode())
    for array in (as_numpy(pool.points), pool.mass, sides):
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
