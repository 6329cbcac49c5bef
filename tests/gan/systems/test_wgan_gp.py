import numpy as np
import pytest
import torch
from torch.optim import SGD

import otgan
from otgan.gan.datasets.batches import Batches
from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.networks import Space, critic, initialize
from otgan.gan.systems.wgan_gp import WGANGP
from otgan.gan.training.state import State


def test_paper_defaults():
    paper = WGANGP()
    assert (paper.penalty, paper.n_critic, paper.lr, paper.beta1, paper.beta2) == (10.0, 5, 1e-4, 0.0, 0.9)
    assert (paper.batch, paper.width, paper.depth) == (64, 512, 3)


def test_estimate_with_the_generator_frozen_is_the_exact_distance():
    """With λ = 10 the critic's difference is within 10 % of the linear program's W₁, and its slope is about 1."""
    rng = np.random.default_rng(0)
    real = rng.normal(size=(256, 2)).astype(np.float32)
    fake = (0.5 * rng.normal(size=(256, 2)) + np.array([2.0, 0.5])).astype(np.float32)
    exact = otgan.emd(real.astype(float), fake.astype(float))
    system = WGANGP(batch=256, width=64, depth=2, lr=2e-3)
    batches = Batches(torch.from_numpy(real), 256, 2, "normal", 0)
    net = initialize(
        critic(Space((2,)), "mlp", width=64, depth=2), torch.Generator().manual_seed(0), torch.device("cpu")
    )
    optimizer = system.optimizers({"critic": net})["critic"]
    y = torch.from_numpy(fake)
    rows = [system.critic_step(net, optimizer, batches, batches.real(), y) for _ in range(400)]
    gap, slope = (
        float(torch.stack([row[key] for row in rows[-100:]]).median()) for key in ("critic_gap", "slope")
    )
    assert gap == pytest.approx(exact, rel=0.1)
    assert slope == pytest.approx(1, abs=0.1)


def test_a_step_is_that_of_algorithm_1():
    """Written out with the same batches and plain gradients: one ε a sample, the penalty λ, and −E f(G z) at the end."""
    system, rate = WGANGP(batch=8, latent=2, width=6, depth=1, n_critic=2, penalty=3.0), 0.05
    data = TrainingData.of(np.random.default_rng(0).normal(size=(100, 2)), 0)
    state, other = (State.start(system, data, 0, torch.device("cpu")) for _ in range(2))
    optimizers = {name: SGD(net.parameters(), lr=rate) for name, net in state.nets.items()}
    terms = system.step(state.nets, optimizers, state.batches)

    f, generator, batches = other.nets["critic"], other.nets["generator"], other.batches

    def descend(net, loss):
        slopes = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)
        with torch.no_grad():
            for parameter, slope in zip(net.parameters(), slopes, strict=True):
                parameter.sub_(0 if slope is None else rate * slope)

    for _ in range(2):
        y = generator(batches.noise()).detach()
        x = batches.real()
        epsilon = torch.rand(8, 1, generator=batches.rng)
        between = (epsilon * x + (1 - epsilon) * y).requires_grad_()
        (slope,) = torch.autograd.grad(f(between).sum(), between, create_graph=True)
        norms = slope.square().sum(1).sqrt()
        gap, penalty = f(x).mean() - f(y).mean(), (norms - 1).square().mean()
        descend(f, 3.0 * penalty - gap)
    loss = -f(generator(batches.noise())).mean()
    descend(generator, loss)
    for name in state.nets:
        for a, b in zip(state.nets[name].parameters(), other.nets[name].parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-6)
    expected = {"critic_gap": gap, "slope": norms.mean(), "penalty": penalty, "generator_loss": loss}
    expected["wasserstein"] = gap / norms.mean()
    for name, value in expected.items():
        assert float(terms[name]) == pytest.approx(float(value.detach()), rel=1e-4, abs=1e-6)
