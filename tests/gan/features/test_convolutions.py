import pytest
import torch

from tests.gan.features.data import DATA, start


@pytest.mark.parametrize("data", DATA)
def test_nobody_trains_them(data):
    system, state = start(data, features="random:9")
    before = {key: value.clone() for key, value in state.nets["filters"].state_dict().items()}
    for _ in range(3):
        system.step(state.nets, state.optimizers, state.batches)
    for key, value in state.nets["filters"].state_dict().items():
        assert torch.equal(value, before[key])


@pytest.mark.parametrize("data", DATA)
def test_rows_of_different_samples_differ_by_something_like_one(data):
    system, state = start(data, features="random:64")
    rows = system.rows(state.nets, state.batches.real())
    squares = torch.cdist(rows, rows).square().detach()
    assert 0.003 < float(squares.mean()) < 30
