import pytest
import torch

from otgan.gan.errors import RunError
from otgan.gan.networks import Space, code_velocity, velocity
from tests.gan.networks.made import filled


@pytest.mark.parametrize(
    ("shape", "network"),
    [
        ((3,), "auto"),
        ((1, 8, 8), "auto"),
        ((3, 20, 24), "auto"),
        ((3, 32, 32), "deep-resnet"),
        ((1, 8, 8), "dcgan"),
        ((1, 28, 28), "mlp"),
    ],
)
def test_velocities_have_the_shape_of_their_places_and_know_the_time(shape, network):
    net = filled(velocity, Space(shape), network, width=6, depth=2)
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    found = net(x, torch.linspace(0, 1, 4))
    assert found.shape == x.shape
    assert torch.isfinite(found).all()
    assert not torch.allclose(found, net(x, torch.zeros(4)))
    # Each sample by itself: nothing is normalized over the batch.
    assert torch.allclose(net(x[:1], torch.zeros(1)), net(x, torch.zeros(4))[:1], atol=1e-5)


def test_a_deep_network_goes_down_to_the_lowest_resolution():
    for shape, levels in (((3, 32, 32), 4), ((1, 28, 28), 3), ((3, 64, 64), 5)):
        assert len(filled(velocity, Space(shape), "deep-resnet", width=2, depth=1).down) == levels


def test_every_weight_matters():
    for net, x in (
        (filled(velocity, Space((3, 32, 32)), "deep-resnet", width=4, depth=2), torch.rand(3, 3, 32, 32)),
        (filled(velocity, Space((1, 20, 20)), "auto", width=4, depth=2), torch.rand(3, 1, 20, 20)),
        (filled(code_velocity, 5, width=8, depth=2), torch.rand(3, 5)),
    ):
        net(x, torch.tensor([0.1, 0.5, 0.9])).square().sum().backward()
        assert all(p.grad is not None and bool(p.grad.any()) for p in net.parameters())


def test_times_are_told_apart():
    """The numbers that stand for them are a curve that does not meet itself."""
    net = filled(code_velocity, 1, width=64, depth=1)
    values = net(torch.zeros(101, 1), torch.linspace(0, 1, 101))
    assert len(values.unique()) == 101


def test_images_that_cannot_be_halved_twice_are_refused():
    with pytest.raises(RunError, match="sides are multiples of 4, got 20 x 21"):
        velocity(Space((1, 20, 21)), "auto", width=4, depth=2)
