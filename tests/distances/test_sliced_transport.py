"""sliced against POT on the same directions, SciPy on the line, closed forms, and its own error."""

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from scipy.stats import wasserstein_distance

import otgan
from otgan.distances.sliced_transport import directions
from tests.inputs import POWER, as_tensors, finite_differences, measures
from tests.problems import cloud, simplex_weights


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "m"), [(1, 4), (20, 20), (30, 17)])
@pytest.mark.parametrize("d", [2, 30])
def test_it_is_pots_on_the_same_directions(p, weighted, n, m, d):
    x, y = cloud(n, d), 1.3 * cloud(m, d, seed=1) + 0.2
    a, b = (simplex_weights(n), simplex_weights(m)) if weighted else (None, None)
    theirs = ot.sliced_wasserstein_distance(x, y, a, b, p=p, projections=directions(d, 9, 5).numpy().T)
    assert otgan.sliced(x, y, a, b, p=p, projections=9, seed=5) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_on_the_line_it_is_the_wasserstein_distance(p):
    x, y, a, b = cloud(30, 1), 2 * cloud(17, 1, seed=1), simplex_weights(30), simplex_weights(17)
    value = otgan.sliced(x, y, a, b, p=p, projections=1)
    assert value == pytest.approx(otgan.emd(x, y, a, b, p=p), rel=1e-11)
    assert value == otgan.sliced(x, y, a, b, p=p, seed=8)
    if p == 1:
        assert value == pytest.approx(wasserstein_distance(x[:, 0], y[:, 0], a, b), rel=1e-11)


def test_closed_forms():
    # E ⟨θ, v⟩² = ‖v‖² / d, and E |⟨θ, v⟩| = 2 ‖v‖ / π in the plane.
    x, shift = cloud(30, 2), np.array([3.0, 4.0])
    assert otgan.sliced(x, x + shift, projections=200_000) == pytest.approx(5 / 2**0.5, rel=5e-3)
    assert otgan.sliced(x, x + shift, p=1, projections=200_000) == pytest.approx(10 / np.pi, rel=5e-3)


@given(measures(2), POWER)
@settings(max_examples=50)
def test_it_is_symmetric_and_at_most_the_distance_itself(two, p):
    (x, a), (y, b) = two
    value = otgan.sliced(x, y, a, b, p=p, projections=5)
    assert 0 <= value <= otgan.emd(x, y, a, b, p=p) * (1 + 1e-9) + 1e-9
    assert otgan.sliced(y, x, b, a, p=p, projections=5) == pytest.approx(value, rel=1e-7, abs=1e-9)


@given(measures(3), POWER)
@settings(max_examples=50)
def test_it_has_the_triangle_inequality(three, p):
    (x, a), (y, b), (z, c) = three

    def apart(*args):
        return otgan.sliced(*args, p=p, projections=5)

    detour = apart(x, y, a, b) + apart(y, z, b, c)
    assert apart(x, z, a, c) <= detour + 1e-8 * (1 + detour)


