"""energy against SciPy, GeomLoss, closed forms, and its own axioms."""

import geomloss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy.spatial.distance import cdist
from scipy.stats import energy_distance
from sklearn.metrics.pairwise import haversine_distances

import otgan
from tests.inputs import as_tensors, finite_differences, measures
from tests.problems import cloud, simplex_weights


def by_matrices(x, y, a, b):
    return 2 * a @ cdist(x, y) @ b - a @ cdist(x, x) @ a - b @ cdist(y, y) @ b


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "m"), [(1, 4), (20, 20), (30, 17)])
def test_on_the_line_it_is_the_square_of_scipys(n, m, weighted):
    x, y = cloud(n, 1)[:, 0], 2 * cloud(m, 1, seed=1)[:, 0] + 0.3
    a, b = (simplex_weights(n), simplex_weights(m)) if weighted else (None, None)
    assert otgan.energy(x, y, a, b) == pytest.approx(energy_distance(x, y, a, b) ** 2, rel=1e-11)


@pytest.mark.parametrize("d", [2, 5, 300])
def test_it_is_twice_geomlosss(d):
    x, y = torch.from_numpy(cloud(20, d)), torch.from_numpy(cloud(15, d, seed=1) + 0.3)
    a, b = torch.from_numpy(simplex_weights(20)), torch.from_numpy(simplex_weights(15))
    theirs = geomloss.SamplesLoss("energy", backend="tensorized")(a, x, b, y)
    assert otgan.energy(x, y, a, b).item() == pytest.approx(
        2 * theirs.item(), abs=1e-4
    )  # to it all are 1e-4 apart


@pytest.mark.parametrize("d", [1, 3, 40])
def test_it_is_the_sum_over_the_matrices(d):
    x, y, a, b = cloud(40, d), cloud(31, d, seed=1) + 0.2, simplex_weights(40), simplex_weights(31)
    assert otgan.energy(x, y, 3 * a, b) == pytest.approx(by_matrices(x, y, a, b), rel=1e-12)


def test_closed_forms():
    assert otgan.energy([0.0], [3.0]) == 6.0  # two Diracs: twice their distance
    assert otgan.energy([[0.0, 0.0]], [[3.0, 4.0]]) == 10.0
    n = 50  # {1..n} against itself moved by 1: 2 ∫ (F − G)² = 2 n / n²
    assert otgan.energy(np.arange(n), np.arange(1, n + 1)) == pytest.approx(2 / n, rel=1e-11)


METRICS = {"cityblock": "cityblock", "chebyshev": "chebyshev", "cosine": "cosine"}


@pytest.mark.parametrize("cost", METRICS)
def test_it_takes_every_cost(cost):
    x, y, a, b = cloud(9, 3), cloud(7, 3, seed=1) + 0.3, simplex_weights(9), simplex_weights(7)
    matrices = [cdist(*both, METRICS[cost]) for both in ((x, y), (x, x), (y, y))]
    expected = 2 * a @ matrices[0] @ b - a @ matrices[1] @ a - b @ matrices[2] @ b
    assert otgan.energy(x, y, a, b, cost=cost) == pytest.approx(expected, rel=1e-11)
    assert otgan.energy(matrices, a=a, b=b, cost="precomputed") == pytest.approx(expected, rel=1e-11)
    function = otgan.energy(x, y, a, b, cost=lambda u, v: cdist(u, v, METRICS[cost]))
    assert function == pytest.approx(expected, rel=1e-11)
    report = otgan.compare(x, y, a, b, metrics="energy", cost=cost)
    assert report["energy"].value == pytest.approx(expected, rel=1e-11)
    assert report["energy"].cost == cost


def test_places_are_compared_by_their_angles():
    x, y = 0.5 * cloud(6, 2), 0.5 * cloud(5, 2, seed=1)
    matrices = [haversine_distances(*both) for both in ((x, y), (x, x), (y, y))]
    expected = 2 * matrices[0].mean() - matrices[1].mean() - matrices[2].mean()
    assert otgan.energy(x, y, cost="haversine") == pytest.approx(expected, rel=1e-9)


def test_its_gradients_in_matrices_and_parameters_are_finite_differences():
    x, y = (torch.from_numpy(cloud(n, 2, seed=n)) for n in (4, 5))
    a = torch.from_numpy(simplex_weights(4))

    def matrices(scale):
        return tuple(torch.cdist(*both) * scale for both in ((x, y), (x, x), (y, y)))

    given_ = [each.clone().requires_grad_() for each in matrices(1.0)]
    otgan.energy(tuple(given_), a=a, cost="precomputed").backward()
    b = torch.full((5,), 0.2, dtype=torch.float64)
    for each, slope in zip(given_, (2 * a[:, None] * b, -a[:, None] * a, -b[:, None] * b), strict=True):
        torch.testing.assert_close(each.grad, slope)
    scale = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    value = otgan.energy(x, y, a, cost=lambda u, v: scale * abs(u[:, None] - v).sum(-1))
    value.backward()
    assert scale.grad.item() == pytest.approx(value.item() / 1.5, rel=1e-12)


