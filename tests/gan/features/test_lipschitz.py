import pytest
import torch
from torch import nn

from otgan.gan.errors import OptionError
from otgan.gan.features.lipschitz import Lipschitz
from tests.gan.features.data import DATA, start


@pytest.mark.parametrize("data", DATA)
def test_rows_are_the_outputs(data):
    system, state = start(data, features="lipschitz:5")
    x = state.batches.real()
    assert torch.equal(system.rows(state.nets, x), state.nets["features"](x))


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_map_is_charged_for_its_slopes_along_directions_of_length_root_k(outputs):
    rng = torch.Generator().manual_seed(0)
    linear = nn.Linear(4, outputs, bias=False)
    x, directions = torch.randn(6, 4, generator=rng), torch.randn(6, outputs, generator=rng)
    found = Lipschitz(outputs).steepness({"features": linear}, x, directions)
    units = directions / directions.norm(dim=1, keepdim=True) * outputs**0.5
    expected = ((units @ linear.weight).norm(dim=1) - 1).square().mean()
    assert torch.allclose(found, expected)
    found.backward()
    assert linear.weight.grad.abs().min() > 0
    if outputs == 1:  # whatever the direction, as of a critic
        assert torch.allclose(found, (linear.weight.norm() - 1).square())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sinkhorn", {"n_critic": 4, "lr_features": 1e-2}),
        ("smoothed-ot", {"n_dual": 4, "lr_dual": 1e-2, "self_terms": True}),
        ("smoothed-ot", {"n_dual": 4, "lr_dual": 1e-2, "self_terms": False}),
    ],
)
def test_features_come_to_the_slope_that_they_are_held_to(name, options):
    system, state = start("8gaussians", name, features="lipschitz:3", power=1.0, **options)
    with torch.no_grad():
        for parameter in state.nets["features"].parameters():
            parameter.mul_(3)
    charged = []
    for _ in range(40):
        charged.append(system.steepness(state.nets, state.batches).item())
        system.step(state.nets, state.optimizers, state.batches)
    assert sum(charged[-5:]) < sum(charged[:5]) / 4


def test_one_map_learns_against_the_generator():
    with pytest.raises(
        OptionError, match="one map that learns against the generator, got adversarial and lipschitz"
    ):
        start("8gaussians", features="adversarial:4+lipschitz:4")
