import math

import pytest
import torch
from torch.nn.functional import softplus

from otgan.gan.datasets.batches import Batches
from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.networks import Space, critic, initialize
from otgan.gan.systems.base import adam, descend
from otgan.gan.systems.gan import GAN
from otgan.gan.training.state import State

CPU = torch.device("cpu")


def lines(n, theta):
    rng = torch.Generator().manual_seed(int(10 * theta))
    return torch.stack([torch.full((n,), theta), torch.rand(n, generator=rng)], 1)


@pytest.fixture(scope="module")
def sure():
    """A discriminator trained nearly to its best between the lines at 0 and 1."""
    net = initialize(critic(Space((2,)), "mlp", width=32, depth=2), torch.Generator().manual_seed(0), CPU)
    optimizer = adam(net, 1e-2, (0.5, 0.999))
    x, y = lines(256, 0.0), lines(256, 1.0)
    for _ in range(300):
        descend(optimizer, (softplus(-net(x)) + softplus(net(y))).mean())
    return net


def test_js_estimate_is_log_two_on_disjoint_lines(sure):
    x, y = lines(512, 0.0), lines(512, 1.0)
    with torch.no_grad():
        js = math.log(2) - 0.5 * float((softplus(-sure(x)) + softplus(sure(y))).mean())
    assert 0.65 < js <= math.log(2)


def test_saturating_gradient_vanishes_where_the_discriminator_is_sure(sure):
    y = lines(256, 1.0).requires_grad_()
    (saturating,) = torch.autograd.grad(-softplus(sure(y)).mean(), y)
    (other,) = torch.autograd.grad(softplus(-sure(y)).mean(), y)
    assert saturating.norm() < 0.01 * other.norm()
    assert other.norm() > 0


@pytest.mark.parametrize("saturating", [False, True])
def test_step_descends_the_loss_that_it_names(saturating):
    system = GAN(batch=16, width=8, depth=1, saturating=saturating, lr=1e-3)
    state = State.start(system, TrainingData.of("8gaussians", 0), 0, CPU)
    terms = system.step(state.nets, state.optimizers, state.batches)
    assert list(terms) == ["js", "critic_loss", "generator_loss"]
    assert all(value.ndim == 0 and not value.requires_grad for value in terms.values())
    assert float(terms["js"]) == pytest.approx(math.log(2) - 0.5 * float(terms["critic_loss"]), abs=1e-6)
    # The sign of the saturating loss: E log(1 - D) is negative, -E log D positive.
    assert (float(terms["generator_loss"]) < 0) == saturating


def test_each_optimizer_moves_its_own_network_alone():
    system = GAN(batch=16, width=8, depth=1)
    state = State.start(system, TrainingData.of("8gaussians", 0), 0, CPU)
    system.step(state.nets, state.optimizers, state.batches)
    frozen = GAN(batch=16, width=8, depth=1, n_critic=1, lr=0.0)
    other = State.start(frozen, TrainingData.of("8gaussians", 0), 0, CPU)
    before = [p.clone() for net in other.nets.values() for p in net.parameters()]
    frozen.step(other.nets, other.optimizers, other.batches)
    after = [p for net in other.nets.values() for p in net.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert isinstance(state.batches, Batches)
