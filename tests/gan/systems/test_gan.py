import math

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus
from torch.optim import SGD

from otgan.gan.datasets.batches import Batches
from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.networks import Prior, Space, critic, initialize
from otgan.gan.systems.base import adam
from otgan.gan.systems.gan import GAN
from otgan.gan.training.state import State

CPU = torch.device("cpu")


def lines(n, theta):
    rng = torch.Generator().manual_seed(int(10 * theta))
    return torch.stack([torch.full((n,), theta), torch.rand(n, generator=rng)], 1)


class Line(nn.Module):
    """A generator of the line at 1, which may be moved along."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(2))

    def forward(self, z):
        return lines(len(z), 1.0) + self.shift


@pytest.fixture(scope="module")
def stage():
    """The lines at 0 and at 1, with a discriminator that GAN's own steps make nearly as sure as can be."""
    torch_rng = torch.Generator().manual_seed(0)
    nets = {
        "generator": Line(),
        "critic": initialize(critic(Space((2,)), "mlp", width=32, depth=2), torch_rng, CPU),
    }
    batches = Batches(lines(256, 0.0), 256, 2, Prior.NORMAL, 0)
    optimizers = {
        "critic": adam(nets["critic"], 1e-2, (0.5, 0.999)),
        "generator": SGD(nets["generator"].parameters(), lr=0.0),
    }
    system = GAN(batch=256, latent=2)
    terms = [system.step(nets, optimizers, batches) for _ in range(150)]
    return nets, batches, [float(each["js"]) for each in terms]


def test_js_estimate_is_log_two_on_disjoint_lines(stage):
    _, _, js = stage
    assert js[0] < 0.3
    assert 0.65 < js[-1] <= math.log(2)


def test_saturating_gradient_vanishes_where_the_discriminator_is_sure(stage):
    nets, batches, _ = stage
    found = {}
    for saturating in (True, False):
        system = GAN(batch=256, latent=2, saturating=saturating)
        still = {name: SGD(net.parameters(), lr=0.0) for name, net in nets.items()}
        system.step(nets, still, batches)
        found[saturating] = nets["generator"].shift.grad.clone()
    assert 0 < found[True].norm() < 0.01 * found[False].norm()
    assert torch.nn.functional.cosine_similarity(found[True], found[False], 0) > 0.9


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


def start(**options):
    system = GAN(batch=16, width=8, depth=1, **options)
    return system, State.start(system, TrainingData.of("8gaussians", 0), 0, CPU)


@pytest.mark.parametrize("moved", ["generator", "critic"])
def test_each_optimizer_moves_its_own_network_alone(moved):
    system, state = start()
    before = {name: [p.detach().clone() for p in net.parameters()] for name, net in state.nets.items()}
    optimizers = {
        name: SGD(net.parameters(), lr=0.1 if name == moved else 0.0) for name, net in state.nets.items()
    }
    system.step(state.nets, optimizers, state.batches)
    for name, net in state.nets.items():
        same = [torch.equal(a, b) for a, b in zip(before[name], net.parameters(), strict=True)]
        assert (not any(same)) if name == moved else all(same)


@pytest.mark.parametrize("n_critic", [1, 3])
def test_the_discriminator_is_updated_first_and_as_often_as_wanted(n_critic):
    """A step is that of the formulas, written out with the same batches and plain gradients."""
    system, state = start(n_critic=n_critic)
    _, other = start(n_critic=n_critic)
    rate = 0.1
    optimizers = {name: SGD(net.parameters(), lr=rate) for name, net in state.nets.items()}
    system.step(state.nets, optimizers, state.batches)

    discriminator, generator = other.nets["critic"], other.nets["generator"]

    def descend(net, loss):
        slopes = torch.autograd.grad(loss, list(net.parameters()))
        with torch.no_grad():
            for parameter, slope in zip(net.parameters(), slopes, strict=True):
                parameter.sub_(rate * slope)

    for _ in range(n_critic):
        x, y = other.batches.real(), generator(other.batches.noise()).detach()
        descend(discriminator, softplus(-discriminator(x)).mean() + softplus(discriminator(y)).mean())
    descend(generator, softplus(-discriminator(generator(other.batches.noise()))).mean())
    for name in state.nets:
        for a, b in zip(state.nets[name].parameters(), other.nets[name].parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-6)
