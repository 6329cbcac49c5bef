import pytest
import torch
from torch import nn

from otgan.gan.networks import ACTIVATIONS, Activation, mlp, residual_mlp
from otgan.gan.networks.layers import Centered, Residual, normalized


@pytest.mark.parametrize("activation", Activation)
def test_an_mlp_has_its_width_depth_and_activation(activation):
    layers = list(mlp(3, 5, width=7, depth=2, activation=activation))
    assert [(layer.in_features, layer.out_features) for layer in layers[::2]] == [(3, 7), (7, 7), (7, 5)]
    assert {type(layer) for layer in layers[1::2]} == {ACTIVATIONS[activation]}


def test_pixels_are_centred():
    assert torch.equal(Centered()(torch.tensor([0.0, 0.5, 1.0])), torch.tensor([-1.0, 0.0, 1.0]))


@pytest.mark.parametrize(
    ("resample", "side"), [(None, 8), (nn.AvgPool2d(2), 4), (nn.Upsample(scale_factor=2), 16)]
)
@pytest.mark.parametrize("out", [4, 6])
def test_a_residual_block_adds_its_branches_and_changes_both_their_resolutions(resample, side, out):
    block, x = Residual(4, out, norm=True, resample=resample), torch.randn(2, 4, 8, 8)
    found = block(x)
    assert found.shape == (2, out, side, side)
    assert torch.allclose(found, block.skip(x) + block.branch(x), atol=1e-5)
    for parameter in block.branch.parameters():
        nn.init.zeros_(parameter)
    if out == 4 and resample is None:
        assert torch.equal(block(x), x)


def test_normalization_is_of_the_batch_and_only_where_wanted():
    assert [type(layer) for layer in normalized(3, True)] == [nn.BatchNorm2d, nn.ReLU]
    assert [type(layer) for layer in normalized(3, False)] == [nn.ReLU]


def test_residual_blocks_add_to_what_they_are_given():
    net = residual_mlp(3, 2, width=5, depth=2)
    x = torch.randn(4, 3)
    first, act, one, two, last = net
    h = act(first(x))
    for block in (one, two):
        h = torch.relu(h + block.branch(h))
    assert torch.equal(net(x), last(h))
    assert net(x).shape == (4, 2)
