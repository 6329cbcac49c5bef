"""Costs by a function: what it is given and may return, and gradients that reach points and parameters."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import nn

import otgan
from otgan.costs.custom import Custom
from tests.problems import cloud, simplex_weights

X, Y = cloud(12, 3), cloud(9, 3, seed=1) + 0.5
A, B = simplex_weights(12), simplex_weights(9, seed=1)


def squares(x, y):
    """Squared distances in one product of matrices, with little roundings below 0, as people write them."""
    return (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T


@pytest.mark.parametrize("entropic", [{}, {"epsilon": 0.2, "tol": 1e-11}])
def test_a_function_is_the_cost_itself_unless_a_power_is_given(entropic):
    square = otgan.transport(X, Y, A, B, cost=squares, **entropic)
    power = otgan.transport(X, Y, A, B, cost=cdist, p=2, **entropic)
    named = otgan.transport(X, Y, A, B, p=2, **entropic)
    for t in (square, power):
        assert t.value == pytest.approx(named.value, rel=1e-10)
        np.testing.assert_allclose(t.plan, named.plan, atol=1e-9)
        assert t.lower <= named.upper
        assert named.lower <= t.upper
        assert t.cost == "custom"
    assert (square.p, power.p) == (1, 2)
    assert power.distance == pytest.approx(named.distance, rel=1e-10)


def test_functions_get_the_callers_kind_of_array_and_may_change_it():
    seen = []

    def spoiling(x, y):
        seen.append((type(x), x.dtype, x.shape[1]))
        found = abs(x[:, None] - y).sum(-1)
        x *= 0
        y -= 1
        return found

    x, y = X.copy(), Y.copy()
    expected = otgan.emd(X, Y, cost="cityblock")
    assert otgan.emd(x, y, cost=spoiling) == pytest.approx(expected, rel=1e-12)
    np.testing.assert_array_equal(x, X)
    tensors = torch.tensor(X), torch.tensor(Y)
    for needs in (False, True):
        given = [each.clone().requires_grad_(needs) for each in tensors]
        assert otgan.emd(*given, cost=spoiling).item() == pytest.approx(expected, rel=1e-12)
        assert all(map(torch.equal, given, tensors))
    seen = [each for each in seen if each[1] != torch.float64]
    found = otgan.emd(torch.from_numpy(X).float(), torch.from_numpy(Y).float(), cost=spoiling)
    assert float(found) == pytest.approx(expected, rel=1e-6)
    assert set(seen) == {(np.ndarray, np.dtype("float64"), 3), (torch.Tensor, torch.float32, 3)}


def test_an_optimum_of_costs_in_single_precision_is_one_and_far_points_hide_it_as_ever():
    x, y, a, b = map(torch.from_numpy, (X, Y, A.copy(), B.copy()))
    near = otgan.transport(x.float(), y.float(), a, b, cost=torch.cdist)
    assert near.status is otgan.Status.CONVERGED
    assert near.lower <= otgan.transport(X, Y, A, B, p=1).value <= near.upper
    a[0] = b[0] = 1e-6
    x, y = (torch.cat((torch.full_like(side[:1], 1e6), side[1:])).float() for side in (x, y))
    with pytest.warns(otgan.ConvergenceWarning, match="leave out the points that are far"):
        far = otgan.transport(x, y, a, b, cost=torch.cdist)
    assert far.status is otgan.Status.UNCERTIFIED


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, y: cdist(x, y)[:, :1], r"of shape \(\d+, 9\).*got shape \(\d+, 1\)"),
        (lambda x, y: cdist(x, y) - 1, "distances >= 0.*got -"),
        (lambda x, y: cdist(x, y) * np.nan, "got nan"),
        (lambda x, y: np.full((len(x), len(y)), np.inf), "got inf"),
        (lambda x, y: "none", "got 'none'"),
        (lambda x, y: None, "got None"),
    ],
)
def test_what_is_no_cost_is_refused(function, message):
    with pytest.raises((TypeError, ValueError), match=message):
        otgan.emd(X, Y, cost=function)
    with pytest.raises((TypeError, ValueError), match=message):
        otgan.sinkhorn(X, Y, cost=function, epsilon=0.1)


@pytest.mark.parametrize("scale", [1e140, 1e-140])
def test_values_whose_powers_leave_the_range_are_an_error(scale):
    def distance(x, y):
        return abs(x[:, None] - y).max(-1)

    x, y = np.array([[0.0], [1.0]]) * scale, np.array([[2.0], [3.0]]) * scale
    for solve in (otgan.transport, otgan.sinkhorn):
        with pytest.raises(OverflowError, match=r"cost\(x, y\)\^5 beyond the range of float64: divide"):
            solve(x, y, cost=distance, p=5)
    with pytest.raises(OverflowError):  # in a batch beside a problem of zeros too
        otgan.transport(np.stack([0 * x, x]), np.stack([0 * y, y]), cost=distance, p=5)
    assert otgan.emd(x, y, cost=distance, p=5) == pytest.approx(2 * scale, rel=1e-12)


def test_points_beyond_single_precision_reach_the_function_as_they_are():
    x, y = 1e140 * X, 1e140 * Y
    exact = otgan.emd(x, y, A, B, cost=cdist)
    certified = otgan.transport(x, y, A, B, cost=cdist, backend="certified")
    assert certified.distance == pytest.approx(exact, rel=1e-12)


def test_a_function_of_tensors_must_return_one():
    with pytest.raises(TypeError, match="caller's kind of array, got ndarray"):
        otgan.emd(torch.from_numpy(X), torch.from_numpy(Y), cost=lambda x, y: cdist(x.numpy(), y.numpy()))


def test_an_error_of_the_function_is_not_hidden():
    def broken(x, y):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        otgan.sinkhorn_divergence(X, Y, cost=broken)


@pytest.mark.parametrize("reach", [None, 1.0])
@pytest.mark.parametrize("backend", ["dense", "streamed"])
def test_gradients_in_points_and_weights_are_those_of_the_named_cost(backend, reach):
    results = []
    for options in ({"p": 2}, {"cost": torch.cdist, "p": 2}):
        x, y, a = (torch.from_numpy(v).requires_grad_() for v in (X, Y, A))
        value = otgan.sinkhorn(
            x, y, a, torch.from_numpy(B), epsilon=0.3, tol=1e-11, backend=backend, reach=reach, **options
        )
        value.backward()
        results.append((value.detach(), x.grad, y.grad, a.grad))
    for named, own in zip(*results, strict=True):
        np.testing.assert_allclose(own, named, rtol=1e-6, atol=1e-9)


def test_gradients_of_far_points_in_single_precision_are_those_of_the_named_cost():
    found = []
    for power, cost in ((1, {"cost": lambda x, y: torch.cdist(x, y).square(), "p": 1.5}), (2, {"p": 3})):
        x = torch.tensor([[0.0], [1.0], [1e13]], requires_grad=True)
        distance = otgan.emd(x, torch.tensor([[2.0], [3.0], [0.5]]), **cost)
        found.append(*torch.autograd.grad(distance**power, x))
    torch.testing.assert_close(*found, rtol=1e-4, atol=0)


@pytest.mark.parametrize("sign", [1, -1])
def test_gradients_have_room_whatever_the_sign_of_the_mass(sign):
    x, y = torch.tensor([[[1e13]]], dtype=torch.float64), torch.zeros(1, 1, 1, dtype=torch.float64)
    cost = Custom(
        1.5, function=lambda u, v: torch.cdist(u, v).square(), numpy=False, dtype=torch.float32, fitted=True
    )
    pull, _ = cost.gradients(x, y, torch.full((1, 1, 1), float(sign), dtype=torch.float64), cost.block(x, y))
    assert pull.item() == pytest.approx(sign * 3e26, rel=1e-5)


def test_second_derivatives_are_those_of_the_named_cost():
    results = []
    for options in ({"p": 2}, {"cost": lambda x, y: ((x[:, None] - y) ** 2).sum(-1)}):
        x = torch.from_numpy(X[:5]).requires_grad_()
        value = otgan.sinkhorn(x, torch.from_numpy(Y[:4]), epsilon=0.5, tol=1e-12, **options)
        (first,) = torch.autograd.grad(value, x, create_graph=True)
        (second,) = torch.autograd.grad((first * torch.from_numpy(cloud(5, 3, seed=7))).sum(), x)
        results.append(second)
    np.testing.assert_allclose(results[1], results[0], rtol=1e-6, atol=1e-9)


class Features(nn.Module):
    """Distances between learnt features, in single precision."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.map = nn.Linear(3, 2)

    def forward(self, x, y):
        return (self.map(x)[:, None] - self.map(y)).square().sum(-1)