def test_of_a_distance_of_another_kind_it_may_be_negative():
    # Four points of the plane that no Hilbert space holds at these distances.
    square = np.array([[0.0, 0], [1, 1], [1, -1], [2, 0]])
    x, y = square[[0, 3]], square[[1, 2]]
    steps = cdist(x, y), cdist(x, x), cdist(y, y)
    assert otgan.energy(x, y) >= 0
    far = [np.where(each > 0, 1.0, 0.0) for each in steps]
    far[1][far[1] > 0] = far[2][far[2] > 0] = 2.5
    assert otgan.energy(far, cost="precomputed") == pytest.approx(2 - 1.25 - 1.25)


@given(measures(2))
@settings(max_examples=50)
def test_it_is_symmetric_and_nonnegative(two):
    (x, a), (y, b) = two
    value = otgan.energy(x, y, a, b)
    assert value >= 0
    assert otgan.energy(y, x, b, a) == pytest.approx(value, rel=1e-9, abs=1e-11)


@given(measures(3))
@settings(max_examples=50)
def test_its_root_has_the_triangle_inequality(three):
    (x, a), (y, b), (z, c) = three
    detour = otgan.energy(x, y, a, b) ** 0.5 + otgan.energy(y, z, b, c) ** 0.5
    assert otgan.energy(x, z, a, c) ** 0.5 <= detour + 1e-6 * (1 + detour)


@given(measures(2))
@settings(max_examples=50)
def test_weights_are_repeated_points(two):
    (x, a), (y, b) = two
    repeated = otgan.energy(np.repeat(x, a.astype(int), axis=0), np.repeat(y, b.astype(int), axis=0))
    assert otgan.energy(x, y, a, b) == pytest.approx(repeated, rel=1e-9, abs=1e-10)


@given(measures(2))
@settings(max_examples=50)
def test_it_is_at_most_twice_the_distance_that_mass_moves(two):
    (x, a), (y, b) = two
    assert otgan.energy(x, y, a, b) <= 2 * otgan.emd(x, y, a, b) * (1 + 1e-9) + 1e-10


@pytest.mark.parametrize("size", [1e-307, 1e-200, 1e200, 1e306])
def test_the_ends_of_the_range(size):
    x, y, a = cloud(7, 2), cloud(5, 2, seed=1), simplex_weights(7)
    assert otgan.energy(size * x, size * y, a) == pytest.approx(size * otgan.energy(x, y, a), rel=1e-11)
    (near, other), (far, beyond) = as_tensors(x, y), as_tensors(size * x, size * y)
    otgan.energy(near, other).backward()
    otgan.energy(far, beyond).backward()
    np.testing.assert_allclose(far.grad, near.grad, rtol=1e-9)


def test_a_distance_beyond_the_range_is_an_error():
    with pytest.raises(OverflowError, match="beyond the range of float64"):
        otgan.energy([-1.7e308], [1.7e308])
    with pytest.raises(OverflowError, match="beyond the range of float32"):
        otgan.energy(torch.tensor([-3e38]), torch.tensor([3e38]))


@pytest.mark.parametrize("d", [1, 3, 20])
def test_gradients_are_finite_differences(d):
    inputs = [cloud(5, d), cloud(4, d, seed=1) + 0.5, 3 * simplex_weights(5), simplex_weights(4, seed=1)]
    given_ = as_tensors(*inputs)
    otgan.energy(*given_).backward()
    for tensor, slope in zip(given_, finite_differences(otgan.energy, inputs), strict=True):
        np.testing.assert_allclose(tensor.grad, slope, atol=1e-7)


def test_tiles_are_a_whole(monkeypatch):
    x, y, a = *as_tensors(cloud(23, 3), cloud(17, 3, seed=1)), simplex_weights(23)
    value = otgan.energy(x, y, torch.from_numpy(a))
    value.backward()
    whole = x.grad.clone(), y.grad.clone()
    for each in (x, y):
        each.grad = None
    monkeypatch.setattr("otgan.distances.pairs._TILE", 60)
    again = otgan.energy(x, y, torch.from_numpy(a))
    again.backward()
    assert again.item() == pytest.approx(value.item(), rel=1e-13)
    np.testing.assert_allclose(x.grad, whole[0], rtol=1e-12)
    np.testing.assert_allclose(y.grad, whole[1], rtol=1e-12)


def test_second_derivatives_are_an_error_not_a_zero():
    x, y = as_tensors(cloud(5, 2), cloud(4, 2, seed=1))
    (gradient,) = torch.autograd.grad(otgan.energy(x, y), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiable once"):
        gradient.square().sum().backward()


def test_the_standard_error_is_the_spread_of_repeated_measurements():
    rng = np.random.default_rng(1)
    found = [
        otgan.compare(rng.normal(size=60), rng.normal(size=90) + 3, metrics="energy")["energy"]
        for _ in range(80)
    ]
    spread = np.std([each.value for each in found])
    assert np.mean([each.standard_error for each in found]) == pytest.approx(spread, rel=0.3)
