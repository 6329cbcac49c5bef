import pytest
import torch
from torch import nn

from otgan.gan.errors import OptionError, RunError
from otgan.gan.networks import Space, critic, encoder, generator, initialize

CPU = torch.device("cpu")
CASES = [
    ((2,), "mlp"),
    ((1, 8, 8), "mlp"),
    ((1, 28, 28), "mlp"),
    ((1, 28, 28), "dcgan"),
    ((3, 32, 32), "dcgan"),
    ((1, 28, 28), "resnet"),
    ((3, 32, 32), "resnet"),
]


def filled(make, *args, seed=0, **options):
    with torch.device("meta"):
        network = make(*args, **options)
    return initialize(network, torch.Generator().manual_seed(seed), CPU)


@pytest.mark.parametrize(("shape", "network"), CASES)
@pytest.mark.parametrize("norm", [True, False])
def test_shapes_and_ranges(shape, network, norm):
    space = Space(shape)
    make = filled(generator, space, network, latent=5, width=8, depth=2, norm=norm)
    x = make(torch.randn(3, 5))
    assert x.shape == (3, *shape)
    if len(shape) == 3:
        assert x.min() >= 0
        assert x.max() <= 1
    assert any(isinstance(m, nn.BatchNorm2d) for m in make.modules()) == (norm and network != "mlp")
    judge = filled(critic, space, network, width=8, depth=2)
    assert judge(x).shape == (3,)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in judge.modules())
    assert filled(critic, space, network, width=8, depth=2, outputs=7)(x).shape == (3, 7)
    assert filled(encoder, space, network, width=8, depth=2, outputs=1, norm=norm)(x).shape == (3, 1)


def test_weights_come_from_the_given_generator_alone():
    before = torch.get_rng_state()
    space = Space((1, 28, 28))
    one, same, other = (
        filled(generator, space, "resnet", latent=5, width=8, depth=2, seed=s) for s in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    pairs = list(zip(one.state_dict().values(), same.state_dict().values(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(next(one.parameters()), next(other.parameters()))
    assert all(torch.isfinite(value).all() for value in one.state_dict().values())


def test_scale_is_kept_from_layer_to_layer():
    deep = filled(generator, Space((4,)), "mlp", latent=64, width=512, depth=12)
    out = deep(torch.randn(512, 64)).detach()
    assert 0.2 < float(out.std()) < 5


def test_shapes_that_networks_cannot_take():
    options = {"latent": 5, "width": 8, "depth": 2}
    with pytest.raises(RunError, match="dcgan takes images, got points of 2"):
        generator(Space((2,)), "dcgan", **options)
    with pytest.raises(RunError, match="multiples of 4, got 30 x 28"):
        generator(Space((1, 30, 28)), "resnet", **options)
    with pytest.raises(OptionError, match="network must be one of"):
        critic(Space((2,)), "unet", width=8, depth=2)
