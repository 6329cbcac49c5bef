import pytest
import torch

from otgan.gan.errors import OptionError
from otgan.gan.losses.ground_cost import ground_cost
from otgan.gan.losses.kl import KL
from otgan.gan.losses.regularizer import mean_product, round_density
from tests.gan.losses.batches import clouds


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


def test_mean_of_products(rng):
    x, y = torch.tensor(rng.normal(size=(2, 5, 8)))
    assert float(mean_product(x, y)) == pytest.approx(float((x * y).mean()), rel=1e-12)


def test_strength_must_be_positive():
    with pytest.raises(OptionError, match="positive"):
        KL(0.0)
