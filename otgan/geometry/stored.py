"""Geometries that store the costs: what they share, whatever their library."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Self

from otgan.geometry.accuracy import SINGLE
from otgan.geometry.base import Geometry, rows_per_tile
from otgan.namespace import Array

__all__ = ["SMALL", "Stored"]

SMALL = 2**16
"""Entries, over all problems, up to which float32 saves nothing that counts."""


class Stored(Geometry):
    """Costs stored as one (B, n, m) matrix of float64; the default for problems that fit in memory.

    A pass over a stored kernel exp((f + g − C)/ε) is a matrix-vector product, some twenty times cheaper than a
    log-sum-exp. The exponents are formed in float64 and only the kernel is rounded, so that a float32 kernel
    carries relative errors of 1e-7 however large C/ε is.
    """

    @property
    @abstractmethod
    def cost(self) -> Array:
        """The costs, shape (B, n, m), float64; of a ragged batch, solved in groups, the whole may never be needed."""

    @abstractmethod
    def hold(self, cost: Array) -> None:
        """Take costs that are known already."""

    def mean_cost(self, a: Array, b: Array) -> Array:
        """Mean of the stored costs, or of the moments where there are fewer of them."""
        _, n, m = self.shape
        if self.rule.has_moments and 4 * self.x.shape[2] * (n + m) < n * m:
            return super().mean_cost(a, b)
        return self.outer_cost(a / a.sum(1)[:, None], b / b.sum(1)[:, None])

    def tiles(self) -> Iterator[tuple[slice, Array]]:
        """Yield blocks of the stored costs."""
        batch, n, m = self.shape
        step = rows_per_tile(batch, m)
        for start in range(0, n, step):
            rows = slice(start, start + step)
            yield rows, self.cost[:, rows]

    def take(self, keep: Array | slice) -> Self:
        """Return the geometry of the problems `keep`."""
        part = super().take(keep)
        part.hold(self.cost[keep])
        return part

    def is_single(self, tol: float) -> bool:
        """Whether a kernel in float32 serves for a marginal error, and saves anything."""
        batch, n, m = self.shape
        return tol >= SINGLE and batch * n * m > SMALL
