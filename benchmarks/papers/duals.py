"""Regularized transport in the small: problems whose exact answers are at hand, for identities and error bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import otgan
import otgan.data
from otgan.gan.losses.ground_cost import ground_cost
from otgan.gan.losses.regularizers import KL, Regularizer
from otgan.gan.networks import Space, critic, initialize
from otgan.gan.streams import seeded
from otgan.gan.systems.base import adam, descend

STRENGTH = 0.3
"""λ of the gradient errors and of the descents, in units of the squared distance; the data's second moment is 2."""

CPU = torch.device("cpu")


def clouds(seed: int, n: int = 24) -> tuple[Tensor, Tensor]:
    """Return two clouds of n points in the plane, near each other."""
    rng = np.random.default_rng(seed)
    return torch.tensor(rng.normal(size=(n, 2))), torch.tensor(0.7 * rng.normal(size=(n, 2)) + 0.4)


def identity_error(seed: int) -> float:
    """By how much the gap of perturbed duals differs from λ KL(π* | π̃)."""
    (x, y), rng, smoothing = clouds(seed), np.random.default_rng(seed), KL(0.2)
    cost = ground_cost(x, y, 2)
    best = smoothing.solve(x, y, 2, 1e-12)
    phi, psi = (potential + 0.1 * torch.tensor(rng.normal(size=24)) for potential in best)
    gap = smoothing.dual(*best, cost) - smoothing.dual(phi, psi, cost)
    p, q = smoothing.density(*best, cost), smoothing.density(phi, psi, cost)
    return abs(float(gap - 0.2 * (torch.xlogy(p, p / q) - p + q).mean()))


def danskin_error(smoothing: Regularizer, seed: int) -> float:
    """Relative error of the gradient under the optimal plan against finite differences of the value."""
    x, z = clouds(seed, 12)

    def value(theta: Tensor) -> float:
        y = theta * z
        return float(smoothing.dual(*smoothing.solve(x, y, 2, 1e-12), ground_cost(x, y, 2)))

    theta = torch.tensor([0.8, 1.3], dtype=torch.float64, requires_grad=True)
    y = theta * z
    cost = ground_cost(x, y, 2)
    plan = smoothing.density(*smoothing.solve(x, y.detach(), 2, 1e-12), cost).detach()
    (gradient,) = torch.autograd.grad((plan * cost).mean(), theta)
    shifts = 1e-5 * torch.eye(2, dtype=torch.float64)
    slopes = [(value(theta.detach() + s) - value(theta.detach() - s)) / 2e-5 for s in shifts]
    return float(((gradient - torch.tensor(slopes)) / gradient).abs().max())


def bias(kind: type[Regularizer], seed: int, strengths: Sequence[float], n: int = 20) -> list[float]:
    """Return h_λ − W for each λ, W the value of the linear program between two clouds of n points."""
    x, y = clouds(seed, n)
    cost = ground_cost(x, y, 2)
    exact = float(otgan.transport(x, y, p=2).value)
    return [float(kind(lam).dual(*kind(lam).solve(x, y, 2, 1e-8), cost)) - exact for lam in strengths]


def bias_bounds(kind: type[Regularizer], strength: float, n: int = 20) -> tuple[float, float]:
    """Return what h_λ − W lies between, for n points of equal weight on both sides."""
    return (0.0, strength * math.log(n)) if kind is KL else (strength, strength * n)


@dataclass(frozen=True)
class LastLayer:
    """A generator y = uᵀθ whose hidden layer u is random and stays, against 8 Gaussians, with c = ‖x − y‖².

    All that the theorems speak of is at hand here: L₀, and the curvature L = 2 λ_max(E u uᵀ) of ⟨π, c(θ)⟩. As h is a
    minimum of such functions over plans, h(θ + δ) ≤ h(θ) + ∇h·δ + L ‖δ‖² / 2 for every λ.

    Attributes
    ----------
    x : Tensor, shape (n, 2)
    units : Tensor, shape (n, k)
        The hidden layer at n fixed draws of the noise.
    start : Tensor, shape (k, 2)
        The first θ.
    """

    x: Tensor
    units: Tensor
    start: Tensor

    @classmethod
    def draw(cls, seed: int, n: int = 64, k: int = 33) -> LastLayer:
        """Make one with k − 1 rectified units and a constant."""
        rng = np.random.default_rng(seed)
        hidden = rng.normal(size=(n, 2)) @ rng.normal(size=(2, k - 1)) + rng.normal(size=k - 1)
        units = np.column_stack([np.ones(n), hidden.clip(0)]) / math.sqrt(k)
        x = otgan.data.load("8gaussians", n, seed)
        return cls(torch.tensor(x), torch.tensor(units), torch.tensor(rng.normal(size=(k, 2))))

    def gradient(self, density: Tensor, y: Tensor) -> Tensor:
        """∇_θ ⟨π, c⟩ for a plan of density ρ, shape (k, 2)."""
        pulled = y * density.mean(0)[:, None] - density.mT @ self.x / len(self.x)
        return 2 * self.units.mT @ pulled / len(y)

    def steepest(self, y: Tensor) -> float:
        """L₀: the largest ‖∇_θ c(x_i, G(z_j))‖ over all pairs."""
        return float((2 * torch.cdist(self.x, y) * self.units.norm(dim=1)).max())

    def curvature(self) -> float:
        """L."""
        return 2 * float(torch.linalg.eigvalsh(self.units.mT @ self.units / len(self.units))[-1])


