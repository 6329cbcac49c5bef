import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence

from otgan.gan.errors import OptionError
from otgan.gan.likelihoods import Gaussian
from otgan.gan.samples import Samples
from otgan.gan.state import State
from otgan.gan.systems.vae import VAE

CPU = torch.device("cpu")


def exact_elbo(system, nets, x):
    """Average the bound over codes at μ ± √k s_i e_i: exact where it is quadratic in the code."""
    k = system.latent
    corners = math.sqrt(k) * torch.cat([torch.eye(k), -torch.eye(k)]).to(x.dtype)
    return system.elbo(nets, x.repeat_interleave(2 * k, 0), corners.repeat(len(x), 1)).mean()


def ppca(x, k):
    """Tipping & Bishop 1999: the maximum likelihood covariance W Wᵀ + σ² I, and the mean log likelihood at it."""
    d = x.shape[1]
    values, vectors = np.linalg.eigh(np.cov(x, rowvar=False, bias=True))
    values, vectors = values[::-1], vectors[:, ::-1]
    noise = values[k:].mean()
    fitted = np.concatenate([values[:k], np.full(d - k, noise)])
    return (vectors * fitted) @ vectors.T, -0.5 * (d * math.log(2 * math.pi) + np.log(fitted).sum() + d)


def test_on_linear_gaussian_data_the_optimum_is_that_of_ppca():
    rng = np.random.default_rng(0)
    d, k, n = 6, 2, 300
    points = rng.normal(size=(n, k)) @ rng.normal(size=(k, d)) + 0.5 * rng.normal(size=(n, d)) + 3
    covariance, likelihood = ppca(points, k)
    x = torch.from_numpy(points)
    torch_rng = torch.Generator().manual_seed(0)
    nets = {
        "generator": nn.Linear(k, d).double(),
        "encoder": nn.Linear(d, 2 * k).double(),
        "likelihood": Gaussian(1.0, learned=True).double(),
    }
    parameters = [p for net in nets.values() for p in net.parameters()]
    with torch.no_grad():
        for parameter in parameters[:-1]:
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=torch_rng, dtype=torch.float64))
    system = VAE(latent=k)
    optimizer = torch.optim.LBFGS(
        parameters,
        max_iter=500,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-9,
        tolerance_change=1e-14,
        history_size=30,
    )

    def loss():
        optimizer.zero_grad()
        value = -exact_elbo(system, nets, x)
        value.backward()
        return value

    optimizer.step(loss)
    gap = likelihood - float(exact_elbo(system, nets, x).detach())
    assert -1e-9 < gap < 1e-6
    loading = nets["generator"].weight.detach().numpy()
    noise = float(nets["likelihood"].log_variance.detach().exp())
    assert np.allclose(loading @ loading.T + noise * np.eye(d), covariance, atol=1e-3)
    assert np.allclose(nets["generator"].bias.detach().numpy(), points.mean(0), atol=1e-3)


def test_parts_of_the_bound_are_those_of_torch():
    system = VAE(batch=16, latent=3, width=12, variance=0.2)
    state = State.start(system, Samples.of("digits", 0), 0, CPU)
    x = state.batches.real()
    noise = system.encoder_noise(len(x), state.batches.rng)
    log_p, kl = system.bound(state.nets, x, noise)
    mean, log_variance = state.nets["encoder"](x).chunk(2, 1)
    posterior = Independent(Normal(mean, (0.5 * log_variance).exp()), 1)
    prior = Independent(Normal(torch.zeros(16, 3), torch.ones(16, 3)), 1)
    assert torch.allclose(kl, kl_divergence(posterior, prior), rtol=1e-4)
    z = mean + (0.5 * log_variance).exp() * noise
    decoded = Independent(Normal(state.nets["generator"](z), 0.2**0.5), 3)
    assert torch.allclose(log_p, decoded.log_prob(x), rtol=1e-4)
    assert torch.equal(system.elbo(state.nets, x, noise), log_p - kl)


@pytest.mark.parametrize(
    "options", [{"learn_variance": True, "variance": 0.1}, {"likelihood": "bernoulli"}, {"variance": 0.05}]
)
def test_training_raises_the_bound(options):
    system = VAE(batch=32, latent=4, width=32, **options)
    state = State.start(system, Samples.of("digits", 0), 0, CPU)
    terms = [system.step(state.nets, state.optimizers, state.batches) for _ in range(100)]
    assert list(terms[0]) == ["elbo", "reconstruction", "kl"]
    assert sum(float(t["elbo"]) for t in terms[-10:]) > sum(float(t["elbo"]) for t in terms[:10])
    assert float(terms[-1]["elbo"]) == pytest.approx(
        -float(terms[-1]["reconstruction"]) - float(terms[-1]["kl"]), abs=1e-3
    )
    if "learn_variance" in options:
        assert float(state.nets["likelihood"].log_variance.detach()) != pytest.approx(math.log(0.1))


def test_options_are_checked():
    with pytest.raises(OptionError, match="vae takes prior=normal, got 'uniform'"):
        VAE(prior="uniform")
    with pytest.raises(OptionError, match="encoder must be one of gaussian"):
        VAE(encoder="deterministic")
    with pytest.raises(OptionError, match="likelihood must be one of gaussian, bernoulli"):
        VAE(likelihood="laplace")
    with pytest.raises(OptionError, match="variance must be a positive number"):
        VAE(variance=0.0)
