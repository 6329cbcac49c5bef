import pytest
import torch

from otgan.gan.datasets.scaling import Scaling
from otgan.gan.networks import Space

PLANE = Space((2,))


def points(scale, shift):
    return shift + scale * torch.randn(500, 2, generator=torch.Generator().manual_seed(0))


def test_points_far_from_standard_are_centred_and_divided_by_one_number():
    x = points(torch.tensor([50.0, 5.0]), 1000.0)
    scaling = Scaling.of(x, PLANE)
    u = scaling.to_units(x)
    assert torch.allclose(u.mean(0), torch.zeros(2), atol=1e-3)
    assert float(u.square().mean()) == pytest.approx(1, rel=1e-3)
    assert float(u[:, 0].std() / u[:, 1].std()) == pytest.approx(
        float(x[:, 0].std() / x[:, 1].std()), rel=1e-3
    )
    assert torch.allclose(scaling.to_data(u), x, rtol=1e-5)


def test_points_that_are_about_standard_and_images_keep_their_units():
    for x, space in ((points(1.2, 0.1), PLANE), (torch.rand(9, 1, 4, 4) / 50, Space((1, 4, 4)))):
        scaling = Scaling.of(x, space)
        assert torch.equal(scaling.to_units(x), x)
        assert torch.equal(scaling.to_data(x), x)


def test_points_that_are_all_one_have_a_unit():
    scaling = Scaling.of(torch.full((5, 2), 7.0), PLANE)
    assert torch.equal(scaling.to_units(torch.full((1, 2), 8.0)), torch.ones(1, 2))


def test_it_is_read_back_and_nothing_else_is():
    scaling = Scaling.of(points(50.0, 1000.0), PLANE)
    again = Scaling.read(scaling.state_dict())
    assert torch.equal(again.center, scaling.center)
    assert again.scale == scaling.scale
    for change in (
        {"center": 3},
        {"center": torch.tensor([float("nan"), 0.0])},
        {"scale": 0.0},
        {"scale": 1},
    ):
        with pytest.raises(ValueError, match=r"its (center|scale)"):
            Scaling.read({**scaling.state_dict(), **change})
