"""Regularized transport between mini-batches by its dual potentials: the pieces that the smoothed GAN is built of.

For batches x (n samples) and y (m samples) of equal weights and costs c_ij, a plan is held as its density
ρ = π / (p⊗q), so that ⟨π, c⟩ is the mean of ρ c over all pairs. The value is

    h_λ = min over plans of ⟨π, c⟩ + λ I(π) = max over φ, ψ of E φ + E ψ − E_{p⊗q} I*(φ ⊕ ψ − c).

Sources: Cuturi 2013 and Genevay et al. 2016 for KL; Blondel et al. 2018 and Seguy et al. 2018 for the squared norm.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from otgan.costs import Euclidean
from otgan.gan.errors import OptionError
from otgan.solve import transport

__all__ = ["KL", "REGULARIZERS", "Regularizer", "SquaredNorm", "ground_cost", "round_density"]


def ground_cost(x: Tensor, y: Tensor, p: float) -> Tensor:
    """Costs ‖xᵢ − yⱼ‖₂^p of shape (n, m), differentiable also where points coincide (with the gradient 0)."""
    return Euclidean(p).smooth(x.flatten(1), y.flatten(1))


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
        return _mean_product(density, cost) + self.penalty(density)

    def gap(self, phi: Tensor, psi: Tensor, cost: Tensor) -> Tensor:
        """An upper bound of h_λ − dual: the value of the rounded plan minus the dual."""
        density = self.density(phi, psi, cost)
        return self.primal(round_density(density), cost) - self.value(phi, psi, density)

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


@dataclass(frozen=True)
class KL(Regularizer):
    """I = KL(π | p⊗q): I*(s) = λ (e^{s/λ} − 1), ρ = e^{s/λ}."""

    name: ClassVar[str] = "kl"

    def conjugate(self, density: Tensor) -> Tensor:
        """λ (ρ − 1)."""
        return self.strength * (density - 1)

    def slope(self, slack: Tensor) -> Tensor:
        """e^{s/λ}."""
        return (slack / self.strength).exp()

    def penalty(self, density: Tensor) -> Tensor:
        """λ E (ρ log ρ − ρ + 1), the generalized Kullback–Leibler divergence."""
        logarithm = density.clamp_min(torch.finfo(density.dtype).tiny).log()
        return self.strength * (_mean_product(density, logarithm) - density.mean() + 1)

    def half_step(self, phi: Tensor, cost: Tensor) -> Tensor:
        """ψ_j = −λ log E_i e^{(φ_i − c_ij)/λ}."""
        scaled = (phi[:, None] - cost) / self.strength
        return self.strength * (math.log(len(phi)) - scaled.logsumexp(0))

    def solve(self, x: Tensor, y: Tensor, p: float, tol: float) -> tuple[Tensor, Tensor]:
        """Sinkhorn's potentials, by :func:`otgan.transport`."""
        solved = transport(x, y, p=p, epsilon=self.strength, tol=tol)
        return solved.f, solved.g


@dataclass(frozen=True)
class SquaredNorm(Regularizer):
    """I = E ρ²: I*(s) = s₊² / 4λ, ρ = s₊ / 2λ, which is sparse."""

    name: ClassVar[str] = "l2"

    def conjugate(self, density: Tensor) -> Tensor:
        """λ ρ²."""
        return self.strength * density.square()

    def slope(self, slack: Tensor) -> Tensor:
        """s₊ / 2λ."""
        return slack.clamp_min(0) / (2 * self.strength)

    def penalty(self, density: Tensor) -> Tensor:
        """λ E ρ²."""
        return self.strength * _mean_product(density, density)

    @torch.no_grad()
    def half_step(self, phi: Tensor, cost: Tensor) -> Tensor:
        """The root ψ_j of E_i (φ_i − c_ij + ψ_j)₊ = 2λ, a constant to gradients: at the best ψ the dual's is 0 in it.

        Newton's method on a convex, increasing, piecewise linear function: from the right of the root it comes
        down to it in finitely many steps, each of which makes the support smaller.
        """
        slack = phi[:, None] - cost
        psi = 2 * self.strength - slack.mean(0)
        rounding = 4 * torch.finfo(psi.dtype).eps * float(slack.abs().max() + self.strength)
        for _ in range(len(phi)):
            above = slack + psi
            excess = above.clamp_min(0).mean(0) - 2 * self.strength
            step = excess / (above > 0).to(above.dtype).mean(0).clamp_min(1 / len(phi))
            psi = psi - step
            if float(step.max()) <= rounding:
                break
        return psi

    def solve(self, x: Tensor, y: Tensor, p: float, tol: float) -> tuple[Tensor, Tensor]:
        """Optimal potentials by a semismooth Newton method: the dual is piecewise quadratic."""
        cost = ground_cost(x.double(), y.double(), p)
        n, m = cost.shape
        phi = torch.zeros(n, dtype=cost.dtype, device=cost.device)
        psi = self.half_step(phi, cost)
        phi = self.half_step(psi, cost.mT)
        value = self.dual(phi, psi, cost)
        damping = 1e-2
        for _ in range(200):
            density = self.density(phi, psi, cost)
            rows, columns = density.mean(1) - 1, density.mean(0) - 1
            if float(rows.abs().mean() + columns.abs().mean()) <= tol:
                break
            support = (density > 0).to(cost.dtype)
            matrix = torch.cat(
                [
                    torch.cat([support.sum(1).diag(), support], 1),
                    torch.cat([support.mT, support.sum(0).diag()], 1),
                ]
            )
            residual = -2 * self.strength * torch.cat([m * rows, n * columns])
            while True:
                matrix_damped = matrix + damping * torch.eye(n + m, dtype=cost.dtype, device=cost.device)
                step = torch.cholesky_solve(residual[:, None], torch.linalg.cholesky(matrix_damped))[:, 0]
                new = self.dual(phi + step[:n], psi + step[n:], cost)
                if float(new - value) >= -1e-14 * float(value.abs()) or damping > 1e6:
                    break
                damping *= 8
            phi, psi, value = phi + step[:n], psi + step[n:], new
            damping = max(damping / 8, 1e-9)
        return phi.to(x.dtype), psi.to(x.dtype)


REGULARIZERS: dict[str, type[Regularizer]] = {kind.name: kind for kind in (KL, SquaredNorm)}


def _mean_product(x: Tensor, y: Tensor) -> Tensor:
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
