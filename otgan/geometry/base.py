"""The seam between the entropic solver and the ways of visiting a cost matrix."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from otgan.cost import MANY, NEAR, cost_error, cost_matrix, mean_cost, origin_of
from otgan.rounding import CostError

__all__ = ["LOG2E", "Geometry", "Kernel", "log_sum_exp", "rows_per_tile"]

_TILE = 2**18
"""Entries of a block of costs: few enough to stay in cache between the steps of a pass."""


_FLOOR = -100.0

LOG2E = 1 / math.log(2)
"""Exponentials are taken to the base 2: torch's `exp` on CPU is up to fifty times slower where it underflows."""


def exponents(cost: Tensor, row: Tensor, column: Tensor, inverse: Tensor) -> Tensor:
    """row + column − cost · inverse, the exponents of a block of a kernel; `inverse` has shape (B, 1)."""
    if inverse.shape[0] == 1:
        shifted = torch.add(column[:, None], cost, alpha=-float(inverse))
    else:
        shifted = torch.addcmul(column[:, None], cost, inverse[..., None], value=-1)
    return shifted.add_(row[..., None])


def exp2_(exponent: Tensor) -> Tensor:
    """2 to the power of the exponents, overwriting them; float32 results below 2^-100 become 0.

    Where results underflow torch takes three times as long to form them, and the processor to multiply what is nearly
    0: in a kernel at small ε that is most of them.
    """
    if exponent.dtype != torch.float32:
        return exponent.exp2_()
    return torch.threshold_(exponent.clamp_min_(_FLOOR - 1).exp2_(), 2.0**_FLOOR, 0.0)


def log_sum_exp(exponent: Tensor, axis: int) -> Tensor:
    """log Σ exp(exponent) along an axis, overwriting the exponents."""
    largest = exponent.amax(axis, keepdim=True)
    anchor = largest.masked_fill(largest == -torch.inf, 0.0)
    return exponent.sub_(anchor).mul_(LOG2E).exp2_().sum(axis).log_().add_(anchor.squeeze(axis))


