"""emd, sinkhorn and sinkhorn_divergence against SciPy, POT, GeomLoss, closed forms and their own axioms."""

from __future__ import annotations

import itertools
import warnings

import geomloss
import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

import otgan
from otgan.result import ConvergenceError
from tests.problems import cloud, gaussians, known_problems, problem_id, simplex_weights
from tests.proofs import least_cost

TIGHT = {"tol": 1e-10}


def _tensors(*arrays):
    return [torch.from_numpy(np.array(v)).requires_grad_() for v in arrays]


def _finite_differences(function, inputs, step=1e-5):
    """Central differences of a function in every entry of every input, all of them in one batch."""
    count = sum(v.size for v in inputs)
    steps = step * np.concatenate([np.eye(count), -np.eye(count)])
    ends = np.cumsum([v.size for v in inputs])[:-1]
    moved = [
        v + part.reshape(-1, *v.shape) for v, part in zip(inputs, np.split(steps, ends, axis=1), strict=True)
    ]
    values = function(*moved)
    slopes = np.split((values[:count] - values[count:]) / (2 * step), ends)
    return [slope.reshape(v.shape) for slope, v in zip(slopes, inputs, strict=True)]


# ---- emd: outside references -------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "m"), [(1, 4), (20, 20), (30, 17)])
def test_emd_on_the_line_is_scipys(n, m, weighted):
    x, y = cloud(n, 1)[:, 0], 2 * cloud(m, 1, seed=1)[:, 0] + 0.3
    a, b = (simplex_weights(n), simplex_weights(m)) if weighted else (None, None)
    assert otgan.emd(x, y, a, b) == pytest.approx(wasserstein_distance(x, y, a, b), rel=1e-13)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "m"), [(1, 4), (12, 12), (12, 7)])
def test_emd_is_that_of_the_linear_program_in_two_dimensions(n, m, weighted):
    x, y = cloud(n, 2), 2 * cloud(m, 2, seed=1) + 0.3
    a, b = (simplex_weights(n), simplex_weights(m)) if weighted else (None, None)
    full = (np.full(k, 1 / k) if w is None else w for k, w in ((n, a), (m, b)))
    lower, upper = least_cost(cdist(x, y), *full)
    assert lower <= otgan.emd(x, y, a, b) <= upper


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("d", [1, 2, 5, 784])
def test_emd_is_pots(p, d):
    x, y, a, b = cloud(40, d), 1.3 * cloud(31, d, seed=1) + 0.2, simplex_weights(40), simplex_weights(31)
    cost = ot.dist(x, y, metric="euclidean") ** p
    assert otgan.emd(x, y, a, b, p=p) == pytest.approx(ot.emd2(a, b, cost) ** (1 / p), rel=1e-9)
    if d == 1:
        line = ot.wasserstein_1d(x[:, 0], y[:, 0], a, b, p)
        assert otgan.emd(x, y, a, b, p=p) == pytest.approx(line ** (1 / p), rel=1e-9)


@pytest.mark.parametrize("problem", known_problems(), ids=problem_id)
def test_emd_of_known_problems(problem):
    value = otgan.emd(problem.x, problem.y, problem.a, problem.b, p=problem.p)
    exact = problem.value ** (1 / problem.p)
    # Points a million away from the origin are themselves rounded to 1e-10.
    assert value == pytest.approx(exact, rel=1e-12, abs=2e-16 * np.abs(problem.x).max())


def test_emd_of_gaussians_is_the_bures_distance():
    problem = gaussians()
    moments = [v for side in (problem.x, problem.y) for v in (side.mean(0), np.cov(side.T, bias=True))]
    bures = ot.gaussian.bures_wasserstein_distance(moments[0], moments[2], moments[1], moments[3])
    assert otgan.emd(problem.x, problem.y, p=2) == pytest.approx(float(bures), rel=1e-9)


# ---- emd: axioms -------------------------------------------------------------------------------------------------

COORDINATE = st.floats(-100, 100, allow_subnormal=False)


