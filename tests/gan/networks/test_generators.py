import pytest
import torch
from torch import nn

from otgan.gan.networks import Space, generator
from tests.gan.networks.made import CASES, filled


@pytest.mark.parametrize(("shape", "network"), CASES)
@pytest.mark.parametrize("norm", [True, False])
def test_shapes_and_ranges(shape, network, norm):
    make = filled(generator, Space(shape), network, latent=5, width=8, depth=2, norm=norm)
    x = make(torch.randn(3, 5))
    assert x.shape == (3, *shape)
    if len(shape) == 3:
        assert x.min() >= 0
        assert x.max() <= 1
    assert any(isinstance(m, nn.BatchNorm2d) for m in make.modules()) == (norm and network != "mlp")