@given(measures(2), POWER)
@settings(max_examples=50)
def test_weights_are_repeated_points(two, p):
    (x, a), (y, b) = two
    repeated = np.repeat(x, a.astype(int), axis=0), np.repeat(y, b.astype(int), axis=0)
    alone = otgan.sliced(x, y, a, b, p=p, projections=5)
    assert alone == pytest.approx(otgan.sliced(*repeated, p=p, projections=5), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_equal_measures_are_at_zero_though_sums_are_rounded(p):
    rng = np.random.default_rng(0)
    x, a = np.repeat(cloud(40, 7), 3, axis=0), rng.random(120)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(120)
        assert otgan.sliced(x, x[order], a, a[order], p=p) == 0
        assert otgan.sliced(x, np.repeat(x[order], 2, axis=0), a, np.repeat(a[order], 2), p=p) == 0


@pytest.mark.parametrize("size", [1e-307, 1e-200, 1e200, 1e306])
@pytest.mark.parametrize("p", [1, 2, 300])
def test_the_ends_of_the_range(size, p):
    x, y, a = cloud(7, 2), cloud(5, 2, seed=1), simplex_weights(7)
    near = otgan.sliced(x, y, a, p=p)
    assert otgan.sliced(size * x, size * y, a, p=p) == pytest.approx(size * near, rel=1e-11)


def test_a_distance_beyond_the_range_is_an_error():
    with pytest.raises(OverflowError, match="beyond the range of float64"):
        otgan.sliced([-1.7e308, 0.0], [1.7e308, 0.0])


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("d", [1, 3])
def test_gradients_are_finite_differences(p, d):
    inputs = [cloud(5, d), cloud(4, d, seed=1) + 0.5, 3 * simplex_weights(5), simplex_weights(4, seed=1)]

    def value(*args):
        return otgan.sliced(*args, p=p, projections=6)

    given_ = as_tensors(*inputs)
    value(*given_).backward()
    for tensor, slope in zip(given_, finite_differences(value, inputs, step=1e-6), strict=True):
        np.testing.assert_allclose(tensor.grad, slope, atol=1e-6)


def test_the_short_way_for_equal_sizes_is_the_long_one():
    x, y = cloud(12, 3), cloud(12, 3, seed=1)
    (u, v), (s, t) = as_tensors(x, y), as_tensors(x, y)
    short, long = otgan.sliced(u, v), otgan.sliced(s, t, torch.ones(12).double(), torch.ones(12).double())
    assert short.item() == pytest.approx(long.item(), rel=1e-12)
    short.backward()
    long.backward()
    np.testing.assert_allclose(u.grad, s.grad, atol=1e-12)


def test_directions_in_parts_are_a_whole(monkeypatch):
    found = []
    for tile in (2**20, 50):
        monkeypatch.setattr("otgan.distances.sliced_transport._TILE", tile)
        given_ = as_tensors(cloud(9, 3), cloud(7, 3, seed=1), simplex_weights(9), simplex_weights(7))
        value = otgan.sliced(*given_, projections=20)
        value.backward()
        found.append([value.detach(), *(each.grad for each in given_)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_second_derivatives_are_an_error_not_a_zero():
    x, y = as_tensors(cloud(5, 2), cloud(4, 2, seed=1))
    (gradient,) = torch.autograd.grad(otgan.sliced(x, y), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiable once"):
        gradient.square().sum().backward()


def test_directions_are_unit_vectors_of_their_own_seed():
    theta = directions(5, 100, 0)
    np.testing.assert_allclose(theta.norm(dim=1), 1, rtol=1e-12)
    assert torch.equal(theta, directions(5, 100, 0))
    assert not torch.equal(theta, directions(5, 100, 1))
    assert directions(1, 100, 3).tolist() == [[1.0]]


@pytest.mark.parametrize("p", [1, 2])
def test_its_monte_carlo_error_is_the_spread_over_seeds(p):
    x, y = cloud(40, 6), cloud(30, 6, seed=1) + np.arange(6.0)
    found = [
        otgan.compare(x, y, metrics="sliced", p=p, options={"sliced": {"projections": 50, "seed": seed}})[
            "sliced"
        ]
        for seed in range(60)
    ]
    spread = np.std([each.value for each in found])
    assert np.mean([each.monte_carlo_error for each in found]) == pytest.approx(spread, rel=0.3)
    assert all(each.options == {"projections": 50, "seed": k} for k, each in enumerate(found))


def test_there_is_no_such_error_on_the_line():
    report = otgan.compare(cloud(9, 1), cloud(8, 1, seed=1), metrics="sliced")
    assert report["sliced"].monte_carlo_error == 0
    assert "line: exact" in report.table()


@pytest.mark.parametrize("sizes", [(60, 90), (60, 60)])
def test_the_standard_error_is_the_spread_of_repeated_measurements(sizes):
    rng = np.random.default_rng(1)
    found = [
        otgan.compare(rng.normal(size=sizes[0]), 2 * rng.normal(size=sizes[1]) + 3, metrics="sliced", p=2)[
            "sliced"
        ]
        for _ in range(80)
    ]
    spread = np.std([each.value for each in found])
    assert np.mean([each.standard_error for each in found]) == pytest.approx(spread, rel=0.3)
