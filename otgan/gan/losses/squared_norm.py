"""Quadratically regularized transport: plans that are sparse, and potentials by a semismooth Newton method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from otgan.gan.losses.ground_cost import ground_cost
from otgan.gan.losses.regularizer import Regularizer, mean_product

__all__ = ["SquaredNorm"]


@dataclass(frozen=True)
class _Tuning:
    """The constants of the Newton method.

    Attributes
    ----------
    budget : int
        Newton steps, at most.
    damping : float
        What is added to the diagonal of the Hessian, which is singular along (1, −1), in the first step.
    raised, lowered : float
        What damping is multiplied by after a step that is refused, and divided by after one that is taken.
    least, most : float
        The damping below which it is not lowered, and above which no step is refused.
    rounding : float
        The share of the dual by which it may seem to fall for rounding alone.
    """

    budget: int = 200
    damping: float = 1e-2
    raised: float = 8
    lowered: float = 8
    least: float = 1e-9
    most: float = 1e6
    rounding: float = 1e-14


_TUNING = _Tuning()


class _Ascent(NamedTuple):
    """Potentials on the way up, and the dual at them."""

    phi: Tensor
    psi: Tensor
    value: Tensor


@dataclass(frozen=True)
class SquaredNorm(Regularizer):
    """I = E ρ²: I*(s) = s₊² / 4λ, ρ = s₊ / 2λ, which is sparse."""

    name: ClassVar[str] = "l2"

    def plan_error(self, gap: float, mass: float = 1.0) -> float:
        """√(gap / λ), of any mass: the dual is strongly concave in the density."""
        del mass
        return math.sqrt(gap / self.strength)

    def ascent(self, marginal: Tensor, share: float) -> Tensor:
        """2λ share (1 − m): a gradient step of the length at which the half-step would be done were all pairs in the plan."""
        return 2 * self.strength * share * (1 - marginal)

    def conjugate(self, density: Tensor) -> Tensor:
        """λ ρ²."""
        return self.strength * density.square()

    def slope(self, slack: Tensor) -> Tensor:
        """s₊ / 2λ."""
        return slack.clamp_min(0) / (2 * self.strength)

    def penalty(self, density: Tensor) -> Tensor:
        """λ E ρ²."""
        return self.strength * mean_product(density, density)

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
        """Optimal potentials by a damped semismooth Newton method: the dual is concave and piecewise quadratic.

        1. Start from half-steps in ψ and φ.
        2. At each iterate, stop where the marginals of the plan are right.
        3. Solve (H + μ 1) d = ∇, H being the Hessian of the piece that the iterate is on.
        4. Take the step d if the dual does not fall by it, and lower the damping μ; otherwise raise μ and solve again.

        It differs from the textbook in having no line search: the damping does its work.
        """
        cost = ground_cost(x.double(), y.double(), p)
        at, damping = self._start(cost), _TUNING.damping
        for _ in range(_TUNING.budget):
            density = self.density(at.phi, at.psi, cost)
            rows, columns = density.mean(1) - 1, density.mean(0) - 1
            if _converged(rows, columns, tol):
                break
            hessian, gradient = _hessian(density), self._gradient(rows, columns)
            while True:
                after = self._stepped(at, _newton_step(hessian, gradient, damping), cost)
                if _rising(at, after) or damping > _TUNING.most:
                    break
                damping *= _TUNING.raised
            at, damping = after, max(damping / _TUNING.lowered, _TUNING.least)
        return at.phi.to(x.dtype), at.psi.to(x.dtype)

    def _start(self, cost: Tensor) -> _Ascent:
        """Return what half-steps from φ = 0 make."""
        phi = torch.zeros(len(cost), dtype=cost.dtype, device=cost.device)
        psi = self.half_step(phi, cost)
        phi = self.half_step(psi, cost.mT)
        return _Ascent(phi, psi, self.dual(phi, psi, cost))

    def _gradient(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the gradient of the dual in (φ, ψ), times 2λ n m, from the errors of the marginals."""
        return -2 * self.strength * torch.cat([len(columns) * rows, len(rows) * columns])

    def _stepped(self, at: _Ascent, step: Tensor, cost: Tensor) -> _Ascent:
        """Return where a step leads."""
        n = len(at.phi)
        phi, psi = at.phi + step[:n], at.psi + step[n:]
        return _Ascent(phi, psi, self.dual(phi, psi, cost))


def _hessian(density: Tensor) -> Tensor:
    """Return minus the Hessian of the dual, times 2λ n m: the graph of the pairs that the plan joins, shape (n + m, n + m)."""
    support = (density > 0).to(density.dtype)
    return torch.cat(
        [
            torch.cat([support.sum(1).diag(), support], 1),
            torch.cat([support.mT, support.sum(0).diag()], 1),
        ]
    )


def _newton_step(hessian: Tensor, gradient: Tensor, damping: float) -> Tensor:
    """Solve (H + μ 1) d = ∇ by Cholesky's factors."""
    damped = hessian + damping * torch.eye(len(hessian), dtype=hessian.dtype, device=hessian.device)
    return torch.cholesky_solve(gradient[:, None], torch.linalg.cholesky(damped))[:, 0]


def _converged(rows: Tensor, columns: Tensor, tol: float) -> bool:
    """Whether the L1 error of both marginals is at most `tol`."""
    return float(rows.abs().mean() + columns.abs().mean()) <= tol


def _rising(at: _Ascent, after: _Ascent) -> bool:
    """Whether the dual does not fall, up to rounding."""
    return float(after.value - at.value) >= -_TUNING.rounding * float(at.value.abs())