@pytest.mark.parametrize("debias", [True, False])
def test_gradients_reach_the_parameters_of_the_cost(debias, monkeypatch):
    monkeypatch.setattr("otgan.costs.custom._TILE", 40)  # several blocks, formed again on the way back
    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    cost = Features().double()
    loss = otgan.SinkhornLoss(cost=cost, epsilon=0.3, debias=debias, tol=1e-11)
    loss(x, y).backward()
    found = cost.map.weight.grad.clone()
    with torch.no_grad():
        for i, j in ((0, 0), (1, 2)):
            ends = []
            for step in (1e-5, -2e-5):
                cost.map.weight[i, j] += step
                ends.append(float(loss(x, y)))
            cost.map.weight[i, j] += 1e-5
            assert found[i, j] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5)


def test_a_cost_in_single_precision_trains():
    cost = Features()
    x, y = torch.from_numpy(X).float().requires_grad_(), torch.from_numpy(Y).float()
    loss = otgan.SinkhornLoss(cost=cost, blur=0.3)
    value = loss(x, y)
    value.backward()
    assert value.dtype == torch.float32
    assert torch.isfinite(x.grad).all()
    assert (cost.map.weight.grad != 0).any()
    wide = otgan.SinkhornLoss(cost=cost.double(), blur=0.3)(x.double(), y.double())
    assert float(value.detach()) == pytest.approx(float(wide.detach()), rel=1e-4)