@st.composite
def measures(draw, count, size=5):
    """Draw `count` weighted clouds in one dimension d of 1 to 3."""
    d = draw(st.integers(1, 3))
    point = st.lists(COORDINATE, min_size=d, max_size=d)
    clouds = []
    for _ in range(count):
        n = draw(st.integers(1, size))
        points = np.array(draw(st.lists(point, min_size=n, max_size=n)))
        weights = np.array(draw(st.lists(st.integers(1, 5), min_size=n, max_size=n)), float)
        clouds.append((points, weights))
    return clouds


POWER = st.sampled_from([1, 1.5, 2, 3])


@given(measures(2), POWER)
@settings(max_examples=50)
def test_emd_is_symmetric_and_nonnegative(pair, p):
    (x, a), (y, b) = pair
    value = otgan.emd(x, y, a, b, p=p)
    assert value >= 0
    assert otgan.emd(y, x, b, a, p=p) == pytest.approx(value, rel=1e-9, abs=1e-9)


@given(measures(3), POWER)
@settings(max_examples=50)
def test_emd_has_the_triangle_inequality(three, p):
    (x, a), (y, b), (z, c) = three
    detour = otgan.emd(x, y, a, b, p=p) + otgan.emd(y, z, b, c, p=p)
    assert otgan.emd(x, z, a, c, p=p) <= detour + 1e-8 * (1 + detour)


