import math

import pytest
import torch
from torch import nn

from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.networks.likelihoods import gaussian_log_prob
from otgan.gan.systems.avb import AVB, standardize
from otgan.gan.systems.base import descend
from otgan.gan.systems.vae import VAE
from otgan.gan.training.state import State

CPU = torch.device("cpu")


class GaussianPosterior(nn.Module):
    """N(x / 2, (.4 + |x| / 5)²) in each coordinate, in the form of an implicit encoder."""

    def forward(self, x, noise):
        return 0.5 * x + (0.4 + 0.2 * x.abs()) * noise

    def moments(self, x, noise):
        return 0.5 * x, (0.4 + 0.2 * x.abs()).square()


def normal(rng, *shape):
    return torch.randn(*shape, generator=rng)


@pytest.mark.parametrize("adaptive", [False, True])
def test_discriminator_recovers_the_log_ratio_of_a_gaussian_posterior(adaptive):
    """T is to be log q(z|x) − log p(z) of codes; with adaptive contrast, together with its analytic part."""
    system = AVB(
        latent=1,
        noise=1,
        width=32,
        depth=1,
        critic_width=32,
        critic_depth=2,
        lr_critic=5e-3,
        adaptive=adaptive,
    )
    points = torch.randn(4096, 1, generator=torch.Generator().manual_seed(0)).numpy()
    state = State.start(system, TrainingData.of(points, 0), 0, CPU, {"encoder": GaussianPosterior()})
    nets, rng = state.nets, state.batches.rng
    for step in range(800 if not adaptive else 20):
        if step == 600:
            state.optimizers["critic"].param_groups[0]["lr"] = 1e-3
        x = normal(rng, 512, 1)
        code = nets["encoder"](x, normal(rng, 512, 1))
        moments = system.contrast(nets, x, normal(rng, 4, 1))
        loss = system.critic_loss(nets, x, standardize(code, *moments), normal(rng, 512, 1))
        descend(state.optimizers["critic"], loss)
    x = normal(rng, 4000, 1)
    code = nets["encoder"](x, normal(rng, 4000, 1))
    nothing = torch.zeros_like(code)
    mean, variance = nets["encoder"].moments(x, None)
    exact = gaussian_log_prob(code, mean, variance.log()) - gaussian_log_prob(code, nothing, nothing)
    with torch.no_grad():
        found = system.divergence(nets, x, code, *system.contrast(nets, x, normal(rng, 4, 1)))
    assert float(torch.corrcoef(torch.stack([found, exact]))[0, 1]) > 0.95
    assert float(found.mean()) == pytest.approx(float(exact.mean()), abs=0.1)


class BestDiscriminator(nn.Module):
    """log q̃(z̃|x) − log N(z̃; 0, I) for q = ½ N(x, 1) + ½ N(−x, 1) and z̃ = z / s, s² = 1 + x²."""

    def forward(self, x, standardized):
        scale = (1 + x.square()).sqrt()
        nothing = torch.zeros_like(x)
        z = scale * standardized
        density = mixture_log_prob(x, z) + scale.log().sum(1)
        return density - gaussian_log_prob(standardized, nothing, nothing)


def mixture_log_prob(x, z):
    nothing = torch.zeros_like(x)
    both = torch.stack([gaussian_log_prob(z, x, nothing), gaussian_log_prob(z, -x, nothing)])
    return both.logsumexp(0) - math.log(2)


def test_adaptive_contrast_adds_up_to_the_log_ratio():
    """T(x, z̃) + log r(z|x) − log p(z) = log q(z|x) − log p(z), code by code, for the best T: both terms are needed."""
    rng = torch.Generator().manual_seed(0)
    x, z = torch.randn(2, 200, 1, generator=rng, dtype=torch.float64)
    nothing = torch.zeros_like(x)
    system = AVB(latent=1)
    nets = {"critic": BestDiscriminator()}
    found = system.divergence(nets, x, z, nothing, (1 + x.square()).log())
    expected = mixture_log_prob(x, z) - gaussian_log_prob(z, nothing, nothing)
    assert torch.allclose(found, expected, atol=1e-10)
    alone = nets["critic"](x, z / (1 + x.square()).sqrt())
    assert not torch.allclose(alone, expected, atol=0.1)


def test_gradient_of_the_bound_takes_the_moments_as_constants():
    system = AVB(batch=16, latent=2, width=12, depth=1, critic_width=12, critic_depth=1)
    state = State.start(system, TrainingData.of("8gaussians", 0), 0, CPU)
    x = state.batches.real()
    code, (mean, log_variance) = system.draw(state.nets, x, state.batches)
    assert code.requires_grad
    assert not mean.requires_grad
    assert not log_variance.requires_grad
    terms = system.step(state.nets, state.optimizers, state.batches)
    assert list(terms) == ["elbo", "reconstruction", "kl", "critic_loss"]
    assert float(terms["elbo"]) == pytest.approx(
        -float(terms["reconstruction"]) - float(terms["kl"]), abs=1e-4
    )
    assert set(state.averages) == {"generator", "encoder", "likelihood", "critic"}


class Magnitude(nn.Module):
    """A decoder that is not trained: x = |z| − .8, so that two codes explain a sample equally well."""

    def forward(self, z):
        return z.abs() - 0.8


def test_two_codes_for_a_sample_are_both_found_by_avb_and_not_by_a_gaussian():
    shared = {"batch": 128, "latent": 1, "width": 32, "depth": 2, "activation": "relu", "variance": 0.04}
    rng = torch.Generator().manual_seed(0)
    points = normal(rng, 4096, 1).abs() - 0.8 + 0.2 * normal(rng, 4096, 1)
    samples = TrainingData.of(points.numpy(), 0)
    x = torch.full((1000, 1), 0.7)
    found = {}
    for system in (
        AVB(**shared, basis=4, noise=4, critic_width=32, critic_depth=2, lr_critic=2e-3),
        VAE(**shared),
    ):
        state = State.start(system, samples, 0, CPU, {"generator": Magnitude()})
        assert float(state.scaling.scale) == 1
        for _ in range(300):
            system.step(state.nets, state.optimizers, state.batches)
        with torch.no_grad():
            codes = system.encode(state.nets, x, system.encoder_noise(1000, state.batches.rng))
        found[system.name] = [float((((codes - mode).abs()) < 0.75).double().mean()) for mode in (-1.5, 1.5)]
    assert min(found["avb"]) > 0.25
    assert sum(found["avb"]) > 0.8
    assert min(found["vae"]) < 0.05
    assert max(found["vae"]) > 0.8
