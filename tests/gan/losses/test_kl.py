import math

import pytest
import torch

import otgan
from otgan.gan.losses.ground_cost import ground_cost
from otgan.gan.losses.kl import KL
from tests.gan.losses.batches import clouds


def generalized_kl(p, q):
    return (torch.xlogy(p, p / q) - p + q).mean()


def test_kl_value_is_that_of_sinkhorn():
    x, y = clouds()
    smoothing = KL(0.3)
    phi, psi = smoothing.solve(x, y, 2, 1e-12)
    value = float(smoothing.dual(phi, psi, ground_cost(x, y, 2)))
    assert value == pytest.approx(float(otgan.sinkhorn(x, y, epsilon=0.3, tol=1e-12)), abs=1e-11)


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_half_steps_and_their_derivatives_are_right_where_exponentials_underflow(rng, dtype):
    phi = torch.tensor(rng.normal(size=20), dtype=dtype, requires_grad=True)
    cost = torch.tensor(rng.uniform(0, 50, size=(20, 30)), dtype=dtype)
    smoothing = KL(0.01)
    psi = smoothing.half_step(phi, cost)
    expected = 0.01 * (math.log(20) - ((phi[:, None] - cost) / 0.01).double().logsumexp(0))
    assert torch.allclose(psi.double(), expected, atol=1e-5)
    slopes = [torch.autograd.grad(each.square().sum(), phi, retain_graph=True)[0] for each in (psi, expected)]
    torch.testing.assert_close(*slopes, rtol=1e-3, atol=1e-3)
    assert torch.allclose(smoothing.density(phi, psi, cost).mean(0), torch.ones(30, dtype=dtype), rtol=1e-2)
