"""Pooled samples, split anew into two sets: what a metric is asked about where chance might have divided them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from otgan.measure import Measure
from otgan.namespace import Array, as_numpy, beside, detached, double, is_tensor, namespace
from otgan.pair import Pair

__all__ = ["Pool", "Sides"]

Sides = NDArray[np.bool_]
"""Shape (K, n + m): which of the pooled samples each split gives to x."""

_ENTRIES = 2**25
"""Pairs of points, of all splits of one batch together, that a metric is given at once."""

_COORDINATES = 2**24
"""Coordinates of points, likewise."""


_SPLITS = 128
"""Splits of one batch on the CPU, where larger ones are no faster: batches are what processes share out, and one process works
through the same ones, so that both find the same to the last bit."""


@dataclass(frozen=True, eq=False)
class Pool:
    """The samples of two sets that have mass, those of x first.

    Attributes
    ----------
    points : Array, shape (n + m, d)
    weights : ndarray, shape (n + m,), or None
        The weight that each sample carries with it, of mean 1 on either side; None where all weigh the same.
    sizes : tuple of int
        n and m.
    heavy : tuple of ndarray of bool, shapes (n,) and (m,)
        Which samples those are, of the sets as they were given.
    numpy : bool
        As in :class:`Measure`.
    """

    points: Array
    weights: NDArray[np.float64] | None
    sizes: tuple[int, int]
    heavy: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    numpy: bool

    @classmethod
    def of(cls, both: Pair) -> Pool:
        """Pool two sets; not those of a batch."""
        measures = both.x, both.y
        masses = [double(as_numpy(side.weights[0])) for side in measures]
        heavy = masses[0] > 0, masses[1] > 0
        parts = [
            detached(side.points[0])[beside(np.flatnonzero(rows), side.points)]
            for side, rows in zip(measures, heavy, strict=True)
        ]
        n, m = (int(rows.sum()) for rows in heavy)
        weights = None
        if both.x.weighted or both.y.weighted:
            weights = np.concatenate(
                [mass[rows] * rows.sum() for mass, rows in zip(masses, heavy, strict=True)]
            )
        points = namespace(parts[0]).concat(parts, axis=0)
        return cls(points, weights, (n, m), heavy, both.numpy)

    @classmethod
    def of_one(cls, side: Measure) -> Pool:
        """Take one set, not of a batch, as a pool that is to be halved; of an odd number y has the larger half."""
        whole = cls.of(Pair(side, side))
        n = whole.sizes[0]
        points, weights = whole.points[:n], None if whole.weights is None else whole.weights[:n]
        return replace(whole, points=points, weights=weights, sizes=(n // 2, n - n // 2))

    def thinned(self, most: int, rng: np.random.Generator) -> Pool:
        """Return at most so many samples of either set, drawn at random; itself where there are no more."""
        n, m = self.sizes
        if max(n, m) <= most:
            return self
        rows = [
            np.sort(rng.choice(size, most, replace=False)) if size > most else np.arange(size)
            for size in (n, m)
        ]
        kept = np.concatenate([rows[0], n + rows[1]])
        return replace(
            self,
            points=self.points[beside(kept, self.points)],
            weights=None if self.weights is None else self.weights[kept],
            sizes=(len(rows[0]), len(rows[1])),
        )

    def __len__(self) -> int:
        return sum(self.sizes)

    @property
    def itself(self) -> Pair:
        """All the samples as both sides of one problem."""
        whole = replace(Measure.of(self.points), numpy=self.numpy)
        return Pair(whole, whole)

    def split(self, sides: Sides) -> Pair:
        """Return the two sets of every split, as a batch of problems."""
        return Pair(self._taken(sides), self._taken(~sides))

    @property
    def mass(self) -> NDArray[np.float64]:
        """The weight of every sample, shape (n + m,), 1 where all weigh the same."""
        return np.ones(len(self)) if self.weights is None else self.weights

    def batches(self, sides: Sides, *, single: bool = False) -> Iterator[tuple[slice, Sides]]:
        """Yield splits, as many at once as fit in little memory or each for itself, with their places."""
        n, m = self.sizes
        fit = min(_ENTRIES // (n * m), _COORDINATES // (len(self) * self.points.shape[1]))
        on_gpu = is_tensor(self.points) and self.points.is_cuda
        size = 1 if single else max(1, fit if on_gpu else min(fit, _SPLITS))
        for start in range(0, len(sides), size):
            yield slice(start, start + size), sides[start : start + size]

    def _taken(self, sides: Sides) -> Measure:
        count = int(sides[0].sum())
        rows = np.nonzero(sides)[1].reshape(len(sides), count)
        points = self.points[beside(rows, self.points)]
        weights = None if self.weights is None else beside(self.weights[rows], self.points)
        return replace(Measure.of(points, weights), numpy=self.numpy)
