import pytest
import torch

from tests.gan.features.data import DATA, start


@pytest.mark.parametrize("data", DATA)
def test_rows_are_on_the_sphere(data):
    system, state = start(data, features=5)
    x = state.batches.real()
    rows = system.rows(state.nets, x)
    assert torch.allclose(rows.norm(dim=1), torch.ones(24))
    outputs = state.nets["features"](x)
    assert torch.allclose(rows, outputs / outputs.norm(dim=1, keepdim=True), atol=1e-6)
