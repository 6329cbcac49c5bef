import pytest

from otgan.gan.errors import OptionError, RunError
from otgan.gan.networks import Architecture, Space, critic, generator
from otgan.gan.networks.architectures import architecture_for

POINTS, SMALL, IMAGES = Space((2,)), Space((1, 8, 8)), Space((1, 28, 28))


def test_the_data_decide_where_nothing_is_asked_for():
    found = [architecture_for(space, Architecture.AUTO) for space in (POINTS, SMALL, IMAGES)]
    assert found == [Architecture.MLP, Architecture.MLP, Architecture.DCGAN]
    assert architecture_for(IMAGES, "resnet") is Architecture.RESNET


def test_shapes_that_networks_cannot_take():
    options = {"latent": 5, "width": 8, "depth": 2}
    with pytest.raises(RunError, match="dcgan takes images, got points of 2"):
        generator(POINTS, "dcgan", **options)
    with pytest.raises(RunError, match="multiples of 4, got 30 x 28"):
        generator(Space((1, 30, 28)), "resnet", **options)
    with pytest.raises(
        OptionError, match="network must be one of auto, mlp, dcgan, resnet, deep-resnet, got 'unet'"
    ):
        critic(POINTS, "unet", width=8, depth=2)
