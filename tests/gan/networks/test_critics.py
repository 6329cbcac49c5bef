import pytest
import torch
from torch import nn

from otgan.gan.networks import Joint, Space, critic
from tests.gan.networks.made import CASES, filled


@pytest.mark.parametrize(("shape", "network"), CASES)
def test_shapes_and_no_statistics_of_the_batch(shape, network):
    space, x = Space(shape), torch.rand(3, *shape)
    judge = filled(critic, space, network, width=8, depth=2)
    assert judge(x).shape == (3,)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in judge.modules())
    assert torch.allclose(judge(x)[:1], judge(x[:1]), atol=1e-5)
    assert filled(critic, space, network, width=8, depth=2, outputs=7)(x).shape == (3, 7)
    normalized = filled(critic, space, network, width=8, depth=2, norm=True)
    assert any(isinstance(m, nn.BatchNorm2d) for m in normalized.modules()) == (network != "mlp")


def test_a_critic_of_pairs_sees_both():
    body, head = nn.Linear(2, 3), nn.Linear(5, 1)
    x, z = torch.randn(4, 2), torch.randn(4, 2)
    found = Joint(body, head)(x, z)
    expected = body(x) @ head.weight[0, :3] + z @ head.weight[0, 3:] + head.bias
    assert torch.allclose(found, expected, atol=1e-6)
