import math

import numpy as np
import pytest
import torch
from sklearn import decomposition
from torch import nn

from otgan.gan import train
from otgan.gan.evaluation.reconstruction import PCA, importance_weighted, squared_error
from otgan.gan.networks.likelihoods import Gaussian
from otgan.gan.systems.vae import VAE


@pytest.mark.parametrize("k", [1, 3, 5, 9])
def test_pca_is_that_of_scikit_learn(k, rng):
    points = rng.normal(size=(100, 5)) @ rng.normal(size=(5, 5)) + 3
    reference = decomposition.PCA(min(k, 5)).fit(points[:60])
    expected = reference.inverse_transform(reference.transform(points[60:]))
    assert np.allclose(PCA.of(points[:60], k).reconstruct(points[60:]), expected)


def test_error_sums_over_coordinates_and_averages_over_samples():
    assert squared_error(np.zeros((4, 1, 2, 2)), np.full((4, 4), 0.5)) == 1


class Linear:
    """x = W z + b + σ ε, whose likelihood and posterior are known; the encoder is off by a factor."""

    def __init__(self, off):
        rng = torch.Generator().manual_seed(0)
        self.weight = torch.randn(5, 2, generator=rng, dtype=torch.float64)
        self.variance = 0.3
        self.covariance = self.weight @ self.weight.T + self.variance * torch.eye(5, dtype=torch.float64)
        root = torch.linalg.cholesky(self.covariance)
        self.x = (root @ torch.randn(5, 40, generator=rng, dtype=torch.float64)).T
        decoder = nn.Linear(2, 5, bias=False).double()
        decoder.weight.data = self.weight
        self.nets = {"generator": decoder, "encoder": self.encode, "likelihood": Gaussian(0.3, False)}
        inverse = torch.linalg.inv(self.weight.T @ self.weight + 0.3 * torch.eye(2, dtype=torch.float64))
        self.gain, self.spread = inverse @ self.weight.T, 0.3 * inverse.diagonal()
        self.off = off

    def encode(self, x):
        mean = self.off * x @ self.gain.T
        return torch.cat([mean, self.spread.log().expand_as(mean)], 1)

    def exact(self):
        model = torch.distributions.MultivariateNormal(torch.zeros(5, dtype=torch.float64), self.covariance)
        return float(model.log_prob(self.x).mean())


def test_weighted_bound_rises_to_the_likelihood_and_the_elbo_stays_below():
    model, system = Linear(off=0.7), VAE(latent=2)
    rng = torch.Generator().manual_seed(1)
    found = [
        float(importance_weighted(system, model.nets, model.x, rng, draws=draws).mean())
        for draws in (1, 10, 3000)
    ]
    noise = torch.randn(40 * 200, 2, generator=rng, dtype=torch.float64)
    elbo = float(system.elbo(model.nets, model.x.repeat_interleave(200, 0), noise).mean().detach())
    assert elbo == pytest.approx(found[0], abs=0.4)
    assert elbo < found[1] < found[2]
    assert found[2] == pytest.approx(model.exact(), abs=0.02)


@pytest.fixture(scope="module")
def runs():
    """The same training on points and on the same ones in other units.

    Both are standardized, and the units are a power of two apart: not a bit of what is trained is different.
    """
    rng = np.random.default_rng(0)
    points = rng.normal(size=(500, 3)) @ np.array([[1.0, 0, 0], [0, 0.9, 0.3], [0, 0.3, 0.5]])
    points = points / points.std()
    options = {"batch": 64, "latent": 2, "width": 16, "depth": 1, "lr": 1e-2}
    return [train("vae", scale * points, 60, options=options) for scale in (100.0, 128 * 100.0)]


def test_likelihoods_and_errors_are_in_the_units_of_the_data(runs):
    one, other = (run.evaluate() for run in runs)
    assert other["reconstruction"] == pytest.approx(128**2 * one["reconstruction"], rel=1e-5)
    assert other["reconstruction_pca"] == pytest.approx(128**2 * one["reconstruction_pca"], rel=1e-6)
    for name in ("elbo", "iw_likelihood"):
        assert other[name] == pytest.approx(one[name] - 3 * math.log(128), abs=1e-4)
    assert one["elbo"] < one["iw_likelihood"] + 0.1
    assert {"latent_mmd", "latent_mmd_band"} <= one.keys()


def test_systems_without_a_bound_have_no_likelihood(rng):
    points = rng.normal(size=(200, 2))
    found = train("wae-mmd", points, 2, options={"batch": 32, "width": 8, "depth": 1}).evaluate()
    assert "elbo" not in found
    assert found["reconstruction_pca"] == pytest.approx(0, abs=1e-20)