def test_second_derivatives_in_parameters_are_refused():
    cost = Features().double()
    value = otgan.sinkhorn(torch.from_numpy(X), torch.from_numpy(Y), cost=cost, epsilon=0.5)
    (first,) = torch.autograd.grad(value, cost.map.weight, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiable once"):
        first.square().sum().backward()


def test_an_infinite_slope_is_said():
    x = torch.from_numpy(X[:3]).requires_grad_()
    value = otgan.sinkhorn(
        x, torch.from_numpy(X[:3]), cost=lambda x, y: ((x[:, None] - y) ** 2).sum(-1).sqrt(), epsilon=0.5
    )
    with pytest.raises(ValueError, match=r"derivative of the cost must be finite.*coincide"):
        value.backward()


def test_an_asymmetric_cost_is_solved_as_it_is():
    def uphill(x, y):
        return abs(x[:, None] - y).sum(-1) + 2 * np.maximum(y[:, 0] - x[:, :1], 0)

    epsilon = 0.2
    terms = [
        otgan.sinkhorn(*pair, cost=uphill, epsilon=epsilon, tol=1e-10) for pair in ((X, Y), (X, X), (Y, Y))
    ]
    found = otgan.sinkhorn_divergence(X, Y, cost=uphill, epsilon=epsilon, tol=1e-10)
    assert found == pytest.approx(terms[0] - 0.5 * (terms[1] + terms[2]), rel=1e-8)


@pytest.mark.parametrize("factor", [1e-130, 1e130])
def test_units_do_not_matter(factor):
    plain = otgan.transport(X, Y, cost=cdist, epsilon=0.2)
    scaled = otgan.transport(X, Y, cost=lambda x, y: factor * cdist(x, y), epsilon=0.2 * factor)
    assert scaled.value / factor == pytest.approx(plain.value, rel=1e-9)
    assert otgan.emd(X, Y, cost=lambda x, y: factor * cdist(x, y), p=2) == pytest.approx(
        factor * otgan.emd(X, Y, p=2), rel=1e-12
    )


def test_a_problem_without_costs_beside_large_ones_keeps_its_epsilon():
    x = np.array([[[0.0], [1e140]], [[7.0], [7.0]]])
    y = np.array([[[1e140], [3e140]], [[7.0], [7.0]]])
    t = otgan.transport(x, y, cost=cdist, epsilon=[1e139, 0.1])
    assert t.marginal_error[1] < 1e-9
    np.testing.assert_array_equal(t.value[1], 0)


def test_batches_ragged_and_with_points_of_weight_zero():
    xs, ys = [X[:5], X[3:12]], [Y[:4], Y[2:9]]
    a = [np.r_[0.0, A[:4]], A[:9]]
    together = otgan.transport(xs, ys, a, cost=cdist, epsilon=0.2, tol=1e-11)
    exact = otgan.transport(xs, ys, a, cost=cdist)
    for k in range(2):
        keep = a[k] > 0
        alone = otgan.transport(xs[k][keep], ys[k], a[k][keep], cost=cdist, epsilon=0.2, tol=1e-11)
        assert together.value[k] == pytest.approx(alone.value, rel=1e-12)
        np.testing.assert_allclose(together.plan[k][keep], alone.plan, atol=1e-12)
        named = otgan.transport(xs[k], ys[k], a[k], p=1)
        assert exact.value[k] == pytest.approx(named.value, rel=1e-12)
        assert exact.lower[k] <= named.value <= exact.upper[k]
    assert np.isfinite(together.f[0]).all()


def test_a_small_problem_beside_a_large_one_keeps_its_bounds():
    z, w = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 2.0]])
    t = otgan.transport(np.stack([z, z * 1e-12]), np.stack([w, w * 1e-12]), cost=cdist, p=2)
    np.testing.assert_allclose(t.value, [2.5, 2.5e-24], rtol=1e-12)
    assert (t.upper - t.lower <= 1e-12 * t.value).all()
    with pytest.raises(OverflowError, match=r"within .* of each other.*one by one"):
        otgan.sinkhorn(
            np.stack([z, z * 1e100]), np.stack([w, w * 1e100]), cost=cdist, p=2, epsilon=[0.1, 1e199]
        )


