import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence

from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.errors import OptionError
from otgan.gan.networks.likelihoods import Gaussian
from otgan.gan.systems.vae import VAE
from otgan.gan.training.state import State

CPU = torch.device("cpu")


def exact_elbo(system, nets, x):
    """Average the bound over codes at μ ± √k s_i e_i: exact where it is quadratic in the code."""
    k = system.latent
    corners = math.sqrt(k) * torch.cat([torch.eye(k), -torch.eye(k)]).to(x.dtype)
    return system.elbo(nets, x.repeat_interleave(2 * k, 0), corners.repeat(len(x), 1)).mean()


def ppca(x, k):
    """Tipping & Bishop 1999: the maximum likelihood loading W, variance σ² and mean log likelihood at them."""
    d = x.shape[1]
    values, vectors = np.linalg.eigh(np.cov(x, rowvar=False, bias=True))
    values, vectors = values[::-1], vectors[:, ::-1]
    noise = values[k:].mean()
    fitted = np.concatenate([values[:k], np.full(d - k, noise)])
    likelihood = -0.5 * (d * math.log(2 * math.pi) + np.log(fitted).sum() + d)
    return vectors[:, :k] * np.sqrt(values[:k] - noise), noise, likelihood


def linear_nets(d, k):
    return {
        "generator": nn.Linear(k, d).double(),
        "encoder": nn.Linear(d, 2 * k).double(),
        "likelihood": Gaussian(1.0, learned=True).double(),
    }


def parameters_of(nets):
    return [parameter for net in nets.values() for parameter in net.parameters()]


@pytest.fixture(scope="module")
def linear():
    """Points that are a plane and noise, in six dimensions."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 2)) @ rng.normal(size=(2, 6)) + 0.5 * rng.normal(size=(300, 6)) + 3


def test_on_linear_gaussian_data_the_optimum_is_that_of_ppca(linear):
    # No minimizer need get there: at PPCA the bound is the highest likelihood that any linear model has, with slope 0.
    d, k = linear.shape[1], 2
    loading, noise, likelihood = ppca(linear, k)
    mean = linear.mean(0)
    precision = loading.T @ loading + noise * np.eye(
        k
    )  # of the posterior times σ²: diagonal, its columns being so
    gain = np.linalg.solve(precision, loading.T)
    nets = linear_nets(d, k)
    values = {
        "generator": (loading, mean),
        "encoder": (
            np.concatenate([gain, np.zeros((k, d))]),
            np.concatenate([-gain @ mean, np.log(noise / precision.diagonal())]),
        ),
    }
    with torch.no_grad():
        for name, (weight, bias) in values.items():
            nets[name].weight.copy_(torch.from_numpy(weight))
            nets[name].bias.copy_(torch.from_numpy(bias))
        nets["likelihood"].log_variance.fill_(math.log(noise))
    value = exact_elbo(VAE(latent=k), nets, torch.from_numpy(linear))
    assert float(value.detach()) == pytest.approx(likelihood, rel=1e-12)
    for slope in torch.autograd.grad(value, parameters_of(nets)):
        assert float(slope.abs().max()) < 1e-11 * abs(likelihood)


def test_on_linear_gaussian_data_ascent_nears_the_likelihood_of_ppca_and_never_exceeds_it(linear):
    d, k = linear.shape[1], 2
    _, _, likelihood = ppca(linear, k)
    nets, x, system = linear_nets(d, k), torch.from_numpy(linear), VAE(latent=k)
    rng = torch.Generator().manual_seed(0)
    parameters = parameters_of(nets)
    with torch.no_grad():
        for parameter in parameters[:-1]:
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=rng, dtype=torch.float64))
    optimizer = torch.optim.LBFGS(parameters, max_iter=100, line_search_fn="strong_wolfe", history_size=30)
    gaps = []

    def loss():
        optimizer.zero_grad()
        value = -exact_elbo(system, nets, x)
        value.backward()
        gaps.append(likelihood + float(value.detach()))
        return value

    optimizer.step(loss)
    assert min(gaps) > -1e-12 * abs(likelihood)
    assert gaps[-1] < 0.02 * gaps[0]


def test_parts_of_the_bound_are_those_of_torch():
    system = VAE(batch=16, latent=3, width=12, variance=0.2)
    state = State.start(system, TrainingData.of("digits", 0), 0, CPU)
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
    state = State.start(system, TrainingData.of("digits", 0), 0, CPU)
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
