"""The seam between the entropic solver and the ways of visiting a cost matrix."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from otgan.costs import Cost
from otgan.costs.exponents import exponents
from otgan.geometry.kernel import LOG2E, Kernel, log_sum_exp
from otgan.rounding import CostError

__all__ = ["Geometry", "rows_per_tile"]

_TILE = 2**18
"""Entries of a block of costs: few enough to stay in cache between the steps of a pass."""


def rows_per_tile(batch: int, columns: int, tile: int = _TILE) -> int:
    """Rows of a block of `tile` entries over all problems, at least one."""
    return max(1, tile // max(1, batch * columns))


class Geometry(ABC):
    """The costs Cᵢⱼ between two supports, visited in blocks of rows, batched.

    The solver asks for :meth:`softmin` and :meth:`kernel`; the certificates and gradients for the rest. All of
    it is written here once, over :meth:`tiles`; a backend overrides what it does faster.

    Parameters
    ----------
    x, y : Tensor, shapes (B, n, d) and (B, m, d)
        The supports, detached.
    rule : Cost
        What it costs to move from a point to another.
    direct : bool
        Whether float64 costs come from differences of coordinates, slower and to full relative accuracy: where points
        far away would drown the costs of the others in rounding.
    """

    name: str

    def __init__(self, x: Tensor, y: Tensor, rule: Cost, direct: bool = False) -> None:
        self.x, self.y, self.rule, self.direct = x, y, rule, direct

    @classmethod
    def takes(cls, rule: Cost) -> bool:
        """Whether the geometry visits this cost; one that does not stands back for those of tensors."""
        del rule
        return True

    @classmethod
    def suited(cls, x: Tensor, rule: Cost) -> type[Geometry]:
        """Return the kind of this geometry that visits such points fastest: itself, where it has no other.

        Raises
        ------
        ValueError
            If it cannot visit them.
        """
        del x, rule
        return cls

    @cached_property
    def origin(self) -> Tensor | None:
        """A point about which blocks lose least, shape (B, 1, d), float64, where the cost has one."""
        return self.rule.origin(self.x.double(), self.y.double())

    @cached_property
    def cost_error(self) -> CostError:
        """How far the costs of :meth:`tiles` may be from the true ones."""
        return self.rule.error(self.x.double(), self.y.double(), direct=self.direct, origin=self.origin)

    @cached_property
    def majorant(self) -> tuple[Tensor, Tensor]:
        """Numbers for the points of either side, shapes (B, n) and (B, m), whose sums no cost exceeds."""
        return self.rule.majorant(self.x, self.y)

    @cached_property
    def largest(self) -> Tensor:
        """A bound of the largest cost, shape (B,)."""
        return self.rule.largest(self.x, self.y)

    def block(self, rows: slice) -> Tensor:
        """Compute the costs of some rows, shape (B, rows, m), float64."""
        x, y = self.x[:, rows].double(), self.y.double()
        return self.rule.block(x, y, direct=self.direct, origin=self.origin)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Batch size and the numbers of points: (B, n, m)."""
        return self.x.shape[0], self.x.shape[1], self.y.shape[1]

    def tiles(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield (rows, costs of shape (B, rows, m), float64); freshly computed, unless a geometry stores them."""
        batch, n, m = self.shape
        step = rows_per_tile(batch, m)
        for start in range(0, n, step):
            rows = slice(start, start + step)
            yield rows, self.block(rows)

    @abstractmethod
    def kernel(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> Kernel:
        """Return exp((f + g − C)/ε) as a linear map, accurate enough for a marginal error of `tol`."""

    def kernels(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> tuple[Kernel, Kernel]:
        """Return the kernel twice: accurate, to measure errors with, and rough, to solve for corrections with."""
        kernel = self.kernel(epsilon, f, g, tol)
        return kernel, kernel

    def parted(
        self, epsilon: Tensor, f: Tensor, g: Tensor, a: Tensor, b: Tensor, least: float
    ) -> Kernel | None:
        """Return the kernel of one problem with the entries apart that hold nearly all of the plan of weights a and b.

        They are those above `least` times the lighter of their two weights. The kernel is as accurate as in float64. None
        where it is not stored, or such entries are not few.
        """
        del epsilon, f, g, a, b, least
        return None

    def take(self, keep: Tensor) -> Self:
        """Return the geometry of the problems whose indices are in `keep`."""
        return type(self)(self.x[keep], self.y[keep], self.rule, self.direct)

    def softmin(self, epsilon: Tensor, h: Tensor, axis: int) -> Tensor:
        """Soft minimum −ε log Σ exp((h − C)/ε) over one side, in the log-domain.

        Parameters
        ----------
        epsilon : Tensor, shape (B,)
            In units of the cost.
        h : Tensor, shape (B, m) for axis 1 and (B, n) for axis 0
            Potential of the side summed over, with ε log(weight) already inside; −inf leaves a point out.
        axis : {0, 1}
            The side summed over: 1 for y (the result belongs to x), 0 for x.
        """
        scale = epsilon[:, None, None]
        if axis == 1:
            found = self._per_row(h)
            for rows, cost in self.tiles():
                found[:, rows] = log_sum_exp((h[:, None] - cost).div_(scale), 2)
            return -epsilon[:, None] * found
        total: Tensor | None = None
        for rows, cost in self.tiles():
            part = log_sum_exp((h[:, rows, None] - cost).div_(scale), 1)
            total = part if total is None else torch.logaddexp(total, part)
        assert total is not None
        return -epsilon[:, None] * total

    def c_transform(self, h: Tensor, axis: int) -> Tensor:
        """Minimum of C − h over one side: the largest potential that is feasible beside h."""
        if axis == 1:
            level = not bool(h.any())  # a potential of zeros need not be taken off
            found = self._per_row(h)
            for rows, cost in self.tiles():
                found[:, rows] = (cost if level else cost - h[:, None]).amin(2)
            return found
        least: Tensor | None = None
        for rows, cost in self.tiles():
            part = (cost - h[:, rows, None]).amin(1)
            least = part if least is None else torch.minimum(least, part)
        assert least is not None
        return least

    def _per_row(self, like: Tensor) -> Tensor:
        """Memory for one number for each x. A list of the tiles' results would pin the holes that tiles leave."""
        return like.new_empty(self.shape[:2])

    def plan_tiles(
        self, epsilon: Tensor, f: Tensor, g: Tensor, a: Tensor, b: Tensor
    ) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Yield (rows, plan, cost) by blocks, the plan being a b exp((f + g − C)/ε)."""
        # The weights go into the exponent: where both are 0 the kernel itself may overflow.
        inverse = (LOG2E / epsilon)[:, None]
        row, column = f * inverse + a.log2(), g * inverse + b.log2()
        for rows, cost in self.tiles():
            yield rows, exponents(cost, row[:, rows], column, inverse).exp2_(), cost

    def plan(self, epsilon: Tensor, f: Tensor, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """The plan a b exp((f + g − C)/ε) itself, shape (B, n, m)."""
        return torch.cat([plan for _, plan, _ in self.plan_tiles(epsilon, f, g, a, b)], 1)

    def marginals(self, epsilon: Tensor, f: Tensor, g: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Row and column sums of the plan a b exp((f + g − C)/ε)."""
        row_sums, column_sums = torch.zeros_like(a), torch.zeros_like(b)
        ones_x, ones_y = torch.ones_like(a)[..., None], torch.ones_like(b)[..., None]
        for rows, plan, _ in self.plan_tiles(epsilon, f, g, a, b):
            row_sums[:, rows] = (plan @ ones_y)[..., 0]
            column_sums += (plan.mT @ ones_x[:, : plan.shape[1]])[..., 0]
        return row_sums, column_sums

    def apply(
        self, epsilon: Tensor, f: Tensor, g: Tensor, a: Tensor, b: Tensor, v: Tensor, axis: int
    ) -> Tensor:
        """Product of the plan with the rows v: P v for axis 1, Pᵀ v for axis 0, shape (B, n or m, k)."""
        batch, n, m = self.shape
        found = v.new_zeros(batch, n if axis == 1 else m, v.shape[2])
        for rows, plan, _ in self.plan_tiles(epsilon, f, g, a, b):
            if axis == 1:
                found[:, rows] = plan @ v
            else:
                found += plan.mT @ v[:, rows]
        return found

    def linear_cost(
        self,
        epsilon: Tensor,
        f: Tensor,
        g: Tensor,
        a: Tensor,
        b: Tensor,
        factors: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Cost ⟨P, C⟩ of the plan P = a b exp((f + g − C)/ε), shape (B,).

        With `factors`, shapes (B, n) and (B, m), that of the plan whose rows and columns are multiplied by them.
        """
        total = torch.zeros_like(epsilon)
        for rows, plan, cost in self.plan_tiles(epsilon, f, g, a, b):
            if factors is not None:
                plan.mul_(factors[0][:, rows, None]).mul_(factors[1][:, None])
            total += plan.mul_(cost).sum((1, 2))
        return total

    def mean_cost(self, a: Tensor, b: Tensor) -> Tensor:
        """Mean cost of independent draws with the weights a and b, which need no total; shape (B,)."""
        return self.rule.mean(self.x, self.y, a, b)

    def outer_cost(self, u: Tensor, v: Tensor) -> Tensor:
        """Cost Σ uᵢ vⱼ Cᵢⱼ of a product plan, shape (B,)."""
        total = torch.zeros_like(u[:, 0])
        for rows, cost in self.tiles():
            total += (u[:, rows] * (cost @ v[..., None])[..., 0]).sum(1)
        return total

    def point_gradients(
        self, epsilon: Tensor, f: Tensor, g: Tensor, a: Tensor, b: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Gradients of ⟨P, C⟩ in the points at the fixed plan P = a b exp((f + g − C)/ε).

        Returns
        -------
        tuple of Tensor, shapes (B, n, d) and (B, m, d)
        """
        x, y = self.x.double(), self.y.double()
        pull_x, pull_y = torch.zeros_like(x), torch.zeros_like(y)
        for rows, plan, cost in self.plan_tiles(epsilon, f, g, a, b):
            pulls = self.rule.gradients(x[:, rows], y, plan, cost)
            pull_x[:, rows] = pulls[0]
            pull_y += pulls[1]
        return pull_x, pull_y
