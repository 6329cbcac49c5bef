"""bures against POT, closed forms, and covariances of any rank."""

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from scipy.linalg import sqrtm

import otgan
from tests.inputs import as_tensors, finite_differences, measures
from tests.problems import cloud, gaussians, simplex_weights


def moments(x, a):
    mean = a @ x
    return mean, (x - mean).T @ ((x - mean) * a[:, None])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "m", "d"), [(20, 20, 1), (30, 17, 2), (30, 40, 6)])
def test_it_is_pots(n, m, d, weighted):
    x, y = cloud(n, d), 1.3 * cloud(m, d, seed=1) @ np.diag(np.arange(1, d + 1)) + 0.2
    a, b = (simplex_weights(n), simplex_weights(m)) if weighted else (np.full(n, 1 / n), np.full(m, 1 / m))
    (mean_x, cov_x), (mean_y, cov_y) = moments(x, a), moments(y, b)
    theirs = ot.gaussian.bures_wasserstein_distance(mean_x, mean_y, cov_x, cov_y)
    given_ = (5 * a, b) if weighted else (None, None)
    assert otgan.bures(x, y, *given_) == pytest.approx(float(theirs), rel=1e-9)


def test_between_affine_copies_it_is_the_distance_itself():
    problem = (
        gaussians()
    )  # the one is the image of the other under the gradient of a quadratic convex function
    assert otgan.bures(problem.x, problem.y) == pytest.approx(otgan.emd(problem.x, problem.y, p=2), rel=1e-10)


def test_closed_forms():
    assert otgan.bures([1.0], [4.0]) == 3.0
    x = cloud(30, 3)
    assert otgan.bures(x, x + np.array([2.0, 3.0, 6.0])) == pytest.approx(7, rel=1e-12)
    spread = np.sqrt(((x - x.mean(0)) ** 2).sum() / 30)
    assert otgan.bures(x, 3 * (x - x.mean(0)) + x.mean(0)) == pytest.approx(2 * spread, rel=1e-12)
    # Two segments at a right angle: neither covariance helps the other.
    assert otgan.bures([[-1.0, 0.0], [1.0, 0.0]], [[0.0, -1.0], [0.0, 1.0]]) == pytest.approx(
        2**0.5, rel=1e-12
    )


@pytest.mark.parametrize(
    ("n", "m", "d"), [(1, 1, 3), (1, 9, 3), (5, 4, 50), (30, 4, 20), (3, 40, 20), (2, 300, 100)]
)
def test_covariances_of_any_rank(n, m, d):
    x, y = cloud(n, d), 2 * cloud(m, d, seed=1) + 0.3
    (mean_x, cov_x), (mean_y, cov_y) = moments(x, np.full(n, 1 / n)), moments(y, np.full(m, 1 / m))
    values, vectors = np.linalg.eigh(cov_x)
    root = vectors @ np.diag(np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ cov_y @ root).clip(0)).sum()
    expected = ((mean_x - mean_y) ** 2).sum() + np.trace(cov_x) + np.trace(cov_y) - 2 * cross
    assert otgan.bures(x, y) ** 2 == pytest.approx(expected, rel=1e-6)
    given_ = as_tensors(x, y, np.ones(n), np.ones(m))
    otgan.bures(*given_).backward()
    assert all(bool(torch.isfinite(each.grad).all()) for each in given_)


