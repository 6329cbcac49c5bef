"""mmd against scikit-learn's kernels, GeomLoss, and what an unbiased estimate promises."""

import geomloss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy.spatial.distance import pdist
from sklearn.gaussian_process.kernels import Matern, RationalQuadratic
from sklearn.metrics.pairwise import laplacian_kernel, rbf_kernel

import otgan
from otgan.distances import median
from tests.inputs import as_tensors, finite_differences, measures
from tests.problems import cloud, simplex_weights

KERNELS = {
    "gaussian": lambda h: lambda x, y: rbf_kernel(x, y, gamma=1 / (2 * h**2)),
    "laplacian": lambda h: Matern(length_scale=h, nu=0.5),
    "imq": lambda h: RationalQuadratic(length_scale=h / 2**0.5, alpha=1.0),
}


def by_matrices(kernel, x, y, a, b, biased):
    def within(points, weights):
        mass = np.outer(weights, weights) * (1 if biased else 1 - np.eye(len(weights)))
        return (mass * kernel(points, points)).sum() / mass.sum()

    return within(x, a) + within(y, b) - 2 * a @ kernel(x, y) @ b


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("d", [1, 3, 40])
def test_it_is_that_of_scikit_learns_kernels(name, biased, weighted, d):
    x, y, h = cloud(30, d), cloud(21, d, seed=1) + 0.3, 0.7 * d**0.5
    a, b = (
        (simplex_weights(30), simplex_weights(21)) if weighted else (np.full(30, 1 / 30), np.full(21, 1 / 21))
    )
    expected = by_matrices(KERNELS[name](h), x, y, a, b, biased)
    given_ = (2 * a, b) if weighted else (None, None)
    assert otgan.mmd(x, y, *given_, kernel=name, bandwidth=h, biased=biased) == pytest.approx(
        expected, rel=1e-9
    )


def test_on_the_line_the_laplacian_kernel_is_scikit_learns():
    x, y, a = cloud(30, 1), cloud(21, 1, seed=1), np.full(30, 1 / 30)
    expected = by_matrices(
        lambda u, v: laplacian_kernel(u, v, gamma=1 / 0.6), x, y, a, np.full(21, 1 / 21), True
    )
    assert otgan.mmd(x, y, kernel="laplacian", bandwidth=0.6, biased=True) == pytest.approx(
        expected, rel=1e-9
    )


@pytest.mark.parametrize("name", ["gaussian", "laplacian"])
def test_the_biased_one_is_twice_geomlosss(name):
    x, y = torch.from_numpy(cloud(20, 2)), torch.from_numpy(cloud(15, 2, seed=1) + 0.3)
    theirs = 2 * geomloss.SamplesLoss(name, blur=0.8, backend="tensorized")(x, y)
    assert otgan.mmd(x, y, kernel=name, bandwidth=0.8, biased=True).item() == pytest.approx(
        theirs.item(), abs=1e-4
    )


# ---- the bandwidth ---------------------------------------------------------------------------------------------------


def force(monkeypatch, way):
    """Have the median be found in this way, of sets that are small enough for all of them."""
    called = []
    ranked = median._ranked
    monkeypatch.setattr(median, "_ranked", lambda *args: called.append(1) or ranked(*args))
    if way != "at once":
        monkeypatch.setattr("otgan.distances.pairs._TILE", 100)
        monkeypatch.setattr(
            "otgan.distances.kernel_discrepancy.median_distance",
            lambda points: median._between(points, *bracket(points)),
        )
        bracket = median._bracket if way == "between" else lambda points: (0.0, 0.0)
    return called


@pytest.mark.parametrize(("n", "m", "d"), [(2, 1, 1), (9, 8, 3), (10, 8, 3), (40, 30, 100)])
@pytest.mark.parametrize("way", ["at once", "between", "by bits"])
def test_the_bandwidth_is_the_median_pooled_distance(monkeypatch, n, m, d, way):
    called = force(monkeypatch, way)
    x, y = cloud(n, d), 3 * cloud(m, d, seed=1)
    h = np.median(pdist(np.vstack([x, y])))
    assert otgan.mmd(x, y, biased=True) == pytest.approx(otgan.mmd(x, y, bandwidth=h, biased=True), rel=1e-9)
    assert bool(called) == (way == "by bits")
    used = otgan.compare(x, y, metrics="mmd", options={"mmd": {"biased": True}})["mmd"].options
    assert used == {"kernel": "gaussian", "bandwidth": pytest.approx(h, rel=1e-12), "biased": True}


@pytest.mark.parametrize("way", ["at once", "between", "by bits"])
def test_pairs_that_coincide_do_not_count_for_the_bandwidth(monkeypatch, way):
    force(monkeypatch, way)
    x, y = np.array([0.0, 0.0, 0.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, 7.0])
    apart = pdist(np.concatenate([x, y])[:, None])
    h = np.median(apart[apart > 0])
    assert otgan.mmd(x, y) == pytest.approx(otgan.mmd(x, y, bandwidth=h), rel=1e-12)
    assert otgan.mmd([2.0, 2.0], [2.0, 2.0, 2.0]) == 0


def test_the_bandwidth_of_more_samples_than_are_sorted_at_once(rng):
    x, y = rng.normal(size=(1700, 2)), rng.integers(0, 9, (1300, 2))
    apart = pdist(np.vstack([x, y]))
    used = otgan.compare(x, y, metrics="mmd")["mmd"].options["bandwidth"]
    assert used == pytest.approx(np.median(apart[apart > 0]), rel=1e-12)


