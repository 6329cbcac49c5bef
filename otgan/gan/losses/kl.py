"""Entropic transport: the Kullback–Leibler divergence as the regularizer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from otgan.gan.losses.regularizer import Regularizer, mean_product
from otgan.geometry.exponentials import exp
from otgan.solve import transport

__all__ = ["KL"]


@dataclass(frozen=True)
class KL(Regularizer):
    """I = KL(π | p⊗q): I*(s) = λ (e^{s/λ} − 1), ρ = e^{s/λ}."""

    name: ClassVar[str] = "kl"

    def plan_error(self, gap: float, mass: float = 1.0) -> float:
        """√((2 + 4 mass) gap / 3λ): the gap is λ KL(π* | π̃), and Pinsker's inequality for plans of any mass."""
        return math.sqrt((2 + 4 * mass) / 3 * gap / self.strength)

    def ascent(self, marginal: Tensor, share: float) -> Tensor:
        """−λ log(1 − share + share m): e^{−ψ/λ} becomes a mixture of itself and Sinkhorn's (Mensch & Peyré 2020).

        At share 1 it is the half-step; what a point on which nothing arrives gains is bounded at any other.
        """
        return -self.strength * torch.log1p(share * (marginal - 1))

    def conjugate(self, density: Tensor) -> Tensor:
        """λ (ρ − 1)."""
        return self.strength * (density - 1)

    def slope(self, slack: Tensor) -> Tensor:
        """e^{s/λ}."""
        return exp(slack / self.strength)

    def penalty(self, density: Tensor) -> Tensor:
        """λ E (ρ log ρ − ρ + 1), the generalized Kullback–Leibler divergence."""
        logarithm = density.clamp_min(torch.finfo(density.dtype).tiny).log()
        return self.strength * (mean_product(density, logarithm) - density.mean() + 1)

    def half_step(self, phi: Tensor, cost: Tensor) -> Tensor:
        """ψ_j = −λ log E_i e^{(φ_i − c_ij)/λ}."""
        scaled = (phi[:, None] - cost) / self.strength
        # torch's logsumexp is ten times slower where its exponentials underflow.
        largest = scaled.detach().amax(0)
        total = exp(scaled - largest).sum(0).log() + largest
        return self.strength * (math.log(len(phi)) - total)

    def solve(self, x: Tensor, y: Tensor, p: float, tol: float) -> tuple[Tensor, Tensor]:
        """Sinkhorn's potentials, by :func:`otgan.transport`."""
        solved = transport(x, y, p=p, epsilon=self.strength, tol=tol)
        return solved.f, solved.g