@given(measures(1), POWER, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_regression_emd_of_a_measure_to_itself_is_zero(one, p, random):
    ((x, a),) = one
    order = random.sample(range(len(x)), len(x))
    assert otgan.emd(x, x[order], a, a[order], p=p) <= 1e-6 ** (1 / p) * 1e-3


@given(measures(2), POWER, st.floats(1e-3, 1e3), st.floats(-50, 50))
@settings(max_examples=50)
def test_emd_scales_with_the_points_and_ignores_a_common_shift(pair, p, factor, shift):
    (x, a), (y, b) = pair
    value = otgan.emd(x, y, a, b, p=p)
    assert otgan.emd(factor * x + shift, factor * y + shift, a, b, p=p) == pytest.approx(
        factor * value, rel=1e-6, abs=1e-6 * factor
    )


@given(measures(2), POWER)
@settings(max_examples=50)
def test_weights_are_repeated_points(pair, p):
    (x, a), (y, b) = pair
    repeated = otgan.emd(np.repeat(x, a.astype(int), axis=0), np.repeat(y, b.astype(int), axis=0), p=p)
    assert otgan.emd(x, y, a, b, p=p) == pytest.approx(repeated, rel=1e-7, abs=1e-7)


@given(measures(2))
@settings(max_examples=30)
def test_emd_grows_with_p(pair):
    (x, a), (y, b) = pair
    values = [otgan.emd(x, y, a, b, p=p) for p in (1, 1.5, 2, 3)]
    assert all(low <= high * (1 + 1e-9) + 1e-9 for low, high in itertools.pairwise(values))


@pytest.mark.parametrize("size", [1e-307, 1e-200, 1e200, 1e307])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_emd_at_the_ends_of_the_range(size, p):
    x, y, a = cloud(7, 2), cloud(5, 2, seed=1), simplex_weights(7)
    assert otgan.emd(size * x, size * y, a, p=p) == pytest.approx(size * otgan.emd(x, y, a, p=p), rel=1e-12)
    line = otgan.emd(size * x[:, 0], size * y[:, 0], a, p=p)
    assert line == pytest.approx(size * otgan.emd(x[:, 0], y[:, 0], a, p=p), rel=1e-12)
    x_far, y_far = _tensors(size * x, size * y)
    otgan.emd(x_far, y_far, p=p).backward()
    x_near, y_near = _tensors(x, y)
    otgan.emd(x_near, y_near, p=p).backward()
    np.testing.assert_allclose(x_far.grad, x_near.grad, rtol=1e-10)


# ---- emd: forms --------------------------------------------------------------------------------------------------


def test_emd_of_a_batch_and_of_a_ragged_batch():
    xs, ys = [cloud(6 + k, 2, seed=k) for k in range(3)], [cloud(8 - k, 2, seed=9 + k) for k in range(3)]
    values = otgan.emd(xs, ys)
    assert isinstance(values, np.ndarray)
    np.testing.assert_allclose(values, [otgan.emd(x, y) for x, y in zip(xs, ys, strict=True)], rtol=1e-13)
    tensors = otgan.emd(torch.zeros(4, 3, 2), torch.ones(4, 5, 2))
    assert tensors.shape == (4,)
    assert tensors.dtype == torch.float32
    np.testing.assert_allclose(tensors, np.sqrt(2), rtol=1e-6)


def test_emd_of_numbers_is_a_float_and_of_tensors_a_scalar_tensor():
    assert otgan.emd([0, 1, 3], [5, 6, 8]) == 5.0
    assert type(otgan.emd([0, 1, 3], [5, 6, 8])) is float
    value = otgan.emd(torch.tensor([0.0, 1.0, 3.0]), torch.tensor([5.0, 6.0, 8.0]))
    assert value.shape == ()
    assert value.item() == 5.0


# ---- gradients ---------------------------------------------------------------------------------------------------

FUNCTIONS = {
    "emd-p1": lambda *args: otgan.emd(*args, p=1),
    "emd-p1.5": lambda *args: otgan.emd(*args, p=1.5),
    "emd-p2": lambda *args: otgan.emd(*args, p=2),
    "emd-p3": lambda *args: otgan.emd(*args, p=3),
    "transport": lambda *args: otgan.transport(*args, p=2).value,
    "distance": lambda *args: otgan.transport(*args, p=3).distance,
    "sinkhorn-p1": lambda *args: otgan.sinkhorn(*args, p=1, epsilon=0.2, **TIGHT),
    "sinkhorn-p2": lambda *args: otgan.sinkhorn(*args, p=2, epsilon=0.2, **TIGHT),
    "divergence-p1": lambda *args: otgan.sinkhorn_divergence(*args, p=1, epsilon=0.2, **TIGHT),
    "divergence-p1.5": lambda *args: otgan.sinkhorn_divergence(*args, p=1.5, blur=0.3, **TIGHT),
    "divergence-p2": lambda *args: otgan.sinkhorn_divergence(*args, p=2, epsilon=0.2, **TIGHT),
    "streamed": lambda *args: otgan.sinkhorn_divergence(*args, p=2, epsilon=0.2, backend="streamed", **TIGHT),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("d", [1, 3])
def test_regression_gradients_are_finite_differences(function, d):
    # Gradients elsewhere were found to be twice too large, or missing for one backend.
    inputs = [cloud(5, d), cloud(4, d, seed=1) + 0.5, 3 * simplex_weights(5), simplex_weights(4, seed=1)]
    tensors = _tensors(*inputs)
    function(*tensors).backward()
    expected = _finite_differences(function, inputs)
    for tensor, slope in zip(tensors, expected, strict=True):
        np.testing.assert_allclose(tensor.grad, slope, atol=1e-6)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_gradients_of_a_batch_are_those_of_a_loop(function):
    sizes = ((5, 4), (3, 6))
    xs, ys = [cloud(n, 2, seed=n) for n, _ in sizes], [cloud(m, 2, seed=10 + m) for _, m in sizes]
    upstream = torch.tensor([1.0, -2.0], dtype=torch.float64)
    together = [*_tensors(*xs), *_tensors(*ys)]
    function(together[:2], together[2:]).backward(upstream)
    for k, (x, y) in enumerate(zip(xs, ys, strict=True)):
        alone_x, alone_y = _tensors(x, y)
        (function(alone_x, alone_y) * upstream[k]).backward()
        np.testing.assert_allclose(together[k].grad, alone_x.grad, atol=1e-8)
        np.testing.assert_allclose(together[2 + k].grad, alone_y.grad, atol=1e-8)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_regression_coincident_points_have_finite_gradients(function):
    x = np.repeat(cloud(3, 2), 2, axis=0)
    tensors = _tensors(
        x, np.concatenate([x[:2], cloud(2, 2, seed=1)]), simplex_weights(6), simplex_weights(4)
    )
    value = function(*tensors)
    value.backward()
    assert torch.isfinite(value)
    assert all(bool(torch.isfinite(t.grad).all()) for t in tensors)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("n", [1, 6])
def test_regression_gradients_at_distance_zero_are_zero(p, n):
    x, y = _tensors(cloud(n, 2), cloud(n, 2))
    value = otgan.emd(x, y, p=p)
    value.backward()
    assert value.item() == 0
    assert (x.grad == 0).all()
    assert (y.grad == 0).all()


def test_gradients_come_in_the_type_of_each_input():
    x, y = torch.randn(5, 2, requires_grad=True), torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    a = torch.ones(5, dtype=torch.float32, requires_grad=True)
    otgan.emd(x, y, a, p=2).backward()
    assert (x.grad.dtype, y.grad.dtype, a.grad.dtype) == (torch.float32, torch.float64, torch.float32)
    assert abs(float(a.grad.sum())) < 1e-6  # normalized weights: adding the same to all changes nothing


def test_gradient_of_one_side_leaves_the_other_alone():
    x, y = _tensors(cloud(5, 2), cloud(4, 2, seed=1))
    y.requires_grad_(False)
    otgan.emd(x, y).backward()
    assert y.grad is None


@pytest.mark.parametrize("function", [otgan.emd, lambda x, y, p: otgan.transport(x, y, p=p).value])
def test_second_derivatives_of_exact_values_are_an_error_not_a_zero(function):
    x, y = _tensors(cloud(5, 2), cloud(4, 2, seed=1))
    (gradient,) = torch.autograd.grad(function(x, y, p=2), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiable once"):
        gradient.sum().backward()
    # Nor is the term left out of the second derivative of a sum.
    (gradient,) = torch.autograd.grad(function(x, y, p=2) + x.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiable once"):
        gradient.sum().backward()


def test_no_graph_is_kept_without_gradients():
    x, y = torch.from_numpy(cloud(5, 2)), torch.from_numpy(cloud(4, 2))
    assert not otgan.emd(x, y).requires_grad
    with torch.no_grad():
        assert not otgan.emd(x.requires_grad_(), y).requires_grad


# ---- sinkhorn and its divergence -----------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [1, 1.5, 2])
def test_sinkhorn_is_pots(p):
    x, y, a, b = cloud(30, 2), cloud(25, 2, seed=1) + 0.5, simplex_weights(30), simplex_weights(25)
    cost = ot.dist(x, y, metric="euclidean") ** p
    reference = ot.solve(cost, a, b, reg=0.3, reg_type="KL", max_iter=20000, tol=1e-12)
    assert otgan.sinkhorn(x, y, a, b, p=p, epsilon=0.3, **TIGHT) == pytest.approx(reference.value, rel=1e-7)
    t = otgan.transport(x, y, a, b, p=p, epsilon=0.3, **TIGHT)
    assert t.value_linear == pytest.approx(reference.value_linear, rel=1e-7)
    np.testing.assert_allclose(t.plan, reference.plan, atol=1e-9)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("debias", [False, True])
def test_values_are_p_times_geomlosss(p, debias):
    # Its cost is C/p, and it has no tolerance: a scaling near 1 brings it to 1e-4.
    x, y = torch.from_numpy(cloud(40, 2)), torch.from_numpy(cloud(30, 2, seed=1) + 0.5)
    blur = 0.5
    loss = geomloss.SamplesLoss(
        "sinkhorn", p=p, blur=blur, scaling=0.995, debias=debias, backend="tensorized"
    )
    function = otgan.sinkhorn_divergence if debias else otgan.sinkhorn
    ours = function(x, y, p=p, blur=blur, **TIGHT)
    assert ours.item() == pytest.approx(p * loss(x, y).item(), rel=1e-3)
    assert otgan.SinkhornLoss(p=p, blur=blur, debias=debias)(x, y).item() == pytest.approx(
        ours.item(), rel=1e-5
    )


def test_gradients_are_geomlosss_legacy():
    x, y = torch.from_numpy(cloud(20, 2)), torch.from_numpy(cloud(15, 2, seed=1) + 0.5)
    loss = geomloss.SamplesLoss("sinkhorn", p=2, blur=0.5, scaling=0.995, backend="tensorized")
    gradients = []
    for value in (lambda v: otgan.sinkhorn_divergence(v, y, blur=0.5, **TIGHT), lambda v: 2 * loss(v, y)):
        variable = x.clone().requires_grad_()
        value(variable).backward()
        gradients.append(variable.grad)
    np.testing.assert_allclose(gradients[0], gradients[1], atol=5e-3)  # it has not converged any further
    assert gradients[0].norm().item() == pytest.approx(gradients[1].norm().item(), rel=1e-2)


def test_one_dirac_pair_has_the_gradient_of_its_cost():
    x = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    otgan.sinkhorn_divergence(x, torch.tensor([[3.0, 4.0]], dtype=torch.float64), p=2, blur=0.1).backward()
    np.testing.assert_allclose(x.grad, [[-6.0, -8.0]], rtol=1e-12)


def test_default_epsilon_is_a_twentieth_of_the_mean_cost():
    x, y, a = cloud(12, 2), cloud(10, 2, seed=1), simplex_weights(12)
    for p in (1, 2):
        cost = ot.dist(x, y, metric="euclidean") ** p
        mean = float(a @ cost @ np.full(10, 0.1))
        explicit = otgan.sinkhorn(x, y, a, p=p, epsilon=0.05 * mean, **TIGHT)
        assert otgan.sinkhorn(x, y, a, p=p, **TIGHT) == pytest.approx(explicit, rel=1e-9)
        debiased = otgan.sinkhorn_divergence(x, y, a, p=p, epsilon=0.05 * mean, **TIGHT)
        assert otgan.sinkhorn_divergence(x, y, a, p=p, **TIGHT) == pytest.approx(debiased, rel=1e-9)


def test_blur_is_a_length():
    x, y = cloud(12, 2), cloud(10, 2, seed=1)
    for p in (1, 1.5, 2):
        by_epsilon = otgan.sinkhorn(x, y, p=p, epsilon=p * 0.3**p, **TIGHT)
        assert otgan.sinkhorn(x, y, p=p, blur=0.3, **TIGHT) == pytest.approx(by_epsilon, rel=1e-9)
        larger = otgan.sinkhorn(10 * x, 10 * y, p=p, blur=3, **TIGHT)
        assert larger == pytest.approx(10**p * by_epsilon, rel=1e-8)


def test_small_epsilon_approaches_the_exact_cost_from_above():
    x, y = cloud(20, 2), cloud(20, 2, seed=1)
    exact = otgan.emd(x, y, p=2) ** 2
    values = [otgan.sinkhorn(x, y, epsilon=e, tol=1e-8) for e in (1.0, 0.1, 0.01)]
    assert values[0] > values[1] > values[2] > exact
    assert values[2] - exact <= 0.01 * np.log(20)


def test_regression_small_epsilon_converges_or_says_so():
    x, y = 5 * cloud(30, 2), 5 * cloud(30, 2, seed=1) + 2
    t = otgan.transport(x, y, epsilon=1e-3, on_failure="ignore")
    exact = otgan.transport(x, y).value
    assert t.lower <= exact * (1 + 1e-12)
    assert exact <= t.upper * (1 + 1e-12)
    assert t.converged == (t.marginal_error <= 1e-6)
    assert np.isfinite(t.value)
    if t.converged:
        assert abs(t.value - exact) <= 1e-3 * np.log(900) + 1e-6 * np.abs(t.f).max()
    with pytest.warns(otgan.ConvergenceWarning, match="max_iter"):
        otgan.sinkhorn(x, y, epsilon=1e-3, max_iter=3)


@pytest.mark.parametrize("p", [1, 1.5, 2])
@pytest.mark.parametrize("epsilon", [0.01, 0.3, 10.0])
def test_regression_divergence_of_equal_measures_is_zero_and_otherwise_positive(p, epsilon):
    x, a = cloud(15, 2), simplex_weights(15)
    order = np.random.default_rng(0).permutation(15)
    same = otgan.sinkhorn_divergence(x, x[order], a, a[order], p=p, epsilon=epsilon, tol=1e-9)
    assert same == pytest.approx(0.0, abs=1e-8 * max(1, epsilon))
    for seed in range(3):
        moved = x + 0.05 * cloud(15, 2, seed=seed)
        assert otgan.sinkhorn_divergence(x, moved, a, p=p, epsilon=epsilon, tol=1e-9) > -1e-9 * max(
            1, epsilon
        )


def test_gradient_of_the_divergence_of_equal_measures_is_zero():
    x, y = _tensors(cloud(12, 2), cloud(12, 2))
    otgan.sinkhorn_divergence(x, y, epsilon=0.2, **TIGHT).backward()
    assert x.grad.abs().max() < 1e-8


def test_negative_divergence_for_large_p_is_warned_of():
    rng = np.random.default_rng(0)
    found = False
    for seed in range(12):
        x, y = rng.standard_normal((6, 2)), rng.standard_normal((6, 2)) * 0.1
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            value = otgan.sinkhorn_divergence(x, x + 0.1 * y, p=6, epsilon=200.0, tol=1e-10)
        assert bool(caught) == (value < 0), seed
        found = found or value < 0
        assert all(
            "which happens for cost='euclidean' at p = 6" in str(w.message) and w.filename == __file__
            for w in caught
        )
    assert found


def test_divergence_of_the_same_points_with_other_weights_is_positive():
    x, a, b = cloud(12, 2), simplex_weights(12), simplex_weights(12, seed=1)
    assert otgan.sinkhorn_divergence(x, x, a, b, epsilon=0.2, **TIGHT) > 1e-4


def test_divergence_is_symmetric_and_ignores_a_common_shift():
    x, y = cloud(12, 2), cloud(9, 2, seed=1) + 1
    value = otgan.sinkhorn_divergence(x, y, epsilon=0.2, **TIGHT)
    assert otgan.sinkhorn_divergence(y, x, epsilon=0.2, **TIGHT) == pytest.approx(value, rel=1e-8)
    assert otgan.sinkhorn_divergence(x + 7, y + 7, epsilon=0.2, **TIGHT) == pytest.approx(value, rel=1e-7)


@pytest.mark.parametrize("function", [otgan.sinkhorn, otgan.sinkhorn_divergence])
def test_failures_warn_once_a_call_or_raise(function):
    x, y = cloud(60, 2).reshape(2, 30, 2), cloud(60, 2, seed=1).reshape(2, 30, 2)
    options = {"epsilon": 1e-3, "max_iter": 2}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(x, y, **options)
    assert [w.category for w in caught] == [otgan.ConvergenceWarning]
    assert caught[0].filename == __file__
    with pytest.raises(ConvergenceError, match="2 of 2"):
        function(x, y, on_failure="raise", **options)
    values = function(x, y, on_failure="ignore", **options)
    assert np.isfinite(values).all()


@pytest.mark.parametrize("function", [otgan.sinkhorn, otgan.sinkhorn_divergence])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p": 0.5}, "p must be"),
        ({"epsilon": 1, "blur": 1}, "not both"),
        ({"tol": -1}, "tol must be"),
        ({"max_iter": 0}, "max_iter must be"),
        ({"backend": "gpu"}, "'dense'"),
        ({"on_failure": "shout"}, "on_failure must be"),
    ],
)
def test_wrong_options_are_named(function, options, message):
    with pytest.raises(ValueError, match=message):
        function(cloud(4, 2), cloud(5, 2), **options)
