from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.errors import OptionError, RunError
from otgan.gan.systems.wae import WAEMMD
from otgan.gan.training.averages import load_model, moving_average
from otgan.gan.training.schedule import Schedule
from otgan.gan.training.settings import Settings
from otgan.gan.training.state import State

CPU, HERE = torch.device("cpu"), Path("here")
SYSTEM = WAEMMD(batch=8, width=4, depth=1, latent=2)
DATA = TrainingData.of(np.random.default_rng(0).normal(size=(60, 2)) * 30 + 5, 0)


@pytest.fixture
def state():
    return State.start(SYSTEM, DATA, 0, CPU)


@pytest.fixture
def settings():
    return Settings.of(SYSTEM, DATA.describe(), 0, {}, CPU, Schedule(3))


def test_an_average_forgets_faster_at_first():
    network = nn.Linear(2, 1)
    average = moving_average(network, 0.5)
    expected = 0.0
    for count in range(12):
        with torch.no_grad():
            network.weight.fill_(float(count > 0))
            network.bias.fill_(3.0 * (count > 0))
        average.update_parameters(network)
        decay = min(0.5, (1 + count) / (10 + count))
        expected = decay * expected + (1 - decay) if count else 0.0
        assert average.module.weight[0].tolist() == pytest.approx([expected] * 2, abs=1e-6)
        assert average.module.bias.item() == pytest.approx(3 * expected, abs=1e-5)
    with torch.no_grad():
        average.n_averaged.fill_(10**6)
        network.weight.fill_(2.0)
        before = average.module.weight.clone()
    average.update_parameters(network)
    assert torch.allclose(average.module.weight, (before + 2) / 2)


def test_whole_numbers_among_the_weights_are_those_of_the_network():
    network = nn.Linear(2, 1)
    network.places = nn.Parameter(torch.arange(3), requires_grad=False)
    average = moving_average(network, 0.5)
    for _ in range(3):
        network.places += 1
        average.update_parameters(network)
    assert average.module.places.tolist() == [3, 4, 5]


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_compiled_networks_are_averaged():
    network = torch.jit.trace(nn.Linear(2, 1), torch.zeros(1, 2))
    average = moving_average(network, 0.999)
    assert all(value.is_leaf for value in average.parameters())
    average.update_parameters(network)
    assert torch.equal(average(torch.ones(1, 2)), network(torch.ones(1, 2)))


def test_a_network_without_weights_has_an_average_that_follows_its_buffers():
    network = nn.BatchNorm1d(2, affine=False)
    average = moving_average(network, 0.9)
    for _ in range(2):
        network(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        average.update_parameters(network)
        assert torch.equal(average.module.running_mean, network.running_mean)


def test_the_model_of_a_checkpoint_is_that_of_the_training(state, settings):
    content = {"step": 7, **state.state_dict()}
    model = load_model(settings, content, {}, CPU, HERE)
    there = state.model(SYSTEM, DATA.space)
    assert (model.step, model.system, model.space) == (7, SYSTEM, DATA.space)
    assert np.array_equal(model.sample(5, seed=1), there.sample(5, seed=1))
    assert np.array_equal(model.encode(DATA.held_out.points), there.encode(DATA.held_out.points))
    assert not any(p.requires_grad for net in model.networks.values() for p in net.parameters())


def test_what_does_not_fit_is_one_sentence(state, settings):
    content = {"step": 7, **state.state_dict()}
    wide = replace(settings, options={**settings.options, "width": 5})
    for given, changed, own, error, message in (
        (wide, {}, {}, RunError, r"here: its generator does not fit: 0.weight has the shape \(4, 2\)"),
        (settings, {"averages": {}}, {}, RunError, "here: its generator does not fit"),
        (
            settings,
            {"scaling": {"center": torch.zeros(2), "scale": -1.0}},
            {},
            RunError,
            "units cannot be read",
        ),
        (settings, {}, {"critic": nn.Linear(2, 1)}, OptionError, "wae-mmd has no network 'critic'; it has"),
        (replace(settings, modules=("encoder",)), {}, {}, RunError, "trained with a encoder of your own"),
        (
            replace(settings, system="nosuch"),
            {},
            {},
            RunError,
            "config.json names a system that there is not",
        ),
        (
            replace(settings, options={"x": 1}),
            {},
            {},
            RunError,
            "config.json names a system that there is not",
        ),
    ):
        with pytest.raises(error, match=message):
            load_model(given, {**content, **changed}, own, CPU, HERE)
