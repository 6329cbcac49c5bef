import pytest
import torch

from otgan.gan.errors import OptionError
from otgan.gan.networks import Space
from otgan.gan.systems.wgan import WGAN
from otgan.gan.training.request import Request, choose_system

NOTHING = {
    **dict.fromkeys(
        (
            "steps",
            "out",
            "options",
            "modules",
            "save_every",
            "evaluate_every",
            "data_dir",
            "callbacks",
            "labels",
            "preset",
        )
    ),
    **dict.fromkeys(("conditional", "resume", "progress", "tensorboard"), False),
    "system": "gan",
    "data": "8gaussians",
    "seed": 0,
    "device": "cpu",
}


def test_what_is_given_gets_its_type(tmp_path):
    found = Request.checked(**{**NOTHING, "out": tmp_path, "steps": 3.0, "resume": True})
    assert (found.out, found.steps, found.resume) == (str(tmp_path), 3, True)
    assert type(found.steps) is int
    assert (found.options, found.modules, found.device) == ({}, {}, torch.device("cpu"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resume": True}, "to resume, name the folder of the run: out"),
        ({"tensorboard": True}, "TensorBoard's files need a folder: out"),
        ({"system": "wgang"}, "no system 'wgang'; there are gan, wgan"),
        ({"system": WGAN(), "options": {"clip": 1}}, "give options to the system itself"),
        ({"system": WGAN}, "or a System that was made"),
        ({"steps": 0}, "steps must be a whole number"),
        ({"preset": "images"}, "gan has no preset 'images': there is 'paper', of gan, wgan, wgan-gp"),
        ({"system": "vae", "preset": "paper"}, "vae has no preset 'paper': there is 'paper', of gan"),
        ({"system": WGAN(), "preset": "paper"}, "give options to the system itself"),
    ],
)
def test_what_cannot_be_is_named(given, message):
    with pytest.raises(OptionError, match=message):
        Request.checked(**{**NOTHING, **given})


def test_a_system_is_chosen_for_the_data_or_taken_as_it_is():
    assert choose_system("wgan", Space((2,)), {"lr": 1}) == WGAN.for_data("points", {"lr": 1})
    assert choose_system("wgan", Space((1, 28, 28)), None) == WGAN.for_data("images")
    assert choose_system("wgan", Space((3, 32, 32)), {"lr": 1}, "paper") == WGAN.for_data("paper", {"lr": 1})
    mine = WGAN(clip=0.5)
    assert choose_system(mine, Space((2,)), {}) is mine
