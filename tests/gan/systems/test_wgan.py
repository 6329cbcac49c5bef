import pytest
import torch
from scipy.stats import spearmanr
from torch.optim import SGD, RMSprop

import otgan.data
from otgan.gan import train
from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.systems.wgan import WGAN
from otgan.gan.training.state import State

CPU = torch.device("cpu")


def test_paper_defaults():
    paper = WGAN()
    assert (paper.clip, paper.n_critic, paper.lr, paper.batch) == (0.01, 5, 5e-5, 64)


def test_clip_holds_after_every_step_and_no_momentum_is_used():
    system = WGAN(batch=32, width=16, clip=0.02, lr=1e-2, n_critic=2)
    state = State.start(system, TrainingData.of("8gaussians", 0), 0, CPU)
    optimizer = state.optimizers["critic"]
    assert isinstance(optimizer, RMSprop)
    assert optimizer.param_groups[0]["momentum"] == 0
    touched = 0.0
    for _ in range(5):
        system.step(state.nets, state.optimizers, state.batches)
        largest = max(float(p.detach().abs().max()) for p in state.nets["critic"].parameters())
        assert largest <= system.clip
        touched = max(touched, largest)
    assert (
        touched == torch.tensor(0.02).item()
    )  # with this rate the bound is reached, so that the clip was needed


def test_the_generator_meets_a_clipped_critic_and_is_not_clipped():
    system = WGAN(batch=32, width=16, clip=0.01, lr=1e-2, n_critic=1)
    state = State.start(system, TrainingData.of("8gaussians", 0), 0, CPU)
    seen = []
    state.nets["critic"].register_forward_hook(
        lambda net, *_: seen.append(max(float(p.detach().abs().max()) for p in net.parameters()))
    )
    system.step(state.nets, state.optimizers, state.batches)
    assert seen[-1] <= 0.01  # the last evaluation of a step is the generator's
    assert max(float(p.detach().abs().max()) for p in state.nets["generator"].parameters()) > 0.01


def test_a_step_is_that_of_algorithm_1():
    """Written out with the same batches and plain gradients."""
    system, rate = WGAN(batch=8, latent=2, width=6, depth=1, n_critic=2, clip=0.3), 0.05
    data = TrainingData.of("swissroll", 0)
    state, other = (State.start(system, data, 0, CPU) for _ in range(2))
    optimizers = {name: SGD(net.parameters(), lr=rate) for name, net in state.nets.items()}
    terms = system.step(state.nets, optimizers, state.batches)
    f, generator, batches = other.nets["critic"], other.nets["generator"], other.batches

    def descend(net, loss, bound):
        slopes = torch.autograd.grad(loss, list(net.parameters()))
        with torch.no_grad():
            for parameter, slope in zip(net.parameters(), slopes, strict=True):
                parameter.copy_((parameter - rate * slope).clamp(-bound, bound))

    for _ in range(2):
        x, y = batches.real(), generator(batches.noise()).detach()
        gap = f(x).mean() - f(y).mean()
        descend(f, -gap, 0.3)
    loss = -f(generator(batches.noise())).mean()
    descend(generator, loss, float("inf"))
    for name in state.nets:
        for a, b in zip(state.nets[name].parameters(), other.nets[name].parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-6)
    assert float(terms["wasserstein"]) == pytest.approx(float(gap.detach()), rel=1e-4, abs=1e-6)
    assert float(terms["generator_loss"]) == pytest.approx(float(loss.detach()), rel=1e-4, abs=1e-6)


def test_loss_follows_quality():
    """Figure 3: the critic's median-filtered estimate falls with the exact distance."""
    points = otgan.data.load("8gaussians", 1500)
    options = {"batch": 128, "width": 48, "depth": 2, "clip": 0.1, "lr": 1e-3, "latent": 2}
    run = train("wgan", points, 300, evaluate_every=20, save_every=20, options=options)
    estimates = {row["step"]: row["wasserstein"] for row in run.history if "wasserstein" in row}
    exact = {row["step"]: row["evaluation"]["em"] for row in run.history if "evaluation" in row}
    pairs = [(estimates[step], exact[step]) for step in estimates if step in exact and step > 40]
    assert len(pairs) >= 12
    assert spearmanr(*map(list, zip(*pairs, strict=True))).statistic >= 0.8