@pytest.mark.parametrize("step", [1e-3, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize(("n", "d"), [(30, 3), (8, 40)])
def test_small_distances_keep_their_digits(n, d, step):
    # Subtracted from the traces, the sum of roots would leave an error of 1e-8.
    x = cloud(n, d) - cloud(n, d).mean(0)
    spread = np.sqrt((x**2).sum() / n)
    assert otgan.bures(x, (1 + step) * x) == pytest.approx(step * spread, rel=1e-3, abs=1e-13)


@pytest.mark.parametrize(("n", "d"), [(1, 3), (30, 3), (8, 40), (200, 30)])
def test_equal_sets_are_at_zero_and_have_no_slope(n, d):
    x, a = cloud(n, d), simplex_weights(n)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(n)
        given_ = as_tensors(x, x[order], a, a[order])
        value = otgan.bures(*given_)
        value.backward()
        assert value.item() == 0
        assert all(bool((each.grad == 0).all()) for each in given_)


@given(measures(2))
@settings(max_examples=50)
def test_it_is_symmetric_and_at_most_the_distance_itself(two):
    (x, a), (y, b) = two
    value = otgan.bures(x, y, a, b)
    assert 0 <= value <= otgan.emd(x, y, a, b, p=2) * (1 + 1e-9) + 1e-9
    assert otgan.bures(y, x, b, a) == pytest.approx(value, rel=1e-7, abs=1e-9)


@given(measures(3))
@settings(max_examples=50)
def test_it_has_the_triangle_inequality(three):
    (x, a), (y, b), (z, c) = three
    detour = otgan.bures(x, y, a, b) + otgan.bures(y, z, b, c)
    assert otgan.bures(x, z, a, c) <= detour + 1e-8 * (1 + detour)


@given(measures(2))
@settings(max_examples=50)
def test_weights_are_repeated_points(two):
    (x, a), (y, b) = two
    repeated = np.repeat(x, a.astype(int), axis=0), np.repeat(y, b.astype(int), axis=0)
    assert otgan.bures(x, y, a, b) == pytest.approx(otgan.bures(*repeated), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("size", [1e-307, 1e-200, 1e200, 1e306])
def test_the_ends_of_the_range(size):
    x, y, a = cloud(7, 2), cloud(5, 2, seed=1), simplex_weights(7)
    assert otgan.bures(size * x, size * y, a) == pytest.approx(size * otgan.bures(x, y, a), rel=1e-11)


def test_far_from_the_origin_nothing_is_lost():
    x, y = np.round(2**20 * cloud(9, 2)) / 2**20, np.round(2**20 * cloud(8, 2, seed=1)) / 2**20
    assert otgan.bures(x + 2**30, y + 2**30) == pytest.approx(otgan.bures(x, y), rel=1e-9)


@pytest.mark.parametrize("sizes", [(5, 4, 1), (9, 8, 3), (4, 3, 6), (3, 9, 5)])
def test_gradients_are_finite_differences(sizes):
    n, m, d = sizes
    inputs = [cloud(n, d), cloud(m, d, seed=1) + 0.5, 3 * simplex_weights(n), simplex_weights(m, seed=1)]
    given_ = as_tensors(*inputs)
    otgan.bures(*given_).backward()
    for tensor, slope in zip(given_, finite_differences(otgan.bures, inputs), strict=True):
        np.testing.assert_allclose(tensor.grad, slope, atol=1e-6)


def test_gradients_are_those_of_the_linear_map_between_gaussians():
    x, y = cloud(30, 3), 2 * cloud(40, 3, seed=1) + 1
    (mean_x, cov_x), (mean_y, cov_y) = moments(x, np.full(30, 1 / 30)), moments(y, np.full(40, 1 / 40))
    root = sqrtm(cov_x).real
    inverse = np.linalg.inv(root)
    matrix = inverse @ sqrtm(root @ cov_y @ root).real @ inverse
    moved = mean_y + (x - mean_x) @ matrix
    u, v = as_tensors(x, y)
    value = otgan.bures(u, v)
    value.backward()
    np.testing.assert_allclose(u.grad, (x - moved) / 30 / value.item(), atol=1e-9)


def test_second_derivatives_are_an_error_not_a_zero():
    x, y = as_tensors(cloud(5, 2), cloud(4, 2, seed=1))
    (gradient,) = torch.autograd.grad(otgan.bures(x, y), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiable once"):
        gradient.square().sum().backward()


def test_the_standard_error_is_the_spread_of_repeated_measurements():
    rng = np.random.default_rng(1)
    found = [
        otgan.compare(rng.normal(size=(60, 2)), 2 * rng.normal(size=(90, 2)) + 1, metrics="bures")["bures"]
        for _ in range(80)
    ]
    spread = np.std([each.value for each in found])
    assert np.mean([each.standard_error for each in found]) == pytest.approx(spread, rel=0.3)
