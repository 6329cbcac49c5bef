"""Entropic problems, solved, as a coupling: everything but the potentials is computed when asked for."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from otgan.coupling import Solved, center
from otgan.entropic.gradient import second_order_gradients
from otgan.entropic.legible import legible
from otgan.entropic.solver import Solution
from otgan.exact.coupling import solve_exact
from otgan.exact.simplex import SimplexError
from otgan.geometry import make_geometry
from otgan.geometry.base import Geometry
from otgan.pair import Pair
from otgan.rounding import UNIT, sum_error, weight_error

__all__ = ["EntropicCoupling"]


_BLURRED = 1e-9
"""Share of a bound that rounding may be; beyond it a small problem is solved exactly."""

_SOLVABLE = 2**20
"""Costs up to which it is."""

_RAISES = 10
"""Sinkhorn steps that potentials borrowed from another problem may need to satisfy the tolerance."""


class EntropicCoupling(Solved):
    """The plan P = a b exp((f + g − C)/ε) of a geometry and potentials."""

    def __init__(
        self,
        geometry: Geometry,
        a: Tensor,
        b: Tensor,
        epsilon: Tensor,
        rho: Tensor | None,
        solution: Solution,
        pair: Pair,
    ) -> None:
        self.pair = pair
        self.geometry, self.a, self.b, self.epsilon, self.rho = geometry, a, b, epsilon, rho
        self.balanced, self.backend, self.p = rho is None, geometry.name, geometry.rule.p
        self.excess, self.error, self.iterations = solution.excess, solution.error, solution.iterations
        f, g = center(solution.f, solution.g, a, b) if rho is None else (solution.f, solution.g)
        self.f, self.g, self.lost = legible(geometry, a, b, epsilon, f, g, balanced=rho is None)
        unknown = self.lost | ~torch.isfinite(self.excess + self.error)
        if bool(unknown.any()):
            self._measure(unknown)
        if rho is None:
            self.value = (a * self.f).sum(1) + (b * self.g).sum(1) - epsilon * self.excess
        else:
            gains = [(w * torch.expm1(-h / rho[:, None])).sum(1) for w, h in ((a, self.f), (b, self.g))]
            self.value = -rho * (gains[0] + gains[1]) - epsilon * self.excess

    def _measure(self, which: Tensor) -> None:
        """Compute the mass and the error anew where they are not those of these potentials."""
        epsilon, f, g, a, b = self._state()
        row_sums, column_sums = self.geometry.marginals(epsilon, f, g, a, b)
        excess = row_sums.sum(1) - a.sum(1) * b.sum(1)
        error = (row_sums - a).abs().sum(1) + (column_sums - b).abs().sum(1)
        if self.rho is not None:
            scale, rho = epsilon[:, None], self.rho[:, None]
            there = (
                self.geometry.softmin(epsilon, h + scale * w.log(), k) for h, w, k in ((g, b, 1), (f, a, 0))
            )
            moved = [
                (rho / (rho + scale) * new - old).abs().masked_fill(w == 0, 0.0).amax(1)
                for new, old, w in zip(there, (f, g), (a, b), strict=True)
            ]
            error = torch.maximum(*moved) / epsilon
        self.excess = torch.where(which, excess, self.excess)
        self.error = torch.where(which, error, self.error)

    def raised(self, g: Tensor, tol: float, where: Tensor) -> EntropicCoupling:
        """Return the coupling with potentials grown from g in those problems `where` their dual value is higher.

        Sinkhorn steps, which only raise the dual value, bring the marginal error of g to `tol`.
        """
        assert self.epsilon is not None
        scale, a, b = self.epsilon[:, None], self.a, self.b
        for _ in range(_RAISES):
            f = self.geometry.softmin(self.epsilon, g + scale * b.log(), 1)
            row_sums, column_sums = self.geometry.marginals(self.epsilon, f, g, a, b)
            error = (row_sums - a).abs().sum(1) + (column_sums - b).abs().sum(1)
            if bool((error <= tol).all()):
                break
            g = self.geometry.softmin(self.epsilon, f + scale * a.log(), 0)
        higher = (where & ((a * f).sum(1) + (b * g).sum(1) > self.value))[:, None]
        f, g = torch.where(higher, f, self.f), torch.where(higher, g, self.g)
        row_sums, column_sums = self.geometry.marginals(self.epsilon, f, g, a, b)
        error = (row_sums - a).abs().sum(1) + (column_sums - b).abs().sum(1)
        excess = torch.where(higher[:, 0], (column_sums - b).sum(1), self.excess)
        error = torch.where(higher[:, 0], error, self.error)
        solution = Solution(f, g, excess, error, self.iterations + 1)
        return EntropicCoupling(self.geometry, a, b, self.epsilon, None, solution, self.pair)

    def _state(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        assert self.epsilon is not None
        return self.epsilon, self.f, self.g, self.a, self.b

    def linear_cost(self) -> Tensor:
        """⟨P, C⟩, shape (B,)."""
        return self.geometry.linear_cost(*self._state())

    def plan(self) -> Tensor:
        """P of shape (B, n, m)."""
        return self.geometry.plan(*self._state())

    def apply(self, v: Tensor, axis: int) -> Tensor:
        """P v for axis 1, Pᵀ v for axis 0, without P."""
        return self.geometry.apply(*self._state(), v, axis)

    def barycenters(self) -> Tensor:
        """Mean of the points y that each point x is sent to."""
        epsilon, f, g, a, b = self._state()
        ones = torch.ones_like(a)
        sums = self.geometry.apply(epsilon, f, g, ones, b, self.geometry.y.double(), 1)
        return sums / self.geometry.apply(epsilon, f, g, ones, b, torch.ones_like(b)[..., None], 1)

    def extended(
        self, points: Tensor, others: Tensor, potential: Tensor, weights: Tensor, *, of_x: bool
    ) -> Tensor:
        """The soft minimum of C − h over the other side, damped where marginals are penalties."""
        assert self.epsilon is not None
        sides = (points, others) if of_x else (others, points)
        between = make_geometry("streamed", *sides, self.geometry.rule, direct=True)
        h = potential + self.epsilon[:, None] * weights.log()
        found = between.softmin(self.epsilon, h, 1 if of_x else 0)
        return found if self.rho is None else found * (self.rho / (self.rho + self.epsilon))[:, None]

    @cached_property
    def rounding(self) -> Tensor:  # type: ignore[override]
        """By how much the rounding of costs and potentials may change the marginal error, shape (B,).

        An entry of the plan has its exponent from fᵢ, gⱼ and Cᵢⱼ, whose errors belong to either point: costs where mass
        goes are as large as the potentials. By convexity the errors of both marginals sum to what is returned: NaN where the
        plan was lost to rounding.
        """
        epsilon, f, g, a, b = self._state()
        error = self.geometry.cost_error
        total = torch.zeros_like(epsilon)
        for values, weights, absolute in ((f, a, error.x), (g, b, error.y)):
            exponent = ((4 * UNIT + error.relative) * values.abs() + absolute) / epsilon[:, None]
            total = total + (weights * torch.expm1(2 * exponent)).masked_fill(weights == 0, 0.0).sum(1)
        return total.masked_fill(self.lost, torch.nan)

    def pull(self) -> tuple[Tensor, Tensor]:
        """Gradients of the value in x and y."""
        return self.geometry.pull(*self._state())

    def slope(self, potential: Tensor, of_x: bool) -> Tensor:
        """Gradient of the value in the weights of points that have a potential."""
        if self.rho is None:
            return potential
        assert self.epsilon is not None
        rho, epsilon = self.rho[:, None], self.epsilon[:, None]
        other = (self.b if of_x else self.a).sum(1, keepdim=True)
        # ρ (1 − k) − ε (k − mass of the other side) with k = e^(−h/ρ), the share of its mass that a point sends.
        sent = -potential / rho
        return -rho * torch.expm1(sent) - epsilon * other * torch.expm1(sent - other.log())

    def differentiable_gradients(self, x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        """Gradients of the value that can be differentiated again, by an implicit solve."""
        if not self.balanced:
            return super().differentiable_gradients(x, y, a, b)
        return second_order_gradients(self, x, y, a, b)

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Certified bounds of the exact cost min ⟨P, C⟩.

        Below: the dual value of g made feasible by two c-transforms. Above: the cost of the plan rounded to the
        marginals, row by row and column by column, the rest added as a product (Altschuler, Weed & Rigollet 2017).
        Both are moved outward by what rounding may have changed; where that is much, the exact problem is solved.
        """
        epsilon, f, g, a, b = self._state()
        a, b = (
            a / a.sum(1, keepdim=True),
            b / b.sum(1, keepdim=True),
        )  # penalized marginals have totals of their own
        geometry, error = self.geometry, self.geometry.cost_error
        # Points of weight 0, which include the padding of ragged batches, must not lower the bound.
        lower_f = geometry.c_transform(g.masked_fill(b == 0, -torch.inf), 1)
        lower_g = geometry.c_transform(lower_f.masked_fill(a == 0, -torch.inf), 0)
        dual = (a * lower_f).sum(1) + (b * lower_g).sum(1)
        size = (a * lower_f.abs()).sum(1) + (b * lower_g.abs()).sum(1)
        longest = max(a.shape[1], b.shape[1])
        noise = 4 * UNIT + weight_error(longest) + sum_error(longest, sequential=longest + a.shape[1])
        absolute = error.mean(a, b)
        below = error.relative * dual.abs() + absolute + noise * size

        # Factors, not smaller weights: beside large exponents the logarithm of a weight would be rounded away.
        row_sums, _ = Geometry.marginals(geometry, epsilon, f, g, a, b)
        shrunk_x = _shrink(a, row_sums)
        column_sums = geometry.apply(epsilon, f, g, a, b, shrunk_x[..., None], 0)[..., 0]
        shrunk_y = _shrink(b, column_sums)
        row_sums = shrunk_x * geometry.apply(epsilon, f, g, a, b, shrunk_y[..., None], 1)[..., 0]
        rest_a, rest_b = (a - row_sums).clamp_min(0), (b - shrunk_y * column_sums).clamp_min(0)
        total = torch.maximum(rest_a.sum(1), rest_b.sum(1)).clamp_min(torch.finfo(torch.float64).tiny)
        upper = geometry.linear_cost(epsilon, f, g, a, b, (shrunk_x, shrunk_y))
        upper = upper + geometry.outer_cost(rest_a / total[:, None], rest_b)
        # Sums of the plan are off by `noise` of every point's mass, which moves to anywhere.
        most = geometry.majorant
        spread = 2 * ((a * most[0]).sum(1) + (b * most[1]).sum(1))
        # Rests whose totals differ, by what rounding hid on one side, leave mass that the product does not move.
        unmoved = [1 - rest.sum(1) / total for rest in (rest_b, rest_a)]
        for share, rest, part in zip(unmoved, (rest_a, rest_b), most, strict=True):
            upper = upper + share * (rest * part).sum(1)
        above = (error.relative + noise) * upper + absolute + 4 * noise * spread
        lower, upper = (torch.minimum(dual, upper) - below).clamp_min(0), upper + above  # no cost is negative
        return self._sharpened(lower, upper, below + above)

    def _sharpened(self, lower: Tensor, upper: Tensor, rounding: Tensor) -> tuple[Tensor, Tensor]:
        """Solve exactly those problems whose interval is mostly rounding, where they are small enough."""
        n, m = self.geometry.shape[1:]
        blurred = ((rounding > _BLURRED * upper) | ~torch.isfinite(lower + upper)).nonzero()[:, 0]
        if not len(blurred) or len(blurred) * n * m > _SOLVABLE:
            return lower, upper
        try:
            some = Pair(self.pair.x.take(blurred), self.pair.y.take(blurred))
            exact = solve_exact(some, self.geometry.rule).bounds()
        except (SimplexError, MemoryError):
            return lower, upper
        lower, upper = lower.clone(), upper.clone()
        # A bound that is not finite proves nothing, and fmax passes over what is no number.
        lower[blurred] = torch.fmax(lower[blurred], exact[0])
        upper[blurred] = torch.fmin(upper[blurred], exact[1])
        return lower, upper


def _shrink(wanted: Tensor, present: Tensor) -> Tensor:
    return torch.where(present > wanted, wanted / present, 1.0)
