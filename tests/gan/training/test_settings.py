import json
from dataclasses import replace

import pytest
import torch

from otgan.gan.datasets.training_data import DataDescription
from otgan.gan.errors import RunError
from otgan.gan.systems.wgan import WGAN
from otgan.gan.training.schedule import Schedule
from otgan.gan.training.settings import Settings

DATA = DataDescription("8gaussians", (2,), 80, 20, "abc")
SETTINGS = Settings.of(WGAN(batch=16), DATA, 3, {"critic": None}, torch.device("cpu"), Schedule(500))


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


def test_options_that_an_older_version_says_nothing_of_are_those_of_the_class():
    older = {
        name: value for name, value in SETTINGS.options.items() if name not in {"precision", "conditional"}
    }
    replace(SETTINGS, options=older).check_same(SETTINGS, "here")
    other = replace(SETTINGS, options={**SETTINGS.options, "precision": "bfloat16"})
    with pytest.raises(RunError, match="options: precision = 'auto', not 'bfloat16'"):
        replace(SETTINGS, options=older).check_same(other, "here")
