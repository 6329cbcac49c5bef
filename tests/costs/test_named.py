"""Costs by name in every public function: against POT on the matrices of SciPy and scikit-learn, and among themselves."""

import itertools

import numpy as np
import ot
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import cosine_distances, haversine_distances

import otgan
from otgan.costs import COSTS, Euclidean, resolve
from tests.problems import cloud, simplex_weights

NAMES = ["chebyshev", "circle", "cityblock", "cosine", "haversine"]
A, B = simplex_weights(30), simplex_weights(20, seed=1)


def clouds(name):
    if name == "haversine":
        rng = np.random.default_rng(0)
        return rng.uniform((-1.5, -3), (1.5, 3), (30, 2)), rng.uniform((-1.5, -3), (1.5, 3), (20, 2))
    if name == "circle":
        return 3 * cloud(30, 1), 3 * cloud(20, 1, seed=1) + 0.3
    return cloud(30, 4), cloud(20, 4, seed=1) + 0.3


def matrix(name, x, y):
    """The distances by somebody else's hand."""
    if name == "haversine":
        return haversine_distances(x, y)
    if name == "circle":
        return np.arccos(np.cos(x - y.T))
    return cosine_distances(x, y) if name == "cosine" else cdist(x, y, name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("backend", ["simplex", "certified"])
def test_exact_transport_is_that_of_pot_on_the_matrix(name, p, backend):
    x, y = clouds(name)
    costs = matrix(name, x, y) ** p
    t = otgan.transport(x, y, A, B, cost=name, p=p, backend=backend)
    assert t.value == pytest.approx(ot.emd2(A, B, costs), rel=1e-12)
    assert t.lower <= t.value <= t.upper
    assert t.upper - t.lower <= 1e-11 * costs.max()
    assert otgan.emd(x, y, A, B, cost=name, p=p) == pytest.approx(t.value ** (1 / p), rel=1e-12)
    assert (t.f[:, None] + t.g - costs).max() <= 1e-12 * costs.max()
    assert t.cost == t.to_dict()["cost"] == name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("reach", [None, 0.8])
@pytest.mark.parametrize("backend", ["dense", "streamed"])
def test_entropic_transport_is_that_of_the_precomputed_matrix(name, p, reach, backend):
    x, y = clouds(name)
    costs = matrix(name, x, y) ** p
    options = {"epsilon": 0.05 * costs.mean(), "tol": 1e-10, "backend": backend}
    named = otgan.transport(x, y, A, B, cost=name, p=p, reach=reach, **options)
    # A reach is a length: ρ = p reach^p, and p is 1 where costs are precomputed.
    rho = None if reach is None else p * reach**p
    given = otgan.transport(costs, None, A, B, cost="precomputed", reach=rho, **options)
    assert named.value == pytest.approx(given.value, rel=1e-10)
    assert np.abs(named.plan - given.plan).sum() <= 1e-8
    if reach is None:
        exact = ot.emd2(A, B, costs)
        assert named.lower <= exact <= named.upper
        assert named.lower == pytest.approx(given.lower, rel=1e-8)
        assert named.upper == pytest.approx(given.upper, rel=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_divergences_vanish_at_equal_sets_and_have_gradients(name):
    x, y = clouds(name)
    assert otgan.sinkhorn_divergence(x, x, cost=name, p=1) == pytest.approx(0, abs=1e-9)
    epsilon = 0.1 * matrix(name, x, y).mean()
    terms = [matrix(name, *both) for both in ((x, y), (x, x), (y, y))]
    options = {"epsilon": epsilon, "tol": 1e-11}
    expected = otgan.sinkhorn_divergence(terms, None, A, B, cost="precomputed", **options)
    points = torch.from_numpy(x).requires_grad_()
    weights = [torch.from_numpy(w) for w in (A, B)]
    value = otgan.sinkhorn_divergence(points, torch.from_numpy(y), *weights, cost=name, p=1, **options)
    assert float(value.detach()) == pytest.approx(expected, rel=1e-8)
    value.backward()
    for i, k in ((0, 0), (3, x.shape[1] - 1)):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[i, k] += sign * 1e-6
            ends.append(otgan.sinkhorn_divergence(moved, y, A, B, cost=name, p=1, **options))
        assert float(points.grad[i, k]) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_second_derivatives_are_finite_differences_of_first_ones(name):
    x, y = (side[:6] for side in clouds(name))
    direction = torch.from_numpy(cloud(*x.shape, seed=5))

    def slope(points):
        points = torch.from_numpy(points).requires_grad_()
        value = otgan.sinkhorn(points, torch.from_numpy(y), cost=name, p=2, epsilon=0.3, tol=1e-13)
        (first,) = torch.autograd.grad(value, points, create_graph=True)
        return points, (first * direction).sum()

    points, paired = slope(x)
    (second,) = torch.autograd.grad(paired, points)
    for i, k in ((0, 0), (3, x.shape[1] - 1)):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[i, k] += sign * 1e-5
            ends.append(float(slope(moved)[1].detach()))
        assert float(second[i, k]) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", ["cityblock", "chebyshev"])
def test_on_the_line_all_norms_are_one(name):
    x, y = cloud(15, 1), cloud(11, 1, seed=1)
    for p in (1, 2.5):
        assert otgan.emd(x, y, cost=name, p=p) == pytest.approx(otgan.emd(x, y, p=p), rel=1e-13)
        assert otgan.transport(x, y, cost=name, p=p).backend == "line"
        assert otgan.sinkhorn(x, y, cost=name, p=p) == pytest.approx(otgan.sinkhorn(x, y, p=p), rel=1e-9)


@pytest.mark.parametrize("name", ["cosine", "haversine", "precomputed"])
def test_what_is_no_cost_of_differences_is_not_sorted(name):
    x, y = (np.abs(cloud(6, 1, seed=k)) + 0.1 for k in range(2))
    points = {
        "precomputed": (x @ y.T, None),
        "cosine": (x, y),
        "haversine": (np.c_[x, x] / 9, np.c_[y, y] / 9),
    }
    t = otgan.transport(*points[name], cost=name)
    assert t.backend != "line"
    with pytest.raises(ValueError, match="backend 'line' sorts points on the line"):
        otgan.transport(*points[name], cost=name, backend="line")


def test_default_powers_are_those_of_the_function_and_1_for_cosine():
    x, y = clouds("cosine")
    assert otgan.transport(x, y, cost="cityblock").p == 2
    assert otgan.transport(x, y, cost="cosine").p == 1
    assert otgan.emd(x, y, cost="cityblock") == otgan.emd(x, y, cost="cityblock", p=1)
    assert otgan.SinkhornLoss(cost="cosine").p == 1
    assert otgan.SinkhornLoss(cost="chebyshev").p == 2


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_the_divergence(name):
    x, y = (torch.from_numpy(side) for side in clouds(name))
    for debias, function in ((True, otgan.sinkhorn_divergence), (False, otgan.sinkhorn)):
        loss = otgan.SinkhornLoss(cost=name, blur=0.3, debias=debias)
        torch.testing.assert_close(loss(x, y), function(x, y, cost=name, blur=0.3))
    assert f"cost={name!r}" in repr(loss)


@pytest.mark.parametrize("name", NAMES)
def test_batches_are_loops(name):
    x, y = clouds(name)
    xs, ys = [x[:5], x[5:20]], [y[:9], y[9:15]]
    options = {"cost": name, "epsilon": 0.2, "tol": 1e-11}
    together = otgan.transport(xs, ys, **options)
    for k in range(2):
        alone = otgan.transport(xs[k], ys[k], **options)
        assert together.value[k] == pytest.approx(alone.value, rel=1e-12)
        np.testing.assert_allclose(together.plan[k], alone.plan, atol=1e-12)


@pytest.mark.parametrize("name", ["cityblock", "chebyshev"])
@pytest.mark.parametrize("factor", [1e-100, 1e100])
def test_lengths_scale(name, factor):
    x, y = clouds(name)
    assert otgan.emd(factor * x, factor * y, cost=name, p=2) == pytest.approx(
        factor * otgan.emd(x, y, cost=name, p=2), rel=1e-12
    )


def test_a_divergence_below_zero_is_said_where_the_kernel_is_not_definite():
    faces = np.concatenate([np.eye(3), -np.eye(3)])
    corners = np.array(list(itertools.product([-1.0, 1.0], repeat=3)))
    use = r"use p <= 2 for 'euclidean', p = 1 for 'cityblock', 'cosine', 'haversine', 'circle'$"
    with pytest.warns(UserWarning, match=rf"negative, which happens for cost='chebyshev' at p = 3.*{use}"):
        value = otgan.sinkhorn_divergence(faces, corners, cost="chebyshev", p=3, epsilon=10.0)
    assert value < -0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_results_are_of_the_type_of_the_samples(name, dtype):
    x, y = (torch.from_numpy(side).to(dtype) for side in clouds(name))
    t = otgan.transport(x, y, cost=name, epsilon=0.2)
    assert t.value.dtype == dtype
    assert t.converged
    assert float(t.lower) <= float(otgan.transport(x.double(), y.double(), cost=name).value) <= float(t.upper)


def test_cosine_takes_any_length_and_no_zero_vector():
    x, y = clouds("cosine")
    lengths = 10.0 ** np.linspace(-200, 200, 30)[:, None]
    assert otgan.emd(lengths * x, y, cost="cosine") == pytest.approx(
        otgan.emd(x, y, cost="cosine"), rel=1e-12
    )
    x[3] = 0
    with pytest.raises(ValueError, match=r"x must hold no zero vectors.*at sample 3"):
        otgan.emd(x, y, cost="cosine")


def test_near_directions_keep_their_digits():
    angles = np.array([0.0, 1e-7])
    x = np.c_[np.cos(angles), np.sin(angles)]
    assert otgan.emd(x[:1], x[1:], cost="cosine") == pytest.approx(5e-15, rel=1e-6)


def test_places_are_radians_and_opposite_ones_are_pi_apart():
    paris, london = np.deg2rad([[48.8566, 2.3522]]), np.deg2rad([[51.5074, -0.1278]])
    assert 6371 * otgan.emd(paris, london, cost="haversine") == pytest.approx(343.6, abs=0.5)
    assert otgan.emd(paris, [[-paris[0, 0], paris[0, 1] + np.pi]], cost="haversine") == pytest.approx(
        np.pi, rel=1e-15
    )
    near = paris + np.array([[0, 1e-12]])
    assert otgan.emd(paris, near, cost="haversine") == pytest.approx(
        (near - paris)[0, 1] * np.cos(paris[0, 0]), rel=1e-9
    )
    with pytest.raises(ValueError, match=r"latitudes between -pi/2 and pi/2.*np.deg2rad"):
        otgan.emd([[48.8, 2.3]], london, cost="haversine")
    with pytest.raises(ValueError, match=r"\(latitude, longitude\).*got d = 3"):
        otgan.emd([[0.1, 0.2, 0.3]], [[0.1, 0.2, 0.3]], cost="haversine")


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        ("sqeuclidean", "did you mean 'euclidean' with p=2"),
        ("manhattan", "did you mean 'cityblock'"),
        ("cosin", "did you mean 'cosine'"),
        ("unheard-of", "cost must be a name"),
        (3, "cost must be a name.*got 3"),
        (None, "cost must be a name.*got None"),
        (dict, "cost must be a name"),
    ],
)
def test_what_is_no_cost_is_answered_with_what_is(cost, message):
    for call in (otgan.emd, otgan.sinkhorn, otgan.sinkhorn_divergence, otgan.transport):
        with pytest.raises((TypeError, ValueError), match=message):
            call([0.0, 1.0], [2.0, 3.0], cost=cost)
    with pytest.raises((TypeError, ValueError), match=message):
        otgan.SinkhornLoss(cost=cost)


