import math

import pytest
import torch
from torch.optim import SGD

from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.systems.aae import AAE
from otgan.gan.systems.wae import WAEGAN
from otgan.gan.training.state import State

CPU = torch.device("cpu")


@pytest.mark.parametrize("encoder", ["deterministic", "gaussian", "implicit"])
@pytest.mark.parametrize("data", ["8gaussians", "digits"])
def test_it_is_penalized_transport_exactly(data, encoder):
    """2σ² L_AAE = L_POT + d σ² log 2πσ² with λ = 2σ², and the gradients are in the same proportion."""
    variance, shared = 0.37, {"batch": 16, "latent": 3, "width": 12, "depth": 1, "encoder": encoder}
    aae = AAE(**shared, variance=variance)
    pot = WAEGAN(**shared, penalty=2 * variance)
    state = State.start(aae, TrainingData.of(data, 0), 0, CPU)
    nets = {name: net.double() for name, net in state.nets.items()}
    x = state.batches.real().double()
    noise = aae.encoder_noise(len(x), state.batches.rng).double()
    parameters = [p for name in ("generator", "encoder") for p in nets[name].parameters()]

    reconstruction, penalty = aae.objective(nets, x, noise)
    loss = 2 * variance * (reconstruction + penalty)
    gradient = torch.autograd.grad(loss, parameters)
    cost, discrepancy = pot.objective(nets, x, noise, torch.empty(0))
    transport_loss = cost + pot.penalty * discrepancy
    transport_gradient = torch.autograd.grad(transport_loss, parameters)

    d = x[0].numel()
    constant = d * variance * math.log(2 * math.pi * variance)
    assert float(loss.detach()) == pytest.approx(float(transport_loss.detach()) + constant, rel=1e-13)
    for one, other in zip(gradient, transport_gradient, strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-14)
    assert max(float(part.abs().max()) for part in gradient) > 1e-3


def test_training_lowers_the_reconstruction_and_keeps_the_likelihoods_apart():
    samples = TrainingData.of("digits", 0)
    for options in ({}, {"likelihood": "bernoulli"}, {"learn_variance": True, "encoder": "gaussian"}):
        system = AAE(batch=32, latent=4, width=16, depth=1, critic_width=16, variance=0.1, **options)
        state = State.start(system, samples, 0, CPU)
        values = [system.step(state.nets, state.optimizers, state.batches) for _ in range(60)]
        assert float(values[-1]["reconstruction"]) < float(values[0]["reconstruction"])
        assert list(values[0]) == ["reconstruction", "latent_penalty", "critic_value"]
        assert set(state.averages) == {"generator", "encoder", "likelihood"}


def test_a_step_descends_reconstruction_and_penalty_at_once():
    system, rate = AAE(batch=16, latent=3, width=12, depth=1, critic_width=8, variance=2.0), 0.01
    data = TrainingData.of("8gaussians", 0)
    state, other = (State.start(system, data, 0, CPU) for _ in range(2))
    optimizers = {
        "critic": SGD(state.nets["critic"].parameters(), lr=0.0),
        "autoencoder": SGD(
            [*state.nets["encoder"].parameters(), *state.nets["generator"].parameters()], rate
        ),
    }
    system.step(state.nets, optimizers, state.batches)
    other.batches.real(), other.batches.noise()  # the discriminator's
    x = other.batches.real()
    parts = system.objective(other.nets, x, system.encoder_noise(16, other.batches.rng))
    for name in ("encoder", "generator"):
        before = list(other.nets[name].parameters())
        slopes = [torch.autograd.grad(part, before, retain_graph=True, allow_unused=True) for part in parts]
        for after, old, *each in zip(state.nets[name].parameters(), before, *slopes, strict=True):
            descent = sum(slope for slope in each if slope is not None)
            assert torch.allclose(after, old - rate * descent, atol=1e-6)
