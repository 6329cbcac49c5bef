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
    rule, values = moving_average(0.5), [torch.zeros(()), torch.zeros(2)]
    current = [torch.ones(()), torch.full((2,), 3.0)]
    expected = 0.0
    for count in range(12):
        rule(values, current, count)
        decay = min(0.5, (1 + count) / (10 + count))
        expected = decay * expected + (1 - decay)
        assert float(values[0]) == pytest.approx(expected, abs=1e-6)
        assert values[1].tolist() == pytest.approx([3 * expected] * 2, abs=1e-5)
    late = [torch.tensor(0.0)]
    rule(late, [torch.tensor(1.0)], 10**6)
    assert float(late[0]) == 0.5


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