@dataclass(frozen=True)
class Approximation:
    """The generator's gradient under duals that were ascended for so many `steps`."""

    steps: int
    error: float
    bound: float
    gap: float


def gradient_errors(kind: type[Regularizer], seed: int, counts: Sequence[int]) -> list[Approximation]:
    """Train dual networks for more and more steps; after a half-step, compare the gradient with that of exact duals.

    The bound is L₀ √(2 gap / λ) for KL and L₀ √(gap / λ) for the squared norm.
    """
    problem, smoothing = LastLayer.draw(seed), kind(STRENGTH)
    x, y = problem.x, problem.units @ problem.start
    cost = ground_cost(x, y, 2)
    best = smoothing.solve(x, y, 2, 1e-10)
    value = smoothing.dual(*best, cost)
    exact = problem.gradient(smoothing.density(*best, cost), y)
    nets = [
        initialize(critic(Space((2,)), "mlp", width=64, depth=2), seeded(CPU, seed, k), CPU).double()
        for k in (0, 1)
    ]
    optimizer = adam(nets, 1e-3, (0.5, 0.9))
    found, done = [], 0
    for count in counts:
        for _ in range(count - done):
            descend(optimizer, -smoothing.dual(nets[0](x), nets[1](y), cost))
        done = count
        with torch.no_grad():
            phi = nets[0](x)
            psi = smoothing.half_step(phi, cost)
            gap = float(value - smoothing.dual(phi, psi, cost))
            error = float((problem.gradient(smoothing.density(phi, psi, cost), y) - exact).norm())
        bound = problem.steepest(y) * math.sqrt((2 if kind is KL else 1) * gap / STRENGTH)
        found.append(Approximation(count, error, bound, gap))
    return found


def log_slope(found: Sequence[Approximation]) -> float:
    """The slope of log error against log gap."""
    gaps, errors = zip(*((at.gap, at.error) for at in found), strict=True)
    return float(np.polyfit(np.log(gaps), np.log(errors), 1)[0])


@dataclass(frozen=True)
class Descent:
    """A generator's descent with duals solved to a gap of `enough`.

    Attributes
    ----------
    enough : float
        0 for exact duals.
    squared_norms : ndarray, shape (steps + 1,)
        ‖∇h‖² at every step, by exact duals.
    guarantee : float
        What the mean of ‖∇h‖² over the steps cannot exceed: 2 L (h_0 − h_T) / T + 2 L₀² gap / λ.
    passes : float
        Half-steps that the duals took, on average.
    """

    enough: float
    squared_norms: np.ndarray
    guarantee: float
    passes: float

    @property
    def mean(self) -> float:
        """The mean of ‖∇h‖² over the steps that were taken."""
        return float(self.squared_norms[:-1].mean())

    @property
    def late(self) -> float:
        """The mean over the last quarter."""
        return float(self.squared_norms[-(len(self.squared_norms) // 4) :].mean())


def approximate_duals(smoothing: Regularizer, cost: Tensor, enough: float) -> tuple[Tensor, Tensor, int]:
    """Take half-steps from 0 until the estimated gap is at most `enough`; return φ, ψ and their number."""
    phi = torch.zeros(len(cost), dtype=cost.dtype)
    psi, passes = smoothing.half_step(phi, cost), 1
    while smoothing.gap(phi, psi, cost) > enough:
        phi = smoothing.half_step(psi, cost.mT)
        psi, passes = smoothing.half_step(phi, cost), passes + 2
    return phi, psi, passes


def descent(seed: int, enough: float, steps: int) -> Descent:
    """Descend h_λ in the last layer by steps of 1 / L, the duals solved from 0 to a gap of `enough` at each."""
    problem, smoothing = LastLayer.draw(seed), KL(STRENGTH)
    theta, curvature = problem.start, problem.curvature()
    norms, values, steepest, passes = [], [], 0.0, []
    for _ in range(steps + 1):
        y = problem.units @ theta
        cost = ground_cost(problem.x, y, 2)
        best = smoothing.solve(problem.x, y, 2, 1e-8)
        gradient = problem.gradient(smoothing.density(*best, cost), y)
        norms.append(float(gradient.square().sum()))
        values.append(float(smoothing.dual(*best, cost)))
        steepest = max(steepest, problem.steepest(y))
        if enough:
            phi, psi, count = approximate_duals(smoothing, cost, enough)
            gradient = problem.gradient(smoothing.density(phi, psi, cost), y)
            passes.append(count)
        theta = theta - gradient / curvature
    guarantee = 2 * curvature * (values[0] - values[-1]) / steps + 2 * steepest**2 * enough / STRENGTH
    return Descent(enough, np.array(norms), guarantee, float(np.mean(passes)) if passes else 0.0)
