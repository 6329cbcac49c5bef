"""The identities and bounds of regularized transport, against linear programming and finite differences."""

import math

import pytest
import torch

import otgan
from otgan.gan.losses.ground_cost import ground_cost
from otgan.gan.losses.regularizers import KL, REGULARIZERS, SquaredNorm
from tests.gan.losses.batches import clouds


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


def test_a_registered_regularizer_is_known_by_its_name():
    assert {name: kind.name for name, kind in REGULARIZERS.items()} == {"kl": "kl", "l2": "l2"}
