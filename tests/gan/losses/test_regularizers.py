"""The identities and bounds of regularized transport, against linear programming and finite differences."""

import math

import numpy as np
import pytest
import torch

import otgan
from otgan.gan.errors import OptionError
from otgan.gan.losses.ground_cost import ground_cost
from otgan.gan.losses.regularizer import round_density
from otgan.gan.losses.regularizers import KL, REGULARIZERS, SquaredNorm


def clouds(n=24, m=30, d=2, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, d)), 0.7 * rng.normal(size=(m, d)) + 0.4
    return torch.tensor(x), torch.tensor(y)


def generalized_kl(p, q):
    return (torch.xlogy(p, p / q) - p + q).mean()


@pytest.mark.parametrize("strength", [0.05, 0.5])
@pytest.mark.parametrize("kind", REGULARIZERS.values())
def test_duality_has_no_gap_at_the_solution(kind, strength):
    x, y = clouds()
    cost, smoothing = ground_cost(x, y, 2), kind(strength)
    phi, psi = smoothing.solve(x, y, 2, 1e-12)
    density = smoothing.density(phi, psi, cost)
    assert torch.allclose(density.mean(0), torch.ones(30, dtype=torch.float64), atol=1e-10)
    assert torch.allclose(density.mean(1), torch.ones(24, dtype=torch.float64), atol=1e-10)
    assert smoothing.primal(density, cost) == pytest.approx(float(smoothing.dual(phi, psi, cost)), abs=1e-11)
    assert abs(float(smoothing.gap(phi, psi, cost))) < 1e-10


def test_kl_value_is_that_of_sinkhorn():
    x, y = clouds()
    smoothing = KL(0.3)
    phi, psi = smoothing.solve(x, y, 2, 1e-12)
    value = float(smoothing.dual(phi, psi, ground_cost(x, y, 2)))
    assert value == pytest.approx(float(otgan.sinkhorn(x, y, epsilon=0.3, tol=1e-12)), abs=1e-11)


def test_l2_plan_is_the_solution_of_its_quadratic_program():
    # Optimality conditions of min <P, C> + lam E rho^2: rho = (phi + psi - c)_+ / 2 lam with both marginals; compare
    # with an independent solution by projected alternating corrections (Dykstra) of -C / 2 lam onto the polytope.
    x, y = clouds(6, 7)
    cost, lam = ground_cost(x, y, 2), 0.4
    rho = (-cost / (2 * lam)).numpy()
    correction = np.zeros_like(rho)
    for _ in range(20000):
        rho = rho + (1 - rho.mean(1, keepdims=True))
        rho = rho + (1 - rho.mean(0, keepdims=True))
        raised = rho + correction
        rho = np.maximum(raised, 0)
        correction = raised - rho
    phi, psi = SquaredNorm(lam).solve(x, y, 2, 1e-12)
    found = SquaredNorm(lam).density(phi, psi, cost).numpy()
    assert np.abs(found - rho).max() < 1e-6


def test_gap_identity_of_kl(rng):
    """The dual gap is λ times the generalized KL divergence from the optimal plan to the one at hand."""
    x, y = clouds()
    cost, smoothing = ground_cost(x, y, 2), KL(0.2)
    best = smoothing.solve(x, y, 2, 1e-13)
    optimum, value = smoothing.density(*best, cost), smoothing.dual(*best, cost)
    for scale in (0.01, 0.1, 0.5):
        phi = best[0] + scale * torch.tensor(rng.normal(size=24))
        psi = best[1] + scale * torch.tensor(rng.normal(size=30))
        gap = value - smoothing.dual(phi, psi, cost)
        divergence = generalized_kl(optimum, smoothing.density(phi, psi, cost))
        assert abs(float(gap - 0.2 * divergence)) < 1e-8


@pytest.mark.parametrize("strength", [0.05, 0.5])
@pytest.mark.parametrize("kind", REGULARIZERS.values())
def test_half_step_makes_a_marginal_exact_and_the_dual_larger(kind, strength, rng):
    x, y = clouds()
    cost, smoothing = ground_cost(x, y, 2), kind(strength)
    phi, psi = torch.tensor(rng.normal(size=24)), torch.tensor(rng.normal(size=30))
    better = smoothing.half_step(phi, cost)
    marginal = smoothing.density(phi, better, cost).mean(0)
    assert torch.allclose(marginal, torch.ones_like(marginal), atol=1e-11)
    assert smoothing.dual(phi, better, cost) >= smoothing.dual(phi, psi, cost)
    assert smoothing.dual(phi, better, cost) >= smoothing.dual(phi, better + 1e-3, cost)
    assert smoothing.dual(phi, better, cost) >= smoothing.dual(phi, better - 1e-3, cost)


