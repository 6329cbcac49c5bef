import pytest
import torch

from tests.gan.features.data import DATA, start


@pytest.mark.parametrize("data", DATA)
def test_samples_are_rows_as_they_are(data):
    system, state = start(data, features="samples")
    x = state.batches.real()
    assert torch.equal(system.rows(state.nets, x), x.flatten(1))
    assert set(state.nets) == {"generator"}
