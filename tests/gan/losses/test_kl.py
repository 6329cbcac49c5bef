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
