"""Hyperparameters in words: every one of every system has a meaning and a default."""

import dataclasses

import pytest

from otgan.gan import SYSTEMS
from otgan.gan.systems.described import hyperparameters


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_hyperparameter_is_described(name):
    found = {each.name: each for each in hyperparameters(SYSTEMS[name])}
    assert set(found) == {field.name for field in dataclasses.fields(SYSTEMS[name])}
    for each in found.values():
        assert each.meaning or each.type, each.name
        assert each.default


def test_defaults_are_those_for_the_kinds_of_data():
    found = {each.name: each for each in hyperparameters(SYSTEMS["sinkhorn"])}
    assert found["epsilon"].default == "0.02 for points, 0.5 for small, 0.03 for images, 0.5 for color images"
    assert found["beta1"].default == "0.5"
    assert found["epsilon"].meaning == "ε, in units of the cost."
    assert found["batch"].type == "int"
