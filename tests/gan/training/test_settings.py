import json
from dataclasses import replace

import pytest
import torch

from otgan.gan.datasets.training_data import DataDescription
from otgan.gan.errors import RunError
from otgan.gan.systems.wgan import WGAN
from otgan.gan.training.settings import FULL, QUICK, Schedule, Settings

DATA = DataDescription("8gaussians", (2,), 80, 20, "abc")
SETTINGS = Settings.of(WGAN(batch=16), DATA, 3, {"critic": None}, torch.device("cpu"), Schedule(500))


def test_a_schedule_is_what_is_asked_for_or_was_before_or_about_25_evaluations():
    assert Schedule.choose(10000, None, None) == Schedule(10000, 20, 100, 400)
    assert Schedule.choose(500, None, None) == Schedule(500, 20, 100, 100)
    assert Schedule.choose(3000, 7, 9) == Schedule(3000, 20, 7, 9)
    before = Schedule.choose(3000, 7, 9)
    assert Schedule.choose(6000, None, None, before) == Schedule(6000, 20, 7, 9)
    assert Schedule.choose(6000, 8, None, before) == Schedule(6000, 20, 8, 9)


def test_what_follows_a_step():
    schedule = Schedule(50, log_every=6, save_every=10, evaluate_every=15)
    steps = range(1, 51)
    assert [step for step in steps if schedule.saves(step)] == [10, 20, 30, 40, 50]
    assert [step for step in steps if schedule.evaluates(step)] == [15, 30, 45, 50]
    assert [step for step in steps if schedule.logs(step)] == [
        *(6, 10, 12, 15, 18, 20, 24, 30, 36, 40, 42, 45, 48, 50)
    ]
    assert [schedule.evaluated(step) for step in (0, 15, 50)] == [QUICK, QUICK, FULL]


def test_all_settings_are_in_one_flat_block():
    flat = SETTINGS.flat()
    assert not any(isinstance(value, (dict, list)) for value in flat.values())
    block = str(SETTINGS).splitlines()
    assert len(block) == len(flat)
    options = json.loads(json.dumps(SETTINGS.to_dict()))["options"]
    schedule = {"steps": 500, "log_every": 20, "save_every": 100, "evaluate_every": 100}
    rest = {"system": "wgan", "data": "8gaussians", "seed": 3, "device": "cpu", "own_modules": "critic"}
    for name, value in {**options, **schedule, **rest}.items():
        assert f"{name} = {value}" in block
    strange = replace(SETTINGS, data=replace(DATA, spec="a\nb\x1b[2J"))
    assert r"data = a\nb\x1b[2J" in str(strange).splitlines()


def test_settings_are_read_back():
    content = json.loads(json.dumps(SETTINGS.to_dict()))
    assert Settings.read(content, "here") == SETTINGS
    with pytest.raises(RunError, match="here is damaged or was changed: its checksum does not match"):
        Settings.read({**content, "seed": 4}, "here")
    del content["checksum"]
    assert Settings.read(content, "here") == SETTINGS
    with pytest.raises(RunError, match="here is damaged: its 'steps' is missing or not what it must be"):
        Settings.read({**content, "steps": 0}, "here")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"system": "gan"}, "system = 'wgan', not 'gan'"),
        ({"seed": 4}, "seed = 3, not 4"),
        ({"options": {**SETTINGS.options, "clip": 1.0}}, "options: clip = 0.01, not 1.0"),
        ({"options": {**SETTINGS.options, "more": 1}}, "options: more = None, not 1"),
        ({"data": replace(DATA, digest="abd")}, "data: digest = 'abc', not 'abd'"),
        ({"modules": ()}, r"modules = \['critic'\], not \[\]"),
        ({"device": "cuda"}, "device = 'cpu', not 'cuda'"),
        ({"schedule": Schedule(500, save_every=7)}, "save_every = 100, not 7"),
    ],
)
def test_a_run_is_not_resumed_as_another(change, message):
    with pytest.raises(RunError, match=f"here holds a run with {message}: it cannot be resumed so"):
        SETTINGS.check_same(replace(SETTINGS, **change), "here")


def test_steps_and_versions_may_change():
    SETTINGS.check_same(replace(SETTINGS, schedule=Schedule(900), versions={}), "here")
