"""Sorting on the line, against SciPy and against the definition of a plan."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance

from otgan.exact.line import solve_line


def _random(n, m, seed=0, zeros=False):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0, 1, n), rng.uniform(0, 1, m)
    if zeros:
        a[rng.permutation(n)[: n // 3]] = 0
        b[rng.permutation(m)[: m // 3]] = 0
    return rng.standard_normal(n), rng.normal(0.5, 2, m), a / a.sum(), b / b.sum()


def _cost(arcs, x, y, p):
    return float(arcs.mass @ np.abs(x[arcs.i] - y[arcs.j]) ** p)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 5), (7, 1), (40, 40), (31, 53)])
@pytest.mark.parametrize("zeros", [False, True])
def test_value_is_scipys(n, m, zeros):
    x, y, a, b = _random(n, m, zeros=zeros)
    value = _cost(solve_line(x, y, a, b, 1), x, y, 1)
    assert value == pytest.approx(wasserstein_distance(x, y, a, b), rel=1e-12)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_value_is_that_of_the_best_assignment(p):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal(30), rng.standard_normal(30)
    cost = np.abs(x[:, None] - y) ** p
    best = cost[linear_sum_assignment(cost)].mean()
    uniform = np.full(30, 1 / 30)
    assert _cost(solve_line(x, y, uniform, uniform, p), x, y, p) == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("zeros", [False, True])
def test_potentials_are_feasible_and_optimal(p, zeros):
    x, y, a, b = _random(23, 37, seed=2, zeros=zeros)
    arcs = solve_line(x, y, a, b, p)
    cost = np.abs(x[:, None] - y) ** p
    assert (arcs.f[:, None] + arcs.g - cost).max() <= 1e-12 * cost.max()
    assert a @ arcs.f + b @ arcs.g == pytest.approx(_cost(arcs, x, y, p), rel=1e-12)


def test_arcs_are_few_positive_and_have_the_marginals():
    x, y, a, b = _random(50, 30, seed=3)
    arcs = solve_line(x, y, a, b, 2)
    assert len(arcs.i) <= 79
    assert (arcs.mass > 0).all()
    np.testing.assert_allclose(np.bincount(arcs.i, arcs.mass, 50), a, atol=1e-15)
    np.testing.assert_allclose(np.bincount(arcs.j, arcs.mass, 30), b, atol=1e-15)


def test_equal_sizes_are_matched_one_to_one():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal(1000), rng.standard_normal(1000)
    uniform = np.full(1000, 1 / 1000)
    arcs = solve_line(x, y, uniform, uniform, 1)
    plan = np.zeros((1000, 1000))
    plan[arcs.i, arcs.j] = arcs.mass
    matched = plan[np.argsort(x)][:, np.argsort(y)].diagonal()
    np.testing.assert_allclose(matched, 1 / 1000, rtol=1e-9)


@given(
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.integers(0, 5)), min_size=1, max_size=8),
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.integers(0, 5)), min_size=1, max_size=8),
)
def test_value_is_scipys_for_ties_and_zero_weights(left, right):
    x, a = map(np.array, zip(*left, strict=True))
    y, b = map(np.array, zip(*right, strict=True))
    if a.sum() == 0 or b.sum() == 0:
        return
    arcs = solve_line(x, y, a / a.sum(), b / b.sum(), 1)
    assert _cost(arcs, x, y, 1) == pytest.approx(wasserstein_distance(x, y, a, b), abs=1e-10)
    assert (arcs.f[:, None] + arcs.g - np.abs(x[:, None] - y)).max() <= 1e-10
