import torch
from torch import nn

from otgan.gan.networks import Space, generator, initialize
from otgan.gan.networks.layers import SmallLinear
from tests.gan.networks.made import CPU, filled


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


def test_deviations_are_of_he_and_biases_nothing():
    layers = nn.Sequential(
        nn.Linear(400, 300), nn.ReLU(), nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.Linear(500, 200)
    )
    initialize(layers, torch.Generator().manual_seed(0), CPU)
    for layer, variance in ((layers[0], 2 / 400), (layers[2], 2 / (64 * 4)), (layers[3], 1 / 500)):
        found = float(layer.weight.detach().var())
        assert abs(found / variance - 1) < 0.05
        assert not layer.bias.any()


def test_a_layer_says_its_own_gain():
    layers = nn.Sequential(SmallLinear(400, 300), nn.Linear(300, 2))
    initialize(layers, torch.Generator().manual_seed(0), CPU)
    assert abs(float(layers[0].weight.detach().var()) / (1 / 3 / 400) - 1) < 0.05
