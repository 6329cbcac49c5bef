"""What compiled visits make of the costs, stored or not: the base of the geometries for the CPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from otgan.costs.squares import SQUARES, raised
from otgan.geometry.base import Geometry
from otgan.geometry.compiled import costs, pulls, visits
from otgan.geometry.kernel import LOG2E
from otgan.namespace import Array, double, of_type
from otgan.rounding import CostError
from otgan.threads import count, in_pieces

__all__ = [
    "FEW",
    "NOTHING",
    "Visited",
    "exponents_of",
    "fill_kernel",
    "go_through",
    "pieces_of",
    "source_of",
]

FEW = 25
"""Dimension from which on products of matrices are faster than differences of coordinates."""

_WORTH = 2**17
"""Exponentials that are worth a second thread, which takes some 30 µs to wake; of products eight times as many."""

NOTHING = np.empty((0, 0, 0))
"""Stands for what a source of costs does not have."""


def pieces_of(entries: int, share: int = 1) -> int:
    """Into how many pieces to cut a visit to so many entries, of operations a share as long as an exponential."""
    return max(1, min(count(), entries // (_WORTH * share)))


def source_of(cost: Array) -> tuple[Any, Any, Any, int, bool]:
    """A stored matrix (B, n, m) as compiled loops see costs."""
    return cost, NOTHING, NOTHING, 0, False


class Visited(Geometry):
    """What compiled visits make of the costs, stored or not; in arrays of NumPy."""

    @property
    def source(self) -> tuple[Any, Any, Any, int, bool] | None:
        """The costs as compiled loops see them; None where they see no more of them than a block at a time."""
        return None

    def sources(self) -> Iterator[tuple[slice, tuple[Any, Any, Any, int, bool]]]:
        """Yield (rows, costs of those as compiled loops see them): all at once, or block by block."""
        if self.source is not None:
            yield slice(0, self.shape[1]), self.source
            return
        for rows, cost in self.tiles():
            yield rows, source_of(np.ascontiguousarray(cost))

    @cached_property
    def by_differences(self) -> bool:
        """Whether costs come from differences of coordinates, to full relative accuracy."""
        return self.rule.order is not None and self.x.shape[2] < FEW

    @cached_property
    def cost_error(self) -> CostError:
        """How far the costs may be from the true ones."""
        if not self.by_differences:
            return super().cost_error
        return self.rule.error(double(self.x), double(self.y), direct=True, origin=self.origin)

    @cached_property
    def norms(self) -> tuple[Any, Any, int, bool]:
        """Points x and y, the coordinates of y one after another, the order of the norm, and whether to take its root."""
        order, p = self.rule.order, self.rule.p
        assert order is not None
        x, y = np.ascontiguousarray(double(self.x)), np.ascontiguousarray(double(self.y).mT)
        return x, y, int(order) if order < np.inf else 0, order == SQUARES and p == 1

    def block(self, rows: slice) -> Array:
        """Compute the costs of some rows, shape (B, rows, m), float64."""
        if not self.by_differences:
            return super().block(rows)
        batch, n, m = self.shape
        low, high, _ = rows.indices(n)
        found = np.empty((batch, high - low, m))
        in_pieces(costs.fill_norms, batch * (high - low), pieces_of(found.size), *self.norms, found, low)
        p = self.rule.p
        power = (p / 2 if p != 1 else 1) if self.rule.order == SQUARES else p
        return raised(found, power)

    def plan_tiles(
        self, epsilon: Array, f: Array, g: Array, a: Array, b: Array
    ) -> Iterator[tuple[slice, Array, Array]]:
        """Yield (rows, plan, cost) by blocks, the plan being a b exp((f + g − C)/ε)."""
        # The weights go into the exponent: where both are 0 the kernel itself may overflow.
        row, column, inverse = exponents_of(epsilon, f, g, a, b)
        for rows, cost in self.tiles():
            plan = np.empty(cost.shape)
            if self.source is None:
                part = np.ascontiguousarray(row[:, rows])
                fill_kernel(source_of(np.ascontiguousarray(cost)), (part, column, inverse), plan, 0)
            else:
                fill_kernel(self.source, (row, column, inverse), plan, rows.start)
            yield rows, plan, cost

    def marginals(self, epsilon: Array, f: Array, g: Array, a: Array, b: Array) -> tuple[Array, Array]:
        """Row and column sums of the plan a b exp((f + g − C)/ε), in one visit."""
        batch, n, m = self.shape
        parts = pieces_of(batch * n * m)
        row_sums, column_sums = np.empty((batch, n)), np.zeros((parts, batch, m))
        row, *others = exponents_of(epsilon, f, g, a, b)
        for rows, source in self.sources():
            here, found = np.ascontiguousarray(row[:, rows]), np.ascontiguousarray(row_sums[:, rows])
            in_pieces(visits.marginal_sums, found.size, parts, source, here, *others, found, column_sums)
            row_sums[:, rows] = found
        return row_sums, column_sums.sum(0)

    def point_gradients(self, epsilon: Array, f: Array, g: Array, a: Array, b: Array) -> tuple[Array, Array]:
        """Gradients of ⟨P, C⟩ in the points at the fixed plan P = a b exp((f + g − C)/ε), in one visit."""
        if self.rule.order != SQUARES or self.rule.p not in {1, SQUARES}:
            return super().point_gradients(epsilon, f, g, a, b)
        batch, n, m = self.shape
        parts, (x, y, _, _) = pieces_of(batch * n * m), self.norms
        row, *others = exponents_of(epsilon, f, g, a, b)
        pull_x, pull_y = np.empty_like(x), np.zeros((parts, *y.shape))
        for rows, source in self.sources():
            here, at = np.ascontiguousarray(row[:, rows]), np.ascontiguousarray(x[:, rows])
            found, squared = np.empty_like(at), self.rule.p == SQUARES
            in_pieces(pulls.pulls_of, here.size, parts, source, at, y, here, *others, squared, found, pull_y)
            pull_x[:, rows] = found
        return pull_x, np.ascontiguousarray(pull_y.sum(0).mT)

    def softmin(self, epsilon: Array, h: Array, axis: int) -> Array:
        """Soft minimum −ε log Σ exp((h − C)/ε) over one side, in the log-domain."""
        return self._least(epsilon, h, axis, soft=True)

    def c_transform(self, h: Array, axis: int) -> Array:
        """Minimum of C − h over one side: the largest potential that is feasible beside h."""
        return self._least(np.ones(len(h)), h, axis, soft=False)

    def _least(self, epsilon: Array, h: Array, axis: int, *, soft: bool) -> Array:
        batch, n, m = self.shape
        parts = pieces_of(batch * n * m)
        h, scale = np.ascontiguousarray(h), np.ascontiguousarray(epsilon)
        if axis == 1:
            whole = np.empty((batch, n))
            for rows, source in self.sources():
                found = np.ascontiguousarray(whole[:, rows])
                in_pieces(visits.softmin_rows, found.size, parts, source, h, scale, soft, found)
                whole[:, rows] = found
            return whole
        least, sums = np.full((batch, m), np.inf), np.zeros((batch, m))
        for rows, source in self.sources():
            part, lowest = np.ascontiguousarray(h[:, rows]), np.full((parts, batch, m), np.inf)
            in_pieces(visits.columns_of, part.size, parts, source, part, lowest)
            before, least = least, np.minimum(least, lowest.min(0))
            if soft:
                # What has been summed is brought to the new least: each block of costs is visited once.
                more = np.zeros((parts, batch, m))
                in_pieces(visits.softmin_columns, part.size, parts, source, part, scale, least, more)
                share = np.where(before > least, np.exp((least - before) / scale[:, None]), 1.0)
                sums = sums * share + more.sum(0)
        if not soft:
            return least
        # Where no point is left in, the least cost is infinite, and so is the soft one.
        some = np.isfinite(least)
        return least - scale[:, None] * np.log(np.where(some, sums, 1.0))


def exponents_of(epsilon: Array, f: Array, g: Array, *weights: Array) -> tuple[Any, Any, Any]:
    """What makes an exponent to the base 2 of a cost: a number for its row, one for its column, and a factor."""
    inverse = LOG2E / epsilon
    row, column = f * inverse[:, None], g * inverse[:, None]
    if weights:
        row, column = row + np.log2(weights[0]), column + np.log2(weights[1])
    return np.ascontiguousarray(row), np.ascontiguousarray(column), np.ascontiguousarray(inverse)


def fill_kernel(source: Any, exponents: tuple[Any, Any, Any], out: Array, low: int) -> None:
    """Fill rows of a kernel, from row `low` of the costs on."""
    batch, rows, _ = out.shape
    in_pieces(visits.exponential, batch * rows, pieces_of(out.size), source, *exponents, out, low)


def go_through(
    visit: Any,
    kernel: tuple[Any, ...],
    shape: Sequence[int],
    v: Array,
    dtype: Any,
    weights: Array,
    how: int,
    share: int,
) -> tuple[Array, Array]:
    """Visit a kernel on the way there and back; a share is what an exponential takes in terms of what this does."""
    batch, n, m = shape
    parts = pieces_of(batch * n * m, share)
    sums, back = np.empty((batch, n)), np.zeros((parts, batch, m))
    vectors = np.ascontiguousarray(v, dtype), np.ascontiguousarray(weights, np.float64)
    in_pieces(visit, batch * n, parts, *kernel, *vectors, how, sums, back)
    total = back[0] if parts == 1 else back.sum(0)
    return of_type(sums, v.dtype), of_type(total, v.dtype)
