import pytest
import torch

from otgan.gan.features import FEATURES, FeatureNames, Learning
from tests.gan.features.data import DATA, start


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", FEATURES)
def test_rows_are_of_the_size_that_is_asked_for(name, data):
    given = f"{name}:6" if FEATURES[name].default else name
    system, state = start(data, features=given)
    x = state.batches.real()
    rows = system.rows(state.nets, x)
    assert rows.shape == (24, 6 if FEATURES[name].default else x[0].numel())
    assert rows.dtype == torch.float32


def test_maps_stand_side_by_side():
    system, state = start("digits", features="samples+random:7")
    x = state.batches.real()
    rows = system.rows(state.nets, x)
    first, second = FeatureNames.read("features", "samples+random:7").maps()
    assert torch.equal(rows, torch.cat([first.rows(state.nets, x), second.rows(state.nets, x)], 1))


def test_when_maps_learn():
    assert {name: kind.learning for name, kind in FEATURES.items()} == {
        "samples": Learning.NEVER,
        "adversarial": Learning.AGAINST,
        "lipschitz": Learning.AGAINST,
        "autoencoder": Learning.FIRST,
        "wae": Learning.FIRST,
        "random": Learning.NEVER,
    }
