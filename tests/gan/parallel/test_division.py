import pytest
import torch
from torch import nn

from otgan.gan.errors import RunError
from otgan.gan.losses.slopes import gradient_norms
from otgan.gan.parallel.division import agreed, divided, part, shared_calls, undivided
from tests.gan.parallel.threads import ranks

X = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))


def network(outputs=2):
    """Make a network, always the same: its draws are its own, as ranks that are threads share those of torch."""
    net, rng = nn.Sequential(nn.Linear(3, 4), nn.Softplus(), nn.Linear(4, outputs)), torch.Generator()
    rng.manual_seed(1)
    for weights in net.parameters():
        nn.init.normal_(weights, generator=rng)
    return net


def forward_of(module):
    return module.forward


def called(team, net, compute):
    with shared_calls({"net": net}, forward_of), divided(team):
        return compute(net)


@pytest.mark.parametrize("size", [2, 3, 7])
def test_a_call_has_the_rows_and_the_gradient_of_the_whole(size):
    weights = torch.randn(5, 2, generator=torch.Generator().manual_seed(2))

    def compute(net):
        x = X.clone().requires_grad_()
        found = net(x)
        (found * weights).sum().backward()
        return found.detach(), x.grad, [each.grad for each in net.parameters()]

    expected = compute(network())
    found = ranks(size, lambda team: called(team, network(), compute))
    for rows, grad, _ in found:
        assert torch.allclose(rows, expected[0])
        assert torch.allclose(grad, expected[1])
    for each, whole in zip(zip(*(grads for _, _, grads in found), strict=True), expected[2], strict=True):
        assert torch.allclose(sum(each), whole, atol=1e-6)


def test_second_derivatives_are_those_of_the_whole():
    def compute(net):
        penalty = (gradient_norms(net, X) - 1).square().mean()
        penalty.backward()
        return penalty.detach(), [each.grad for each in net.parameters() if each.grad is not None]

    expected = compute(network(1))
    found = ranks(2, lambda team: called(team, network(1), compute))
    for value, _ in found:
        assert torch.allclose(value, expected[0])
    for each, whole in zip(zip(*(grads for _, grads in found), strict=True), expected[1], strict=True):
        assert torch.allclose(sum(each), whole, atol=1e-6)


def test_only_outermost_calls_are_shared_out_and_all_of_their_rows_are():
    class Noted(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.seen = nn.Identity(), []

        def forward(self, x, t, *, scale, offset=None):
            self.seen.append((len(x), len(t), len(scale), offset, part() is None))
            return self.inner(x) * scale[:, None]

    def act(team):
        net = Noted()
        with shared_calls({"net": net}, forward_of):
            with divided(team):
                net(X, X[:, 0], scale=X[:, 1], offset=3)
                with undivided():
                    net(X, X, scale=X[:, 1])
            net(X, X, scale=X[:, 1])
        assert "forward" not in net.__dict__
        assert "forward" not in net.inner.__dict__
        return net.seen

    whole = (5, 5, 5, None, True)
    assert ranks(2, act) == [[(n, n, n, 3, False), whole, whole] for n in (3, 2)]


@pytest.mark.parametrize("found", [lambda x: x.mean(), lambda x: (x, x), lambda x: x[:1]])
def test_what_has_not_a_row_for_each_row_is_refused(found):
    class Other(nn.Module):
        def forward(self, x):
            return found(x)

    for each in ranks(2, lambda team: called(team, Other(), lambda net: net(X[:4]))):
        assert isinstance(each, RunError)
        assert "the net must return a row for each row" in str(each)


def test_a_tensor_without_rows_may_not_need_a_gradient():
    class Scaled(nn.Module):
        def forward(self, x, scale):
            return x * scale

    scale = torch.ones(1, requires_grad=True)
    assert all(
        isinstance(each, RunError)
        for each in ranks(2, lambda team: called(team, Scaled(), lambda net: net(X, scale)))
    )
    with torch.no_grad():
        found = ranks(2, lambda team: called(team, Scaled(), lambda net: net(X, scale.detach())))
    assert all(torch.equal(each, X) for each in found)


def test_rank_0_decides():
    def act(team):
        before = agreed(team.rank == 1)
        with divided(team):
            return before, agreed(team.rank == 0), agreed(team.rank == 1)

    assert ranks(2, act) == [(False, True, False), (True, True, False)]
