import pytest
import torch

from otgan.gan.losses.ground_cost import ground_cost
from tests.gan.losses.batches import clouds


@pytest.mark.parametrize("power", [1, 1.5, 2])
def test_it_is_the_power_of_the_distance(power):
    x, y = clouds()
    expected = (x[:, None] - y).square().sum(-1).sqrt() ** power
    assert torch.allclose(ground_cost(x, y, power), expected, rtol=1e-10)
    images = x.reshape(-1, 1, 2, 1), y.reshape(-1, 1, 2, 1)
    assert torch.allclose(ground_cost(*images, power), expected, rtol=1e-10)


def test_cost_has_a_gradient_where_points_coincide():
    x = torch.zeros(3, 2, requires_grad=True)
    ground_cost(x, torch.zeros(4, 2), 1).sum().backward()
    assert torch.equal(x.grad, torch.zeros(3, 2))
