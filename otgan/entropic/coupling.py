"""Entropic problems, solved, as a coupling: everything but the potentials is computed when asked for."""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.coupling import Coupling, center
from otgan.entropic.gradient import second_order_gradients
from otgan.entropic.solver import Solution
from otgan.geometry.base import Geometry

__all__ = ["EntropicCoupling"]


_ULPS = 8 * torch.finfo(torch.float64).eps
"""Relative rounding of a sum, by which certified bounds are moved outward."""

_RAISES = 10
"""Sinkhorn steps that potentials borrowed from another problem may need to satisfy the tolerance."""


class EntropicCoupling(Coupling):
    """The plan P = a b exp((f + g − C)/ε) of a geometry and potentials."""

    def __init__(
        self,
        geometry: Geometry,
        a: Tensor,
        b: Tensor,
        epsilon: Tensor,
        rho: Tensor | None,
        solution: Solution,
    ) -> None:
        self.geometry, self.a, self.b, self.epsilon, self.rho = geometry, a, b, epsilon, rho
        self.balanced, self.backend = rho is None, geometry.name
        self.error, self.iterations = solution.error, solution.iterations
        if rho is None:
            self.f, self.g = center(solution.f, solution.g, a, b)
            self.value = (a * self.f).sum(1) + (b * self.g).sum(1) - epsilon * (solution.total - 1)
        else:
            self.f, self.g = solution.f, solution.g
            gains = [(w * torch.expm1(-h / rho[:, None])).sum(1) for w, h in ((a, self.f), (b, self.g))]
            self.value = -rho * (gains[0] + gains[1]) - epsilon * (solution.total - a.sum(1) * b.sum(1))

    def raised(self, g: Tensor, tol: float) -> EntropicCoupling:
        """Return the coupling with potentials grown from g in the problems where their dual value is higher.

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
        higher = ((a * f).sum(1) + (b * g).sum(1) > self.value)[:, None]
        f, g = torch.where(higher, f, self.f), torch.where(higher, g, self.g)
        row_sums, column_sums = self.geometry.marginals(self.epsilon, f, g, a, b)
        error = (row_sums - a).abs().sum(1) + (column_sums - b).abs().sum(1)
        solution = Solution(f, g, column_sums.sum(1), error, self.iterations + 1)
        return EntropicCoupling(self.geometry, a, b, self.epsilon, None, solution)

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
        """Mean of the points y that each point x is sent to, defined at zero weights too."""
        epsilon, f, g, a, b = self._state()
        ones = torch.ones_like(a)
        sums = self.geometry.apply(epsilon, f, g, ones, b, self.geometry.y.double(), 1)
        return sums / self.geometry.apply(epsilon, f, g, ones, b, torch.ones_like(b)[..., None], 1)

    def pull(self) -> tuple[Tensor, Tensor]:
        """Gradients of the value in x and y."""
        return self.geometry.pull(*self._state())

    def weight_gradients(self) -> tuple[Tensor, Tensor]:
        """Gradients of the value in a and b."""
        if self.rho is None:
            return self.f, self.g
        assert self.epsilon is not None
        kept = [torch.exp(-h / self.rho[:, None]) for h in (self.f, self.g)]
        totals = [w.sum(1, keepdim=True) for w in (self.b, self.a)]
        rho, epsilon = self.rho[:, None], self.epsilon[:, None]
        sides = [rho * (1 - k) - epsilon * (k - total) for k, total in zip(kept, totals, strict=True)]
        return sides[0], sides[1]

    def differentiable_gradients(self, x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        """Gradients of the value that can be differentiated again, by an implicit solve."""
        if not self.balanced:
            return super().differentiable_gradients(x, y, a, b)
        return second_order_gradients(self, x, y, a, b)

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Certified bounds of the exact cost min ⟨P, C⟩.

        Below: the dual value of g made feasible by two c-transforms. Above: the cost of the plan rounded to the
        marginals, row by row and column by column, the rest added as a product (Altschuler, Weed & Rigollet 2017).
        """
        epsilon, f, g, a, b = self._state()
        # Points of weight 0, which include the padding of ragged batches, must not lower the bound.
        lower_f = self.geometry.c_transform(g.masked_fill(b == 0, -torch.inf), 1)
        lower_g = self.geometry.c_transform(lower_f.masked_fill(a == 0, -torch.inf), 0)
        lower = (a * lower_f).sum(1) + (b * lower_g).sum(1)

        row_sums, _ = self.geometry.marginals(epsilon, f, g, a, b)
        a_down = a * _shrink(a, row_sums)
        _, column_sums = self.geometry.marginals(epsilon, f, g, a_down, b)
        b_down = b * _shrink(b, column_sums)
        row_sums, column_sums = self.geometry.marginals(epsilon, f, g, a_down, b_down)
        rest_a, rest_b = (a - row_sums).clamp_min(0), (b - column_sums).clamp_min(0)
        total = rest_a.sum(1).clamp_min(torch.finfo(torch.float64).tiny)
        upper = self.geometry.linear_cost(epsilon, f, g, a_down, b_down)
        upper = upper + self.geometry.outer_cost(rest_a / total[:, None], rest_b)
        # Rounded outward: sums of terms of this size lose some units in the last place.
        rounding = _ULPS * ((a * lower_f.abs()).sum(1) + (b * lower_g.abs()).sum(1) + upper)
        return torch.minimum(lower, upper) - rounding, upper + rounding


def _shrink(wanted: Tensor, present: Tensor) -> Tensor:
    return torch.where(present > wanted, wanted / present, 1.0)