@pytest.mark.parametrize("form", ["function", "matrix"])
@pytest.mark.parametrize("distance", ["emd", "sinkhorn", "sinkhorn_divergence", "energy"])
def test_gradients_cannot_be_differentiated_in_what_the_cost_is_made_of_in_silence(distance, form):
    scale = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    x, y = (torch.tensor(each[:4]) for each in (X, Y))
    a = torch.full((4,), 0.25, dtype=torch.float64, requires_grad=True)
    options = {"epsilon": 1.0} if distance.startswith("sinkhorn") else {}
    if form == "function":
        x.requires_grad_()
        sides, inputs = (x, y), (x, a)
        options["cost"] = lambda u, v: scale * (u[:, None] - v).square().sum(-1)
    else:
        blocks = [(each[0][:, None] - each[1]).square().sum(-1) * scale for each in ((x, y), (x, x), (y, y))]
        sides = (tuple(blocks) if distance in {"sinkhorn_divergence", "energy"} else blocks[0],)
        inputs, options["cost"] = (a,), "precomputed"
    value = getattr(otgan, distance)(*sides, a=a, **options)
    for wanted in inputs:
        (slope,) = torch.autograd.grad(value, wanted, create_graph=True)
        with pytest.raises(RuntimeError, match="differentiable once"):
            torch.autograd.grad(slope.square().sum(), scale, retain_graph=True)
    if distance == "sinkhorn" and form == "function":  # in the points there is a second derivative
        (slope,) = torch.autograd.grad(value, x, create_graph=True)
        (second,) = torch.autograd.grad(slope.square().sum(), x)
        assert torch.isfinite(second).all()
        assert second.abs().max() > 0
