import pytest
import torch

from otgan.gan.networks import Prior, draw_noise


@pytest.mark.parametrize("prior", [*Prior, "normal", "uniform"])
def test_draws_have_the_moments_that_the_prior_says(prior):
    draws = draw_noise(20000, 2, prior, torch.Generator().manual_seed(0))
    assert draws.shape == (20000, 2)
    assert float(draws.mean()) == pytest.approx(Prior(prior).mean, abs=0.02)
    assert float(draws.var()) == pytest.approx(Prior(prior).variance, rel=0.03)
    assert (draws.min() >= 0 and draws.max() <= 1) == (prior == "uniform")