@pytest.mark.parametrize("kind", REGULARIZERS.values())
def test_plan_error_is_bounded_by_the_gap(kind, rng):
    x, y = clouds()
    lam = 0.2
    cost, smoothing = ground_cost(x, y, 2), kind(lam)
    best = smoothing.solve(x, y, 2, 1e-13)
    optimum = smoothing.density(*best, cost)
    for scale in (0.01, 0.1, 0.3):
        phi = best[0] + scale * torch.tensor(rng.normal(size=24))
        psi = smoothing.half_step(phi, cost)
        gap = float(smoothing.dual(*best, cost) - smoothing.dual(phi, psi, cost))
        error = float((smoothing.density(phi, psi, cost) - optimum).abs().mean())
        bound = math.sqrt(2 * gap / lam) if kind is KL else math.sqrt(gap / lam)
        assert 0 < error <= bound
        assert float(smoothing.gap(phi, psi, cost)) >= gap - 1e-12


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("kind", REGULARIZERS.values())
def test_danskin_gradient_is_that_of_finite_differences(kind, power):
    """The derivative of h_λ is that of the cost under the optimal plan, which is held constant."""
    x, z = clouds(12, 12)
    smoothing = kind(0.3)

    def value(theta):
        y = theta * z
        return float(smoothing.dual(*smoothing.solve(x, y, power, 1e-13), ground_cost(x, y, power)))

    theta = torch.tensor([0.8, 1.3], dtype=torch.float64, requires_grad=True)
    y = theta * z
    plan = smoothing.density(*smoothing.solve(x, y.detach(), power, 1e-13), ground_cost(x, y, power)).detach()
    (gradient,) = torch.autograd.grad((plan * ground_cost(x, y, power)).mean(), theta)
    step = 1e-5
    with torch.no_grad():
        for k in range(2):
            shift = torch.zeros(2, dtype=torch.float64)
            shift[k] = step
            slope = (value(theta + shift) - value(theta - shift)) / (2 * step)
            assert float(gradient[k]) == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("strength", [1.0, 0.1, 0.01])
def test_smoothing_bias_is_inside_its_bounds(strength):
    x, y = clouds(20, 20)
    cost = ground_cost(x, y, 2)
    exact = otgan.transport(x, y, p=2).value
    kl, l2 = (
        float(kind(strength).dual(*kind(strength).solve(x, y, 2, 1e-8), cost) - exact)
        for kind in (KL, SquaredNorm)
    )
    assert -1e-10 <= kl <= strength * math.log(20)
    assert strength - 1e-10 <= l2 <= 20 * strength + 1e-10


def test_attached_potentials_give_another_gradient_unless_their_marginal_is_exact():
    x, y = clouds(16, 16)
    smoothing = KL(0.3)
    y.requires_grad_()
    weight = torch.tensor([0.3, -0.2], dtype=torch.float64)
    phi, psi = x @ weight, (y @ weight).sin()
    cost = ground_cost(x, y, 2)
    (attached,) = torch.autograd.grad(smoothing.dual(phi, psi, cost), y, retain_graph=True)
    plan = smoothing.density(phi, psi, cost).detach()
    (detached,) = torch.autograd.grad((plan * cost).mean(), y, retain_graph=True)
    (extra,) = torch.autograd.grad(((1 - plan.mean(0)) / 16 * psi).sum(), y)
    assert torch.allclose(attached - detached, extra)
    assert extra.abs().max() > 1e-4


def test_rounding_gives_marginals_exactly(rng):
    density = torch.tensor(rng.uniform(0, 3, size=(5, 8)))
    rounded = round_density(density)
    assert torch.allclose(rounded.mean(0), torch.ones(8, dtype=torch.float64), atol=1e-14)
    assert torch.allclose(rounded.mean(1), torch.ones(5, dtype=torch.float64), atol=1e-14)
    feasible = torch.ones(5, 8, dtype=torch.float64)
    assert torch.allclose(round_density(feasible), feasible)


def test_cost_has_a_gradient_where_points_coincide():
    x = torch.zeros(3, 2, requires_grad=True)
    ground_cost(x, torch.zeros(4, 2), 1).sum().backward()
    assert torch.equal(x.grad, torch.zeros(3, 2))


def test_strength_must_be_positive():
    with pytest.raises(OptionError, match="positive"):
        KL(0.0)