def test_a_sample_of_weight_zero_does_not_count_for_the_bandwidth():
    x, y = cloud(9, 2), cloud(8, 2, seed=1)
    far, weights = np.vstack([x, np.full((30, 2), 1e9)]), np.concatenate([np.ones(9), np.zeros(30)])
    assert otgan.mmd(far, y, weights) == pytest.approx(otgan.mmd(x, y), rel=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("bandwidth", [1e-300, 1e-20, 1e20, 1e300])
@pytest.mark.parametrize("size", [1e-300, 1.0, 1e300])
def test_bandwidths_of_any_size(kernel, bandwidth, size):
    x, y = as_tensors(size * cloud(6, 2), size * cloud(5, 2, seed=1))
    value = otgan.mmd(x, y, kernel=kernel, bandwidth=bandwidth)
    value.backward()
    if bandwidth < 1e-10 * size:  # the kernel is 1 between coincident samples, and 0 else
        assert value.item() == pytest.approx(0, abs=1e-12)
    elif bandwidth > 1e10 * size:
        assert value.item() == pytest.approx(0, abs=1e-9)
    assert bool(torch.isfinite(x.grad).all())
    assert bool(torch.isfinite(y.grad).all())


# ---- bias ------------------------------------------------------------------------------------------------------------


def test_the_unbiased_one_is_zero_in_the_mean_and_the_biased_one_is_not():
    rng = np.random.default_rng(0)
    draws = [(rng.normal(size=12), rng.normal(size=9)) for _ in range(400)]
    unbiased = np.array([otgan.mmd(x, y, bandwidth=1.0) for x, y in draws])
    assert abs(unbiased.mean()) <= 4 * unbiased.std() / 20
    assert (unbiased < 0).mean() > 0.3
    biased = np.array([otgan.mmd(x, y, bandwidth=1.0, biased=True) for x, y in draws])
    assert biased.min() >= 0
    assert biased.mean() > 10 * biased.std() / 20


def test_weights_that_do_not_depend_on_the_samples_leave_it_unbiased():
    rng = np.random.default_rng(0)
    a, b = np.array([5.0, 1, 1, 1, 2, 1]), np.array([1.0, 3, 1, 1])
    values = np.array(
        [otgan.mmd(rng.normal(size=6), rng.normal(size=4), a, b, bandwidth=1.0) for _ in range(400)]
    )
    assert abs(values.mean()) <= 4 * values.std() / 20


def test_one_weight_that_is_nearly_all():
    x, a = np.array([[0.0], [1.0]]), np.array([1.0, 1e-20])
    value = otgan.mmd(x, x, a, a, bandwidth=1.0)
    assert value == pytest.approx(2 * np.exp(-0.5) - 2, rel=1e-9)  # the one pair there is, and two Diracs


@pytest.mark.parametrize("side", ["x", "y"])
def test_the_unbiased_one_needs_two_samples_with_mass(side):
    one, two = np.zeros((2, 1)), np.ones((2, 1))
    weights = {"a" if side == "x" else "b": [1.0, 0.0]}
    with pytest.raises(
        ValueError, match=rf"^{side} must have two samples with mass or more .* pass biased=True"
    ):
        otgan.mmd(one, two, **weights)
    assert otgan.mmd(one, two, bandwidth=1.0, biased=True, **weights) == pytest.approx(2 - 2 * np.exp(-0.5))


@given(measures(2))
@settings(max_examples=50)
def test_the_biased_one_is_within_its_bounds_and_zero_at_equal_sets(two):
    (x, a), (y, b) = two
    for kernel in KERNELS:
        assert 0 <= otgan.mmd(x, y, a, b, kernel=kernel, biased=True) <= 2
        assert otgan.mmd(x, x[::-1], a, a[::-1], kernel=kernel, biased=True) <= 1e-14


@given(measures(2))
@settings(max_examples=50)
def test_of_the_biased_one_weights_are_repeated_points(two):
    (x, a), (y, b) = two
    repeated = np.repeat(x, a.astype(int), axis=0), np.repeat(y, b.astype(int), axis=0)
    alone = otgan.mmd(x, y, a, b, bandwidth=10.0, biased=True)
    assert alone == pytest.approx(otgan.mmd(*repeated, bandwidth=10.0, biased=True), abs=1e-13)


# ---- gradients -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("d", [1, 3])
def test_gradients_are_finite_differences(kernel, biased, d):
    inputs = [cloud(5, d), cloud(4, d, seed=1) + 0.5, 3 * simplex_weights(5), simplex_weights(4, seed=1)]

    def value(*args):
        return otgan.mmd(*args, kernel=kernel, biased=biased, bandwidth=0.8)

    given_ = as_tensors(*inputs)
    value(*given_).backward()
    for tensor, slope in zip(given_, finite_differences(value, inputs), strict=True):
        np.testing.assert_allclose(tensor.grad, slope, atol=1e-8)


def test_gradients_take_the_default_bandwidth_as_a_constant():
    x, y = cloud(6, 2), cloud(5, 2, seed=1)
    h = np.median(pdist(np.vstack([x, y])))
    found = []
    for options in ({}, {"bandwidth": h}):
        u, v = as_tensors(x, y)
        otgan.mmd(u, v, **options).backward()
        found.append(u.grad)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)


def test_options_reach_a_report():
    x, y = cloud(9, 2), cloud(8, 2, seed=1)
    options = {"kernel": "imq", "bandwidth": 0.5, "biased": True}
    each = otgan.compare(x, y, metrics="mmd", options={"mmd": options}, permutations=3)["mmd"]
    assert each.value == pytest.approx(otgan.mmd(x, y, **options), rel=1e-12)
    assert each.estimator == "biased"
    assert each.options == options
