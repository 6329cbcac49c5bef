import pytest
import torch
from torch import nn

from otgan.gan.networks import NoiseFed, Space, encoder, initialize, mlp
from tests.gan.networks.made import CASES, CPU, filled


@pytest.mark.parametrize(("shape", "network"), CASES)
@pytest.mark.parametrize("norm", [True, False])
def test_shapes(shape, network, norm):
    x = torch.rand(3, *shape)
    for outputs in (1, 4):
        network_made = filled(encoder, Space(shape), network, width=8, depth=2, outputs=outputs, norm=norm)
        assert network_made(x).shape == (3, outputs)
    assert any(isinstance(m, nn.BatchNorm2d) for m in network_made.modules()) == (norm and network != "mlp")


def test_moments_of_an_implicit_posterior_are_those_of_its_codes():
    network = NoiseFed(nn.Linear(3, 4 * 2), mlp(5, 5 * 2, width=16, depth=1), 2)
    initialize(network, torch.Generator().manual_seed(0), CPU)
    rng = torch.Generator().manual_seed(1)
    x, noise = torch.randn(6, 3, generator=rng), torch.randn(400, 5, generator=rng)
    codes = torch.stack([network(row.expand(400, 3), noise) for row in x])
    mean, variance = network.moments(x, noise)
    assert torch.allclose(mean, codes.mean(1), atol=1e-5)
    assert torch.allclose(variance, codes.var(1, correction=0), rtol=1e-4, atol=1e-6)
