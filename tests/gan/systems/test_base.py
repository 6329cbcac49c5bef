from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD

from otgan.gan.datasets.batches import Batches
from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.networks import Kind, Prior, Space
from otgan.gan.systems import SYSTEMS
from otgan.gan.systems.base import adam, descend, fake, generate
from otgan.gan.systems.vae import VAE
from otgan.gan.systems.wgan import WGAN
from otgan.gan.training.state import State


def test_a_descent_moves_and_reaches_the_parameters_of_its_optimizer_alone():
    mine, other = nn.Linear(2, 1), nn.Linear(2, 1)
    before = mine.weight.detach().clone()
    loss = (mine(torch.ones(3, 2)) * other(torch.ones(3, 2))).sum()
    (slope,) = torch.autograd.grad(loss, mine.weight, retain_graph=True)
    mine.weight.grad = torch.full_like(mine.weight, 1e6)  # left by somebody else
    descend(SGD(mine.parameters(), lr=0.1), loss)
    assert torch.allclose(mine.weight, before - 0.1 * slope)
    assert other.weight.grad is None


def test_fakes_have_no_graph_and_generated_ones_have_both_in_full_precision():
    nets = {"generator": nn.Linear(4, 2).to(torch.bfloat16).double().float()}
    batches = Batches(torch.zeros(10, 2), 5, 4, Prior.NORMAL, 0)
    other = Batches(torch.zeros(10, 2), 5, 4, Prior.NORMAL, 0)
    constant, graph = fake(nets, batches), generate(nets, other)
    assert torch.equal(constant, graph)
    assert constant.dtype == torch.float32
    assert (constant.requires_grad, graph.requires_grad) == (False, True)


def test_adam_is_over_all_networks_that_it_is_given():
    nets = [nn.Linear(2, 3), nn.Linear(3, 1)]
    group = adam(nets, 0.01, (0.5, 0.9)).param_groups[0]
    assert [id(p) for p in group["params"]] == [id(p) for net in nets for p in net.parameters()]
    assert (group["lr"], group["betas"]) == (0.01, (0.5, 0.9))


@pytest.mark.parametrize("name", SYSTEMS)
def test_presets_are_those_of_the_kind_and_give_way_to_options(name):
    kind = SYSTEMS[name]
    assert kind.name == name
    for data in Kind:
        found = kind.for_data(data)
        preset = kind.presets.get(data, kind.presets[Kind.wider(data)])
        assert all(getattr(found, option) == value for option, value in preset.items())
        assert kind.for_data(data, {"batch": 7}).batch == 7
        assert kind.steps_for(data) > 0
    assert kind.for_data("") == kind()


def test_steps_of_a_system_that_says_nothing_of_them_are_a_thousand():
    assert (WGAN.steps_for("images"), WGAN.steps_for("color images"), WGAN.steps_for("")) == (
        4000,
        4000,
        1000,
    )


def test_a_negative_estimate_is_doubted_and_no_other():
    assert "the critic has not learned" in WGAN().doubt([{"wasserstein": -1.0}, {"wasserstein": -0.1}])
    for recent in ([], [{"wasserstein": -1.0}, {"wasserstein": 0.1}], [{"step": 3}]):
        assert WGAN().doubt(recent) is None
    assert VAE().doubt([{"elbo": -5.0}]) is None


@pytest.mark.parametrize("name", [name for name in SYSTEMS if hasattr(SYSTEMS[name], "n_critic")])
def test_rivals_are_updated_as_often_as_wanted(name):
    """Each of their updates takes a mini-batch of its own, or two where a divergence is between two of either side."""
    more = {"features": 3} if hasattr(SYSTEMS[name], "features") else {}
    data, taken = TrainingData.of(np.random.default_rng(0).normal(size=(200, 2)), 0), []
    for n_critic in (1, 4):
        system = SYSTEMS[name].for_data("points", {"batch": 8, "width": 4, "n_critic": n_critic, **more})
        state = State.start(system, data, 0, torch.device("cpu"))
        system.step(state.nets, state.optimizers, state.batches)
        taken.append(state.batches.position // 8)
    assert taken[1] - taken[0] == 3 * (2 if getattr(system, "form", None) == "two-batch" else 1)


@pytest.mark.parametrize("name", ["gan", "wgan", "wgan-gp", "sinkhorn", "smoothed-ot"])
def test_what_samples_go_into_has_a_width_of_its_own(name):
    features = {"features": 3} if hasattr(SYSTEMS[name], "features") else {}
    for critic_width, expected in ((0, 8), (4, 4)):
        options = {"width": 8, "depth": 1, "critic_width": critic_width, **features}
        system = SYSTEMS[name].for_data("points", options)
        with torch.device("meta"):
            nets = system.networks(Space((2,)))
        widths = {key: next(iter(net.parameters())).shape[0] for key, net in nets.items()}
        assert widths.pop("generator") == 8
        assert set(widths.values()) == {expected}


def test_only_systems_that_have_something_to_tell_samples_or_codes_apart_have_a_width_for_it():
    without = {
        name for name, kind in SYSTEMS.items() if "critic_width" not in {each.name for each in fields(kind)}
    }
    assert without == {"vae", "wae-mmd"}
