"""emd against SciPy, POT, the linear program, closed forms and its own axioms."""

from __future__ import annotations

import itertools

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

import otgan
from tests.inputs import POWER, as_tensors, measures
from tests.problems import cloud, gaussians, known_problems, problem_id, simplex_weights
from tests.proofs import least_cost

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


def test_a_measure_is_at_0_from_itself_though_its_differences_underflow():
    x, a = np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 6.4e-288]]), np.array([1.0, 2.0, 1.0])
    for order in map(list, itertools.permutations(range(3))):
        assert otgan.emd(x, x[order]) <= 1e-280
        t = otgan.transport(x, x[order], a, a[order], p=1)
        assert t.status == otgan.Status.CONVERGED
    with pytest.raises(OverflowError):
        otgan.emd(x, x + np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 1e-288]]))


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
    x_far, y_far = as_tensors(size * x, size * y)
    otgan.emd(x_far, y_far, p=p).backward()
    x_near, y_near = as_tensors(x, y)
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


# ---- emd: gradients ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("n", [1, 6])
def test_regression_gradients_at_distance_zero_are_zero(p, n):
    x, y = as_tensors(cloud(n, 2), cloud(n, 2))
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
    x, y = as_tensors(cloud(5, 2), cloud(4, 2, seed=1))
    y.requires_grad_(False)
    otgan.emd(x, y).backward()
    assert y.grad is None


@pytest.mark.parametrize("function", [otgan.emd, lambda x, y, p: otgan.transport(x, y, p=p).value])
def test_second_derivatives_of_exact_values_are_an_error_not_a_zero(function):
    x, y = as_tensors(cloud(5, 2), cloud(4, 2, seed=1))
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


@pytest.mark.parametrize("cost", ["euclidean", "chebyshev"])
def test_gradients_of_near_points_in_large_units_are_those_in_small_ones(cost):
    x, y = cloud(5, 2), cloud(5, 2) + 1e-11 * cloud(5, 2, seed=1)
    slopes = []
    for unit in (1.0, 2.0**960):
        points = torch.tensor(unit * x, requires_grad=True)
        slopes.append(*torch.autograd.grad(otgan.emd(points, torch.tensor(unit * y), cost=cost, p=5), points))
    assert slopes[0].abs().sum() > 0.1
    torch.testing.assert_close(*slopes, rtol=1e-12, atol=0)


def test_a_distance_that_bounds_do_not_prove_is_said_to_be_so():
    rng = np.random.default_rng(0)
    x, y, a = rng.normal(size=(7, 2)), rng.normal(size=(7, 2)), rng.random(7)
    x[0] = y[0] = 1e9  # beside it the accuracy of a function, of its largest value, hides the others
    a[0] = 1e-6
    solved = otgan.transport(x, y, a, a, p=1, cost=cdist, on_failure="ignore")
    assert str(solved.status) == "UNCERTIFIED"
    with pytest.warns(otgan.ConvergenceWarning, match="rounding hides how near the solution is"):
        found = otgan.emd(x, y, a, a, cost=cdist)
    assert solved.lower <= found <= solved.upper
    assert found == pytest.approx(otgan.emd(x, y, a, a), rel=1e-6)
