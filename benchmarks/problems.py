"""The transport problems that are measured, and the one measure of error that holds for every contender."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from otgan.costs.squares import cost_matrix

__all__ = ["Problem", "gaussians", "marginal_error", "mnist", "plan_of"]


@dataclass(frozen=True)
class Problem:
    """Uniform weights on x and y, the cost ‖x − y‖², and ε: float64, one problem or a batch of them.

    Attributes
    ----------
    x, y : Tensor, shapes (n, d) and (m, d), or (B, n, d) and (B, m, d)
    relative : float
        ε as a share of the mean cost of each problem.
    """

    x: Tensor
    y: Tensor
    relative: float

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of points, (n, m)."""
        return self.x.shape[-2], self.y.shape[-2]

    @property
    def batched(self) -> bool:
        """Whether it is a batch: its points have a leading dimension."""
        return self.x[0].ndim > 1

    @cached_property
    def cost(self) -> Tensor:
        """C of shape (n, m) or (B, n, m), computed once."""
        return self.computed_cost()

    def computed_cost(self) -> Tensor:
        """C, computed anew."""
        if self.batched:
            return cost_matrix(self.x, self.y, 2.0)
        return cost_matrix(self.x[None], self.y[None], 2.0)[0]

    @cached_property
    def epsilon(self) -> Tensor:
        """ε in units of the cost, shape () or (B,)."""
        return self.relative * self.cost.mean((-2, -1))

    @cached_property
    def a(self) -> Tensor:
        """Weights of x, shape (n,) or (B, n)."""
        return torch.full_like(self.x[..., 0], 1 / self.x.shape[-2])

    @cached_property
    def b(self) -> Tensor:
        """Weights of y, shape (m,) or (B, m)."""
        return torch.full_like(self.y[..., 0], 1 / self.y.shape[-2])

    def at(self, relative: float) -> Problem:
        """Return the same points, with the costs already computed, at another ε."""
        other = Problem(self.x, self.y, relative)
        other.__dict__["cost"] = self.cost
        return other


def plan_of(problem: Problem, f: Tensor, g: Tensor) -> Tensor:
    """The plan a b exp((f + g − C)/ε) of potentials."""
    epsilon = problem.epsilon[..., None, None]
    exponent = (f[..., :, None] + g[..., None, :] - problem.cost) / epsilon
    return exponent.exp_().mul_(problem.a[..., :, None]).mul_(problem.b[..., None, :])


def marginal_error(problem: Problem, plan: Tensor) -> float:
    """L1 error of both marginals, ‖P1 − a‖₁ + ‖Pᵀ1 − b‖₁, in float64; of a batch the largest."""
    plan = plan.double()
    rows = (plan.sum(-1) - problem.a).abs().sum(-1)
    columns = (plan.sum(-2) - problem.b).abs().sum(-1)
    return float((rows + columns).max())


def gaussians(n: int, d: int, relative: float, *, batch: int | None = None, device: str = "cpu") -> Problem:
    """x ~ N(0, I) and y ~ N(½, 1.3² I), n points each, always the same."""
    rng = np.random.default_rng(7)
    shape = (n, d) if batch is None else (batch, n, d)
    x, y = rng.standard_normal(shape), 0.5 + 1.3 * rng.standard_normal(shape)
    return Problem(torch.from_numpy(x).to(device), torch.from_numpy(y).to(device), relative)


def mnist(n: int, relative: float, *, device: str = "cpu") -> Problem | None:
    """Two disjoint draws of n MNIST images, as pixels; None where no copy is at hand (``OTGAN_DATA``)."""
    import otgan.data

    try:
        pixels = torch.from_numpy(otgan.data.load("mnist", n=2 * n, data_dir=os.environ.get("OTGAN_DATA")))
    except otgan.data.DataError:
        return None
    pixels = pixels.to(device)
    return Problem(pixels[:n].contiguous(), pixels[n:].contiguous(), relative)
