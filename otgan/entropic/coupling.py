"""Entropic problems, solved, as a coupling: everything but the potentials is computed when asked for."""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.coupling import Coupling, center
from otgan.entropic.solver import Solution
from otgan.geometry.base import Geometry

__all__ = ["EntropicCoupling"]


class EntropicCoupling(Coupling):
    """The plan P = a b exp((f + g − C)/ε) of a geometry and potentials."""

    def __init__(self, geometry: Geometry, a: Tensor, b: Tensor, epsilon: Tensor, solution: Solution) -> None:
        self.geometry, self.a, self.b, self.epsilon = geometry, a, b, epsilon
        self.f, self.g = center(solution.f, solution.g, a, b)
        self.error, self.iterations = solution.error, solution.iterations
        self.backend = geometry.name
        self.value = (a * self.f).sum(1) + (b * self.g).sum(1) - epsilon * (solution.total - 1)

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
        return torch.minimum(lower, upper), upper


def _shrink(wanted: Tensor, present: Tensor) -> Tensor:
    return torch.where(present > wanted, wanted / present, 1.0)