def rows_per_tile(batch: int, columns: int, tile: int = _TILE) -> int:
    """Rows of a block of `tile` entries over all problems, at least one."""
    return max(1, tile // max(1, batch * columns))


class Kernel(ABC):
    """The linear map K = exp((f + g − C)/ε) at fixed potentials: the solver's every iteration is one or two of it."""

    dtype: torch.dtype = torch.float64
    """Type of vectors that the kernel loses nothing of; others it takes as well."""

    exact: bool = False
    """Whether the products are those of the float64 kernel but for rounding in float64."""

    @abstractmethod
    def __call__(self, v: Tensor, axis: int) -> Tensor:
        """K v over y for axis 1, (B, m) to (B, n); Kᵀ v over x for axis 0, (B, n) to (B, m)."""

    def through(self, v: Tensor, turn: Callable[[Tensor, slice], Tensor]) -> tuple[Tensor, Tensor]:
        """Go over y, through x and back: s = K v, w = turn(s) and Kᵀ w, shapes (B, n) and (B, m).

        A Sinkhorn pass and the product with a Newton system have this form. `turn` acts row by row: it receives the
        sums of some rows and the slice of them, so that a backend can finish each block while it is in cache.
        """
        sums = self(v, 1)
        return sums, self(turn(sums, slice(None)), 0)

    @abstractmethod
    def take(self, keep: Tensor) -> Kernel:
        """Return the kernel of the problems whose indices are in `keep`."""

    def gram(self, w: Tensor) -> Tensor | None:
        """Kᵀ diag(w) K of shape (B, m, m), in the kernel's own type, or None where K is not stored."""
        return None


class Geometry(ABC):
    """The costs Cᵢⱼ = ‖xᵢ − yⱼ‖₂^p between two supports, visited in blocks of rows, batched.

    The solver asks for :meth:`softmin` and :meth:`kernel`; the certificates and gradients for the rest. All of
    it is written here once, over :meth:`tiles`; a backend overrides what it does faster.

    Parameters
    ----------
    x, y : Tensor, shapes (B, n, d) and (B, m, d)
        The supports, detached.
    p : float
        The power of the distance.
    direct : bool
        Whether float64 costs come from differences of coordinates, slower and to full relative accuracy: where points
        far away would drown the costs of the others in rounding.
    """

    name: str

    def __init__(self, x: Tensor, y: Tensor, p: float, direct: bool = False) -> None:
        self.x, self.y, self.p, self.direct = x, y, p, direct

    @cached_property
    def origin(self) -> Tensor:
        """What expansions of squared distances are taken about, shape (B, 1, d), float64."""
        return origin_of(self.x.double(), self.y.double())

    @cached_property
    def cost_error(self) -> CostError:
        """How far the costs of :meth:`tiles` may be from the true ones."""
        return cost_error(self.x.double(), self.y.double(), self.p, direct=self.direct, origin=self.origin)

    def block(self, rows: slice) -> Tensor:
        """Compute the costs of some rows, shape (B, rows, m), float64."""
        x, y = self.x[:, rows].double(), self.y.double()
        return cost_matrix(x, y, self.p, direct=self.direct, origin=self.origin)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Batch size and the numbers of points: (B, n, m)."""
        return self.x.shape[0], self.x.shape[1], self.y.shape[1]

    @property
    def skips_padding(self) -> bool:
        """Whether the padding of a ragged batch costs nothing, so that its problems need no sorting by size."""
        return False

    @abstractmethod
    def tiles(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield (rows, costs of shape (B, rows, m), float64)."""

    @abstractmethod
    def kernel(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> Kernel:
        """Return exp((f + g − C)/ε) as a linear map, accurate enough for a marginal error of `tol`."""

    def kernels(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> tuple[Kernel, Kernel]:
        """Return the kernel twice: accurate, to measure errors with, and rough, to solve for corrections with."""
        kernel = self.kernel(epsilon, f, g, tol)
        return kernel, kernel

    def take(self, keep: Tensor) -> Self:
        """Return the geometry of the problems whose indices are in `keep`."""
        return type(self)(self.x[keep], self.y[keep], self.p, self.direct)

    def presolve(
        self, a: Tensor, b: Tensor, epsilon: Tensor, start: Tensor, tol: float
    ) -> tuple[Tensor, Tensor] | None:
        """Solve the problems as well as the backend can on its own; the solver verifies and finishes.

        Returns
        -------
        tuple of Tensor, shapes (B, m) and (B,), or None
            Potentials g and the passes that they took; None where the backend has no solver of its own.
        """
        del a, b, epsilon, start, tol
        return None

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
        return mean_cost(self.x, self.y, a, b, self.p)

    def outer_cost(self, u: Tensor, v: Tensor) -> Tensor:
        """Cost Σ uᵢ vⱼ Cᵢⱼ of a product plan, shape (B,)."""
        total = torch.zeros_like(u[:, 0])
        for rows, cost in self.tiles():
            total += (u[:, rows] * (cost @ v[..., None])[..., 0]).sum(1)
        return total

    def pull(self, epsilon: Tensor, f: Tensor, g: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of ⟨P, C⟩ in the points at the fixed plan P = a b exp((f + g − C)/ε).

        ∇ₓᵢ = Σⱼ Pᵢⱼ p ‖xᵢ − yⱼ‖^(p−2) (xᵢ − yⱼ), where a coincident pair pulls with no force; likewise in y.

        Returns
        -------
        tuple of Tensor, shapes (B, n, d) and (B, m, d)
        """
        x, y = self.x.double(), self.y.double()
        pull_x, pull_y = torch.zeros_like(x), torch.zeros_like(y)
        for rows, plan, cost in self.plan_tiles(epsilon, f, g, a, b):
            pulls = _pulls(x[:, rows], y, plan, cost, self.p)
            pull_x[:, rows] = pulls[0]
            pull_y += pulls[1]
        return pull_x, pull_y


def _pulls(x: Tensor, y: Tensor, plan: Tensor, cost: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """Sums of force (x − y) over y and over x, shapes (B, n, d) and (B, m, d), overwriting the plan.

    Below p = 2 the force grows without bound as two points come near, and with it the rounding of x Σ force − force y:
    there the differences themselves are summed.
    """
    if p >= 2:
        return _pulls_by_product(x, y, plan if p == 2 else plan.mul_(_force(cost, p)))
    k, i, j = _near(x, y, cost, p)
    if len(k) > MANY * cost.numel():
        return _pulls_by_coordinate(x, y, plan.mul_(_force(cost, p).masked_fill_(cost == 0, 0.0)))
    some = cost[k, i, j]
    force = plan[k, i, j] * _force(some, p).masked_fill_(some == 0, 0.0)
    pulls = 2 * force[:, None] * (x[k, i] - y[k, j])
    rest = plan.mul_(_force(cost, p))
    rest[k, i, j] = 0.0
    in_x, in_y = _pulls_by_product(x, y, rest)
    return in_x.index_put_((k, i), pulls, accumulate=True), in_y.index_put_((k, j), -pulls, accumulate=True)


def _near(x: Tensor, y: Tensor, cost: Tensor, p: float) -> tuple[Tensor, ...]:
    """Indices (problem, x, y) of the pairs that are nearer than a share of their coordinates."""
    squares = [side.square().sum(2) for side in (x, y)]
    most = (NEAR * (squares[0].amax(1) + squares[1].amax(1))) ** (p / 2)
    close = cost[:0] if bool((cost.amin((1, 2)) > most).all()) else cost <= most[:, None, None]
    k, i, j = close.nonzero(as_tuple=True)
    near = cost[k, i, j] <= (NEAR * (squares[0][k, i] + squares[1][k, j])) ** (p / 2)
    return k[near], i[near], j[near]


def _pulls_by_product(x: Tensor, y: Tensor, force: Tensor) -> tuple[Tensor, Tensor]:
    in_x = 2 * (x * force.sum(2, keepdim=True) - force @ y)
    return in_x, 2 * (y * force.sum(1)[..., None] - force.mT @ x)


def _pulls_by_coordinate(x: Tensor, y: Tensor, force: Tensor) -> tuple[Tensor, Tensor]:
    in_x, in_y = torch.empty_like(x), torch.empty_like(y)
    for k in range(x.shape[2]):
        pull = (x[..., :, None, k] - y[..., None, :, k]).mul_(force).mul_(2)
        in_x[..., k], in_y[..., k] = pull.sum(2), -pull.sum(1)
    return in_x, in_y


def _force(cost: Tensor, p: float) -> Tensor:
    """Half the derivative of C = r^p by r², (p/2) r^(p−2): infinite at r = 0 below p = 2."""
    return (cost.reciprocal() if p == 1 else cost.pow((p - 2) / p)).mul_(p / 2)
