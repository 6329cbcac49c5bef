"""Regularized transport between mini-batches by its dual potentials: the pieces that the smoothed GAN is built of.

For batches x (n samples) and y (m samples) of equal weights and costs c_ij, a plan is held as its density
ρ = π / (p⊗q), so that ⟨π, c⟩ is the mean of ρ c over all pairs. The value is

    h_λ = min over plans of ⟨π, c⟩ + λ I(π) = max over φ, ψ of E φ + E ψ − E_{p⊗q} I*(φ ⊕ ψ − c).

Sources: Cuturi 2013 and Genevay et al. 2016 for KL; Blondel et al. 2018 and Seguy et al. 2018 for the squared norm.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from otgan.gan.errors import OptionError
from otgan.gan.losses.ground_cost import ground_cost

__all__ = ["Regularizer", "mean_product", "round_density"]


@dataclass(frozen=True)
class Regularizer(ABC):
    """A way to smooth transport, and its strength λ in units of the cost."""

    strength: float
    name: ClassVar[str]

    def __post_init__(self) -> None:
        if not self.strength > 0:
            raise OptionError(
                f"the strength of the regularizer must be a positive number, got {self.strength}"
            )

    def dual(self, phi: Tensor, psi: Tensor, cost: Tensor) -> Tensor:
        """E φ + E ψ − E I*(φ ⊕ ψ − c): a lower bound of h_λ, concave in (φ, ψ), whose derivative in c is ρ / nm."""
        return self.value(phi, psi, self.density(phi, psi, cost))

    def value(self, phi: Tensor, psi: Tensor, density: Tensor) -> Tensor:
        """Return :meth:`dual` from the density of these potentials."""
        return phi.mean() + psi.mean() - self.conjugate(density).mean()

    def density(self, phi: Tensor, psi: Tensor, cost: Tensor) -> Tensor:
        """Return ρ = (I*)′(φ ⊕ ψ − c), shape (n, m): that of the optimal plan at the optimal potentials."""
        return self.slope(phi[:, None] + psi - cost)

    def primal(self, density: Tensor, cost: Tensor) -> Tensor:
        """⟨π, c⟩ + λ I(π): an upper bound of h_λ for every ρ with the right marginals."""
        return mean_product(density, cost) + self.penalty(density)

    def gap(self, phi: Tensor, psi: Tensor, cost: Tensor) -> Tensor:
        """An upper bound of h_λ − dual: the value of the rounded plan minus the dual."""
        density = self.density(phi, psi, cost)
        return self.primal(round_density(density), cost) - self.value(phi, psi, density)

    def transport(self, x: Tensor, y: Tensor, p: float, tol: float) -> tuple[Tensor, Tensor]:
        """Return ⟨π*, c⟩ between two batches, whose gradient is that of h_λ as the plan is a constant to it (Danskin), and h_λ."""
        cost = ground_cost(x, y, p)
        with torch.no_grad():
            phi, psi = self.solve(x, y, p, tol)
            density = self.density(phi, psi, cost)
            value = self.value(phi, psi, density)
        return (density * cost).mean(), value

    @abstractmethod
    def plan_error(self, gap: float, mass: float = 1.0) -> float:
        """Bound ‖π* − π̃‖₁ of the plan of potentials that lack a gap, π̃ having that mass."""

    @abstractmethod
    def ascent(self, marginal: Tensor, share: float) -> Tensor:
        """Return what a potential gains whose points have that marginal in a batch, 1 being right; all of it at share 1."""

    @abstractmethod
    def conjugate(self, density: Tensor) -> Tensor:
        """I* at each pair, where its derivative is ρ: ρ determines it, and is had already."""

    @abstractmethod
    def slope(self, slack: Tensor) -> Tensor:
        """The derivative of I*."""

    @abstractmethod
    def penalty(self, density: Tensor) -> Tensor:
        """λ I(π)."""

    @abstractmethod
    def half_step(self, phi: Tensor, cost: Tensor) -> Tensor:
        """The best ψ, shape (m,), for given φ: it makes the marginal of every y exact, E_i ρ_ij = 1."""

    @abstractmethod
    def solve(self, x: Tensor, y: Tensor, p: float, tol: float) -> tuple[Tensor, Tensor]:
        """Optimal potentials between two batches of shape (n, d), (m, d), to an L1 error `tol` of the marginals."""


def mean_product(x: Tensor, y: Tensor) -> Tensor:
    """E x y over all pairs, without a matrix for the products."""
    return torch.dot(x.flatten(), y.flatten()) / x.numel()


def round_density(density: Tensor) -> Tensor:
    """Give a plan's density the marginals 1 exactly: scale rows and columns down, add what is missing as a product.

    Source: Altschuler, Weed & Rigollet 2017, Algorithm 2.
    """
    density = density / density.mean(1, keepdim=True).clamp_min(1)
    density = density / density.mean(0).clamp_min(1)
    rows, columns = (1 - density.mean(1)).clamp_min(0), (1 - density.mean(0)).clamp_min(0)
    total = rows.mean().clamp_min(torch.finfo(density.dtype).tiny)
    return density + rows[:, None] * columns / total
