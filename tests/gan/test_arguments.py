"""Every argument of training and of a run, given every wrong kind, ends in one sentence before anything is made."""

import dataclasses
import datetime
import decimal
import os
import threading

import numpy as np
import pytest
import torch
from torch import nn

from otgan.data import DataError
from otgan.gan import SYSTEMS, OptionError, Run, RunError, train
from otgan.gan.arguments import shown
from otgan.gan.systems.wgan import WGAN

SMALL = {"batch": 8, "width": 4, "depth": 1, "latent": 2}


class Unspeakable:
    def __repr__(self):
        raise RuntimeError("no words")


KINDS = (
    *(
        None,
        True,
        False,
        0,
        -1,
        3,
        1.5,
        float("nan"),
        float("inf"),
        -float("inf"),
        1e300,
        10**30,
        10**5000,
        2 + 1j,
    ),
    *(
        "a",
        "",
        "\0",
        "yes",
        "nan",
        "1e400",
        b"a",
        [],
        [1],
        ["a"],
        (1, 2),
        {"a": 1},
        {1: 2},
        {1, 2},
        range(3),
        ...,
    ),
    *(
        np.array(3),
        np.array([1.0, 2.0]),
        torch.tensor(1),
        torch.tensor([1.0, 2.0]),
        np.bool_(True),
        np.float32(1.5),
    ),
    *(np.datetime64("2020"), decimal.Decimal(2), datetime.date(2020, 1, 1), object, object(), Unspeakable()),
    *(lambda: 0, (k for k in range(3)), nn.Linear(2, 2), nn.Linear, threading.Lock()),
)

# What each argument may be after all, of these.
RIGHT = {
    "system": (),
    "steps": (3,),
    "seed": (0, 3, 10**30),
    "out": ("a", "yes", "nan", "1e400"),
    "resume": (False,),
    "options": (),
    "modules": (),
    "device": (),
    "save_every": (3, 10**30),
    "evaluate_every": (3, 10**30),
    "data_dir": ("a", "yes", "nan", "1e400"),
    "progress": (True, False, np.bool_(True)),
    "tensorboard": (False,),
}


def is_one_of(value, right):
    return any(type(value) is type(each) and value == each for each in right)


def name(value):
    try:
        return f"{type(value).__name__} {value!r}"[:40]
    except (RuntimeError, ValueError):
        return type(value).__name__


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).normal(size=(60, 2))


@pytest.fixture(scope="module", params=["gan", "wae-mmd"])
def run(request, points, tmp_path_factory):
    return train(request.param, points, 2, 0, tmp_path_factory.mktemp("run") / "run", options=SMALL)


def refuses(attempt, *errors):
    with pytest.raises(errors) as caught:
        attempt()
    message = str(caught.value)
    assert message
    assert len(message.splitlines()) == 1
    assert len(message) < 400
    return message