def test_a_cost_may_be_an_object_with_a_power_of_its_own():
    assert otgan.emd([0.0], [2.0], cost=Euclidean(3)) == pytest.approx(2.0)
    assert resolve(Euclidean(3), None, 2).p == 3
    with pytest.raises(ValueError, match="p must be left out"):
        otgan.emd([0.0], [2.0], cost=Euclidean(3), p=2)


def test_every_cost_of_the_registry_bears_its_name():
    for name in COSTS:
        assert resolve(name, None, 1).name == name


@pytest.mark.parametrize("name", NAMES)
def test_time_that_is_over_leaves_bounds_that_hold(name):
    x, y = clouds(name)
    t = otgan.transport(
        np.tile(x, (20, 1)), np.tile(y, (20, 1)), cost=name, time_limit=1e-9, on_failure="ignore"
    )
    assert t.status is otgan.Status.TIME_LIMIT
    exact = otgan.transport(x, y, cost=name)
    assert t.lower <= exact.value * (1 + 1e-9)
    assert exact.value <= t.upper * (1 + 1e-9)


@pytest.mark.parametrize("angle", [1e-120, 3e-158, 1e-202, 1e-290])
@pytest.mark.parametrize("p", [1, 1.5])
def test_bounds_hold_for_places_so_near_that_the_square_of_their_angle_vanishes(angle, p):
    x, y = np.array([[0.0, 0.0], [0.0, 2 * angle]]), np.array([[0.0, angle], [angle, 0.0]])
    costs = np.array([[1, 1], [1, 5**0.5]])  # in units of the angle, where the sphere is a plane
    exact = (costs[0, 1] ** p + costs[1, 0] ** p) / 2 * angle**p
    t = otgan.transport(x, y, cost="haversine", p=p)
    assert t.lower <= exact * (1 + 1e-12)
    assert exact * (1 - 1e-12) <= t.upper <= max(exact * (1 + 1e-9), 1e-130)


@pytest.mark.parametrize(("name", "filler"), [("cosine", 0.0), ("haversine", 99.0)])
def test_points_of_weight_zero_need_be_no_places_and_no_directions(name, filler):
    x, y = clouds(name)
    padded, weights = np.vstack([x, np.full((2, x.shape[1]), filler)]), np.r_[A, 0.0, 0.0]
    for options in ({}, {"epsilon": 0.2, "tol": 1e-11}):
        masked = otgan.transport(padded, y, weights, B, cost=name, **options)
        alone = otgan.transport(x, y, A, B, cost=name, **options)
        assert masked.value == pytest.approx(alone.value, rel=1e-12)
        np.testing.assert_allclose(masked.plan[:-2], alone.plan, atol=1e-12)
