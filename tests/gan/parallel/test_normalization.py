import pytest
import torch
from torch import nn

from otgan.gan.parallel.division import divided, shared_calls
from otgan.gan.parallel.normalization import forward_of
from tests.gan.parallel.threads import ranks

X = torch.randn(5, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
WEIGHTS = torch.randn(5, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def computed(net):
    """A value, its gradient, and the gradient of that one's square."""
    x = X.clone().requires_grad_()
    found = net(x)
    (first,) = torch.autograd.grad((found * WEIGHTS).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(
        (first.square() + 0 * x).sum(), x
    )  # it is linear where it is not training
    return found.detach(), first.detach(), second, *net.buffers()


@pytest.mark.parametrize("size", [2, 6])
@pytest.mark.parametrize(
    "options", [{}, {"momentum": None}, {"affine": False}, {"track_running_stats": False}]
)
@pytest.mark.parametrize("training", [True, False])
def test_rows_are_normalized_by_those_of_all_ranks(size, options, training):
    def made():
        return nn.BatchNorm2d(3, **options).double().train(training)

    def act(team):
        net = made()
        with shared_calls({"net": net}, forward_of), divided(team):
            return computed(net)

    expected = computed(made())
    for found in ranks(size, act):
        for one, other in zip(found, expected, strict=True):
            assert torch.allclose(one, other, atol=1e-12)


def test_a_single_value_has_no_variance():
    def act(team):
        net = nn.BatchNorm1d(3)
        with shared_calls({"net": net}, forward_of), divided(team):
            return net(torch.ones(1, 3))

    for found in ranks(2, act):
        assert isinstance(found, ValueError)
        assert "more than one number a channel" in str(found)