@pytest.mark.parametrize("argument", RIGHT)
def test_every_argument_of_train(argument, points, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for value in KINDS:
        if value is None or is_one_of(value, RIGHT[argument]):
            continue
        arguments = {"system": "gan", "data": points, "steps": 2, "options": SMALL, argument: value}
        if argument == "steps" and is_one_of(value, (10**30, 1e300)):
            assert "less than 2**63" in refuses(lambda given=arguments: train(**given), OptionError)
            continue
        message = refuses(lambda given=arguments: train(**given), OptionError)
        assert argument.removesuffix("s") in message.lower() or shown(value) in message
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": "a"}, "steps must be a whole number of at least 1, got 'a'"),
        ({"steps": float("nan")}, "steps must be a whole number of at least 1, got nan"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"seed": 1.5}, "seed must be a whole number of at least 0, got 1.5"),
        ({"device": 3}, "device: expected one such as 'cpu' or 'cuda', got 3"),
        ({"modules": [nn.Linear(2, 2)]}, "modules must be a dict such as {'generator': torch.nn.Linear(2, 2)}, got"),
        ({"modules": {"generator": nn.Linear}}, "modules: generator must be a torch.nn.Module, got"),
        ({"options": ["batch"]}, "options must be a dict such as {'batch': 64}, got ['batch']"),
        ({"out": 3}, "out must be a path, such as 'runs/first', got 3"),
        ({"save_every": 0}, "save_every must be a whole number of at least 1, got 0"),
        ({"resume": "yes"}, "resume must be True or False, got 'yes'"),
        ({"progress": None}, "progress must be True or False, got None"),
        ({"system": WGAN}, "system must be one of gan, wgan, wgan-gp"),
        ({"options": {**SMALL, "width": 2 * 10**9, "depth": 2}}, "ask for too much memory; choose smaller ones"),
        ({"options": {**SMALL, "lr": float("nan")}}, "option lr takes float, got nan"),
        ({"options": {**SMALL, "lr": -1}}, "lr must not be negative, got -1"),
        ({"options": {**SMALL, "lr": 1e300}}, "lr must be between -1e+30 and 1e+30"),
        ({"options": {**SMALL, "beta1": 1}}, "beta1 must be in [0, 1), got 1"),
        ({"modules": {"generator": nn.LazyLinear(2)}}, "modules: generator has weight of no size yet: call it once"),
        ({"modules": {"critic": nn.Linear(2, 3)}}, "your critic must make one number a row, shape (8,) or (8, 1), got"),
        ({"modules": {"critic": nn.Linear(3, 1)}}, "your critic cannot be trained with this system: mat1 and mat2"),
        ({"modules": {"generator": nn.Linear(3, 2)}}, "your generator cannot take rows of shape (2,): mat1 and mat2"),
        ({"modules": {"generator": nn.Identity()}}, "must have parameters that are not frozen, got none"),
    ],
)  # fmt: skip
def test_the_sentence_says_what_was_expected_and_what_arrived(given, message, points):
    assert message in refuses(
        lambda: train(**{"system": "gan", "data": points, "steps": 2, "options": SMALL, **given}),
        OptionError,
        RunError,
    )


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_option_of_every_system(system):
    for field in dataclasses.fields(SYSTEMS[system]):
        kind = type(getattr(SYSTEMS[system](), field.name))
        for value in KINDS:
            fits = {
                bool: isinstance(value, (bool, np.bool_)) or (type(value) is int and value in {0, 1}),
                int: type(value) is int and 0 <= value < 2**31,
                float: isinstance(value, (int, float, np.float32)) and not isinstance(value, bool),
            }.get(kind, False)
            if (
                fits
                or value is None
                or (field.name == "features" and type(value) is int and value >= 0)
                or (field.name == "enough" and isinstance(value, (int, float, np.float32)))
            ):
                continue
            refuses(lambda given={field.name: value}: SYSTEMS[system].for_data("points", given), OptionError)
            refuses(lambda given={field.name: value}: SYSTEMS[system](**given), OptionError)


def test_numbers_of_other_libraries_are_numbers(points, tmp_path):
    options = {**SMALL, "batch": np.int64(8), "lr": np.float64(1e-3)}
    run = train("gan", points, np.int64(2), np.int32(1), tmp_path, options=options, save_every=2.0)
    assert Run.load(tmp_path).system == run.system
    assert type(run.system.batch) is int
    assert WGAN(batch=np.int64(4)).batch == 4


def test_steps_that_are_too_large_diverge_in_a_sentence(points):
    for system in ("sinkhorn", "smoothed-ot", "gan", "wae-mmd", "vae"):
        message = refuses(
            lambda name=system: train(name, points, 40, options={**SMALL, "lr": 1e25}), RunError
        )
        assert message.startswith("step ")


def test_every_argument_of_a_run(run, points, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    encodes = run.system.name == "wae-mmd"
    one = points[0]
    rows = (OptionError, DataError, RunError)
    attempts = {
        "n": (run.sample, (3, 10**30), (OptionError, DataError)),
        "seed": (lambda value: run.sample(3, value), (None, 0, 3, 10**30), (OptionError,)),
        "against": (run.evaluate, (None,), rows),
        "judged": (lambda value: run.evaluate(points, n=value), (3,), (OptionError,)),
        "judged seed": (lambda value: run.evaluate(points, n=2, seed=value), (0, 3, 10**30), (OptionError,)),
        "path": (lambda value: run.write_samples(value, 3), (), (OptionError,)),
        "codes": (run.decode, (), (OptionError,)),
        "rows": (run.encode, (), (OptionError,)),
        "made again": (run.reconstruct, (), (OptionError,)),
        "modules": (lambda value: Run.load(run.folder.path, modules=value), (None,), (OptionError,)),
        "device": (lambda value: Run.load(run.folder.path, device=value), (None,), (OptionError,)),
        "folder": (Run.load, (), (OptionError, RunError)),
    }
    if encodes:
        attempts |= {
            "traversed": (run.traverse, ((1, 2),), (OptionError,)),
            "steps": (lambda value: run.traverse(one, value), (3,), (OptionError, DataError)),
            "reach": (lambda value: run.traverse(one, reach=value), (0, -1, 3, 1.5, np.float32(1.5), 10**30), (OptionError,)),
            "drawn": (lambda value: run.encode(points, value), (None, 0, 3, 10**30), (OptionError,)),
        }  # fmt: skip
    for what, (attempt, right, errors) in attempts.items():
        for value in KINDS:
            pair = isinstance(value, (np.ndarray, torch.Tensor)) and value.ndim == 1 and what == "traversed"
            if pair or is_one_of(value, right):
                continue
            refuses(lambda value=value, attempt=attempt: attempt(value), *errors)
    assert os.listdir(tmp_path) == []
