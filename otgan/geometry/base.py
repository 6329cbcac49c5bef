"""The seam between the entropic solver and the ways of visiting a cost matrix."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Self

from otgan.costs import Cost
from otgan.costs.exponents import exponents
from otgan.geometry.kernel import LOG2E, Kernel, log_sum_exp, powers_
from otgan.namespace import Array, double, full, namespace, zeros
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
    it is written here once, over :meth:`tiles`, for arrays and tensors; a backend overrides what it does faster.

    Parameters
    ----------
    x, y : Array, shapes (B, n, d) and (B, m, d)
        The supports, detached.
    rule : Cost
        What it costs to move from a point to another.
    direct : bool
        Whether float64 costs come from differences of coordinates, slower and to full relative accuracy: where points
        far away would drown the costs of the others in rounding.
    """

    name: str

    def __init__(self, x: Array, y: Array, rule: Cost, direct: bool = False) -> None:
        self.x, self.y, self.rule, self.direct = x, y, rule, direct

    @classmethod
    def takes(cls, rule: Cost) -> bool:
        """Whether the geometry visits this cost; one that does not stands back for those of tensors."""
        del rule
        return True

    @classmethod
    def suited(cls, x: Array, rule: Cost) -> type[Geometry]:
        """Return the kind of this geometry that visits such points fastest: itself, where it has no other."""
        del x, rule
        return cls

    @cached_property
    def origin(self) -> Array | None:
        """A point about which blocks lose least, shape (B, 1, d), float64, where the cost has one."""
        return self.rule.origin(double(self.x), double(self.y))

    @cached_property
    def cost_error(self) -> CostError:
        """How far the costs of :meth:`tiles` may be from the true ones."""
        return self.rule.error(double(self.x), double(self.y), direct=self.direct, origin=self.origin)

    @cached_property
    def majorant(self) -> tuple[Array, Array]:
        """Numbers for the points of either side, shapes (B, n) and (B, m), whose sums no cost exceeds."""
        return self.rule.majorant(self.x, self.y)

    @cached_property
    def largest(self) -> Array:
        """A bound of the largest cost, shape (B,)."""
        return self.rule.largest(self.x, self.y)

    def block(self, rows: slice) -> Array:
        """Compute the costs of some rows, shape (B, rows, m), float64."""
        x, y = double(self.x[:, rows]), double(self.y)
        return self.rule.block(x, y, direct=self.direct, origin=self.origin)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Batch size and the numbers of points: (B, n, m)."""
        return self.x.shape[0], self.x.shape[1], self.y.shape[1]

    def tiles(self) -> Iterator[tuple[slice, Array]]:
        """Yield (rows, costs of shape (B, rows, m), float64); freshly computed, unless a geometry stores them."""
        batch, n, m = self.shape
        step = rows_per_tile(batch, m)
        for start in range(0, n, step):
            rows = slice(start, start + step)
            yield rows, self.block(rows)

    @abstractmethod
    def kernel(self, epsilon: Array, f: Array, g: Array, tol: float) -> Kernel:
        """Return exp((f + g − C)/ε) as a linear map, accurate enough for a marginal error of `tol`."""

    def kernels(self, epsilon: Array, f: Array, g: Array, tol: float) -> tuple[Kernel, Kernel]:
        """Return the kernel twice: accurate, to measure errors with, and rough, to solve for corrections with."""
        kernel = self.kernel(epsilon, f, g, tol)
        return kernel, kernel

    def parted(self, epsilon: Array, f: Array, g: Array, a: Array, b: Array, least: float) -> Kernel | None:
        """Return the kernel of one problem with the entries apart that hold nearly all of the plan of weights a and b.

        They are those above `least` times the lighter of their two weights. The kernel is as accurate as in float64. None
        where it is not stored, or such entries are not few.
        """
        del epsilon, f, g, a, b, least
        return None

    def take(self, keep: Array | slice) -> Self:
        """Return the geometry of the problems whose indices are in `keep`."""
        return type(self)(self.x[keep], self.y[keep], self.rule, self.direct)

    def softmin(self, epsilon: Array, h: Array, axis: int) -> Array:
        """Soft minimum −ε log Σ exp((h − C)/ε) over one side, in the log-domain.

        Parameters
        ----------
        epsilon : Array, shape (B,)
            In units of the cost.
        h : Array, shape (B, m) for axis 1 and (B, n) for axis 0
            Potential of the side summed over, with ε log(weight) already inside; −inf leaves a point out.
        axis : {0, 1}
            The side summed over: 1 for y (the result belongs to x), 0 for x.
        """
        scale = epsilon[:, None, None]
        if axis == 1:
            found = self._per_row(h)
            for rows, cost in self.tiles():
                found[:, rows] = log_sum_exp((h[:, None] - cost) / scale, 2)
            return -epsilon[:, None] * found
        total = full((len(h), self.shape[2]), -math.inf, h)
        for rows, cost in self.tiles():
            part = log_sum_exp((h[:, rows, None] - cost) / scale, 1)
            total = namespace(h).logaddexp(total, part)
        return -epsilon[:, None] * total

    def c_transform(self, h: Array, axis: int) -> Array:
        """Minimum of C − h over one side: the largest potential that is feasible beside h."""
        xp = namespace(h)
        if axis == 1:
            level = not bool(h.any())  # a potential of zeros need not be taken off
            found = self._per_row(h)
            for rows, cost in self.tiles():
                found[:, rows] = xp.min(cost if level else cost - h[:, None], axis=2)
            return found
        least = full((len(h), self.shape[2]), math.inf, h)
        for rows, cost in self.tiles():
            least = xp.minimum(least, xp.min(cost - h[:, rows, None], axis=1))
        return least

    def _per_row(self, like: Array) -> Array:
        """Memory for one number for each x. A list of the tiles' results would pin the holes that tiles leave."""
        return zeros(self.shape[:2], like)

    def plan_tiles(
        self, epsilon: Array, f: Array, g: Array, a: Array, b: Array
    ) -> Iterator[tuple[slice, Array, Array]]:
        """Yield (rows, plan, cost) by blocks, the plan being a b exp((f + g − C)/ε)."""
        # The weights go into the exponent: where both are 0 the kernel itself may overflow.
        inverse, xp = (LOG2E / epsilon)[:, None], namespace(f)
        row, column = f * inverse + xp.log2(a), g * inverse + xp.log2(b)
        for rows, cost in self.tiles():
            yield rows, powers_(exponents(cost, row[:, rows], column, inverse)), cost

    def plan(self, epsilon: Array, f: Array, g: Array, a: Array, b: Array) -> Array:
        """The plan a b exp((f + g − C)/ε) itself, shape (B, n, m)."""
        return namespace(f).concat([plan for _, plan, _ in self.plan_tiles(epsilon, f, g, a, b)], axis=1)

    def marginals(self, epsilon: Array, f: Array, g: Array, a: Array, b: Array) -> tuple[Array, Array]:
        """Row and column sums of the plan a b exp((f + g − C)/ε)."""
        return self.certain_marginals(epsilon, f, g, a, b)

    def certain_marginals(
        self, epsilon: Array, f: Array, g: Array, a: Array, b: Array
    ) -> tuple[Array, Array]:
        """Row and column sums of the plan, summed as :meth:`apply` and :meth:`linear_cost` sum it, for bounds."""
        xp = namespace(a)
        row_sums, column_sums = xp.zeros_like(a), xp.zeros_like(b)
        ones_x, ones_y = xp.ones_like(a)[..., None], xp.ones_like(b)[..., None]
        for rows, plan, _ in self.plan_tiles(epsilon, f, g, a, b):
            row_sums[:, rows] = (plan @ ones_y)[..., 0]
            column_sums += (plan.mT @ ones_x[:, : plan.shape[1]])[..., 0]
        return row_sums, column_sums

    def apply(self, epsilon: Array, f: Array, g: Array, a: Array, b: Array, v: Array, axis: int) -> Array:
        """Product of the plan with the rows v: P v for axis 1, Pᵀ v for axis 0, shape (B, n or m, k)."""
        batch, n, m = self.shape
        found = zeros((batch, n if axis == 1 else m, v.shape[2]), v)
        for rows, plan, _ in self.plan_tiles(epsilon, f, g, a, b):
            if axis == 1:
                found[:, rows] = plan @ v
            else:
                found += plan.mT @ v[:, rows]
        return found

    def linear_cost(
        self,
        epsilon: Array,
        f: Array,
        g: Array,
        a: Array,
        b: Array,
        factors: tuple[Array, Array] | None = None,
    ) -> Array:
        """Cost ⟨P, C⟩ of the plan P = a b exp((f + g − C)/ε), shape (B,).

        With `factors`, shapes (B, n) and (B, m), that of the plan whose rows and columns are multiplied by them.
        """
        total = zeros(len(epsilon), epsilon)
        for rows, plan, cost in self.plan_tiles(epsilon, f, g, a, b):
            product = plan
            if factors is not None:
                product *= factors[0][:, rows, None]
                product *= factors[1][:, None]
            product *= cost
            total += product.sum((1, 2))
        return total

    def diffuse_means(self, epsilon: Array, f: Array, g: Array, a: Array, b: Array) -> tuple[Array, Array]:
        """Means of expm1((f + g − C)/ε) over y for each x, and over x for each y, with the weights b and a.

        Returns
        -------
        tuple of Array, shapes (B, n) and (B, m)
        """
        xp = namespace(f)
        rows, columns = xp.zeros_like(f), xp.zeros_like(g)
        scale = epsilon[:, None, None]
        for part, cost in self.tiles():
            exponent = xp.expm1((f[:, part, None] + g[:, None] - cost) / scale)
            rows[:, part] = (exponent @ b[..., None])[..., 0]
            columns += (a[:, None, part] @ exponent)[:, 0]
        return rows, columns

    def mean_cost(self, a: Array, b: Array) -> Array:
        """Mean cost of independent draws with the weights a and b, which need no total; shape (B,)."""
        return self.rule.mean(self.x, self.y, a, b)

    def outer_cost(self, u: Array, v: Array) -> Array:
        """Cost Σ uᵢ vⱼ Cᵢⱼ of a product plan, shape (B,)."""
        total = zeros(len(u), u)
        for rows, cost in self.tiles():
            total += (u[:, rows] * (cost @ v[..., None])[..., 0]).sum(1)
        return total

    def point_gradients(self, epsilon: Array, f: Array, g: Array, a: Array, b: Array) -> tuple[Array, Array]:
        """Gradients of ⟨P, C⟩ in the points at the fixed plan P = a b exp((f + g − C)/ε).

        Returns
        -------
        tuple of Array, shapes (B, n, d) and (B, m, d)
        """
        x, y, xp = double(self.x), double(self.y), namespace(self.x)
        pull_x, pull_y = xp.zeros_like(x), xp.zeros_like(y)
        for rows, plan, cost in self.plan_tiles(epsilon, f, g, a, b):
            pulls = self.rule.gradients(x[:, rows], y, plan, cost)
            pull_x[:, rows] = pulls[0]
            pull_y += pulls[1]
        return pull_x, pull_y
