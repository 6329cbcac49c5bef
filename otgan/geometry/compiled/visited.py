"""What compiled visits make of the costs, stored or not: the base of the geometries for the CPU."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otgan.costs.squares import SQUARES, raised
from otgan.geometry.base import Geometry
from otgan.geometry.compiled import costs, visits
from otgan.geometry.kernel import LOG2E
from otgan.memory import empty
from otgan.rounding import CostError
from otgan.threads import count, in_pieces

__all__ = ["FEW", "NOTHING", "Visited", "exponents_of", "fill_kernel", "go_through", "pieces_of"]

FEW = 25
"""Dimension from which on products of matrices are faster than differences of coordinates."""

_WORTH = 2**17
"""Exponentials that are worth a second thread, which takes some 30 µs to wake; of products eight times as many."""

NOTHING = np.empty((0, 0, 0))
"""Stands for what a source of costs does not have."""


def pieces_of(entries: int, share: int = 1) -> int:
    """Into how many pieces to cut a visit to so many entries, of operations a share as long as an exponential."""
    return max(1, min(count(), entries // (_WORTH * share)))


class Visited(Geometry):
    """What compiled visits make of the costs, stored or not."""

    @property
    @abstractmethod
    def source(self) -> tuple[Any, Any, Any, int, bool]:
        """The costs as compiled loops see them."""

    @cached_property
    def by_differences(self) -> bool:
        """Whether costs come from differences of coordinates, to full relative accuracy."""
        return self.rule.order is not None and self.x.shape[2] < FEW

    @cached_property
    def cost_error(self) -> CostError:
        """How far the costs may be from the true ones."""
        if not self.by_differences:
            return super().cost_error
        return self.rule.error(self.x.double(), self.y.double(), direct=True, origin=self.origin)

    @cached_property
    def norms(self) -> tuple[Any, Any, int, bool]:
        """Points x and y, the coordinates of y one after another, the order of the norm, and whether to take its root."""
        order, p = self.rule.order, self.rule.p
        assert order is not None
        x, y = self.x.double().contiguous(), self.y.double().mT.contiguous()
        return x.numpy(), y.numpy(), int(order) if order < np.inf else 0, order == SQUARES and p == 1

    def block(self, rows: slice) -> Tensor:
        """Compute the costs of some rows, shape (B, rows, m), float64."""
        if not self.by_differences:
            return super().block(rows)
        batch, n, m = self.shape
        low, high, _ = rows.indices(n)
        found = empty((batch, high - low, m), torch.float64, self.x.device)
        in_pieces(
            costs.fill_norms, batch * (high - low), pieces_of(found.numel()), *self.norms, found.numpy(), low
        )
        p = self.rule.p
        power = (p / 2 if p != 1 else 1) if self.rule.order == SQUARES else p
        costs_: Tensor = raised(found, power)
        return costs_

    def plan_tiles(
        self, epsilon: Tensor, f: Tensor, g: Tensor, a: Tensor, b: Tensor
    ) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Yield (rows, plan, cost) by blocks, the plan being a b exp((f + g − C)/ε)."""
        # The weights go into the exponent: where both are 0 the kernel itself may overflow.
        exponents = exponents_of(epsilon, f, g, a, b)
        for rows, cost in self.tiles():
            plan = empty(cost.shape, torch.float64, self.x.device)
            fill_kernel(self.source, exponents, plan, rows.start)
            yield rows, plan, cost

    def marginals(self, epsilon: Tensor, f: Tensor, g: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Row and column sums of the plan a b exp((f + g − C)/ε), in one visit."""
        batch, n, m = self.shape
        parts = pieces_of(batch * n * m)
        row_sums, column_sums = np.empty((batch, n)), np.zeros((parts, batch, m))
        exponents = exponents_of(epsilon, f, g, a, b)
        in_pieces(visits.marginal_sums, batch * n, parts, self.source, *exponents, row_sums, column_sums)
        return torch.from_numpy(row_sums), torch.from_numpy(column_sums.sum(0))

    def softmin(self, epsilon: Tensor, h: Tensor, axis: int) -> Tensor:
        """Soft minimum −ε log Σ exp((h − C)/ε) over one side, in the log-domain."""
        return self._least(epsilon, h, axis, soft=True)

    def c_transform(self, h: Tensor, axis: int) -> Tensor:
        """Minimum of C − h over one side: the largest potential that is feasible beside h."""
        return self._least(torch.ones_like(h[:, 0]), h, axis, soft=False)

    def _least(self, epsilon: Tensor, h: Tensor, axis: int, *, soft: bool) -> Tensor:
        batch, n, m = self.shape
        total, parts = batch * n, pieces_of(batch * n * m)
        potential, scale = h.contiguous().numpy(), epsilon.contiguous().numpy()
        if axis == 1:
            found = np.empty((batch, n))
            in_pieces(visits.softmin_rows, total, parts, self.source, potential, scale, soft, found)
            return torch.from_numpy(found)
        lowest = np.full((parts, batch, m), np.inf)
        in_pieces(visits.columns_of, total, parts, self.source, potential, lowest)
        least = lowest.min(0)
        if not soft:
            return torch.from_numpy(least)
        sums = np.zeros((parts, batch, m))
        in_pieces(visits.softmin_columns, total, parts, self.source, potential, scale, least, sums)
        # Where no point is left in, the least cost is infinite, and so is the soft one.
        some = np.isfinite(least)
        soft_least = least - scale[:, None] * np.log(np.where(some, sums.sum(0), 1.0))
        return torch.from_numpy(soft_least)


def exponents_of(epsilon: Tensor, f: Tensor, g: Tensor, *weights: Tensor) -> tuple[Any, Any, Any]:
    """What makes an exponent to the base 2 of a cost: a number for its row, one for its column, and a factor."""
    inverse = LOG2E / epsilon
    row, column = f * inverse[:, None], g * inverse[:, None]
    if weights:
        row, column = row + weights[0].log2(), column + weights[1].log2()
    return row.contiguous().numpy(), column.contiguous().numpy(), inverse.contiguous().numpy()


def fill_kernel(source: Any, exponents: tuple[Any, Any, Any], out: Tensor, low: int) -> None:
    """Fill rows of a kernel, from row `low` of the costs on."""
    batch, rows, _ = out.shape
    in_pieces(visits.exponential, batch * rows, pieces_of(out.numel()), source, *exponents, out.numpy(), low)


def go_through(
    visit: Any,
    kernel: tuple[Any, ...],
    shape: Sequence[int],
    v: Tensor,
    dtype: torch.dtype,
    weights: Tensor,
    how: int,
    share: int,
) -> tuple[Tensor, Tensor]:
    """Visit a kernel on the way there and back; a share is what an exponential takes in terms of what this does."""
    batch, n, m = shape
    parts = pieces_of(batch * n * m, share)
    sums, back = np.empty((batch, n)), np.zeros((parts, batch, m))
    vectors = v.to(dtype).contiguous().numpy(), weights.double().contiguous().numpy()
    in_pieces(visit, batch * n, parts, *kernel, *vectors, how, sums, back)
    total = back[0] if parts == 1 else back.sum(0)
    return torch.from_numpy(sums).to(v.dtype), torch.from_numpy(total).to(v.dtype)
