"""Approximate potentials: near the optimum, and in float32 without losing themselves."""

from __future__ import annotations

import numpy as np
import ot
import pytest
from scipy.spatial.distance import cdist

from otgan.costs import Euclidean, resolve
from otgan.deadline import Deadline
from otgan.exact.endings import OutOfTimeError
from otgan.exact.search import blocks
from otgan.exact.search.blocks import Blocks
from otgan.exact.search.sweeps import approximate_potentials


def _problem(n, m, d, p, seed=0):
    """Points scaled to mean cost 1, weights, and their costs."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, d)), 1.3 * rng.standard_normal((m, d)) + 0.5
    a, b = rng.uniform(0.1, 1, n), rng.uniform(0.1, 1, m)
    a, b = a / a.sum(), b / b.sum()
    cost = cdist(x, y) ** p
    mean = a @ cost @ b
    x, y = ((v - x.mean(0)) / mean ** (1 / p) for v in (x, y))
    return x, y, a, b, cost / mean


def _solve(x, y, a, b, p):
    return approximate_potentials(Blocks(x, y, Euclidean(p)), a, b, 1.0)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize(("n", "m"), [(250, 200), (650, 900)])
def test_dual_value_is_near_the_optimal_one(p, n, m):
    # The second size is solved from coarse to fine.
    x, y, a, b, cost = _problem(n, m, 2, p)
    f, g = _solve(x, y, a, b, p)
    best = ot.lp.emd2(a, b, cost, numItermax=10**7)
    feasible = (cost - g).min(1)
    assert best - 0.03 <= a @ feasible + b @ g <= best + 1e-6
    assert np.abs(f - feasible).max() < 0.3


def test_optimal_arcs_are_among_those_of_least_reduced_cost():
    x, y, a, b, cost = _problem(650, 650, 2, 2)
    f, g = _solve(x, y, a, b, 2)
    i, j = ot.lp.emd(a, b, cost, numItermax=10**7).nonzero()
    reduced = cost - f[:, None] - g
    ranks = np.minimum(reduced.argsort(1).argsort(1), reduced.argsort(0).argsort(0))
    assert np.mean(ranks[i, j] < 16) > 0.98


def test_potentials_are_repeatable():
    x, y, a, b, _ = _problem(700, 650, 2, 2)
    first, second = _solve(x, y, a, b, 2), _solve(x, y, a, b, 2)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)  # sums are shared out anew every time


def test_outliers_and_weights_over_many_orders_stay_finite():
    x, y, _, _, _ = _problem(80, 70, 2, 2)
    x[0] = 30.0
    a, b = np.geomspace(1e-12, 1, 80), np.geomspace(1, 1e-12, 70)
    for p in (1, 2):
        f, g = _solve(x, y, a / a.sum(), b / b.sum(), p)
        assert np.isfinite(f).all()
        assert np.isfinite(g).all()


@pytest.mark.parametrize("name", ["cityblock", "cosine"])
@pytest.mark.parametrize("p", [1, 2])
def test_costs_that_are_no_powers_of_inner_products(name, p):
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((700, 9)) + 0.5, rng.standard_normal((650, 9))
    cost = cdist(x, y, name) ** p
    a, b = np.full(700, 1 / 700), np.full(650, 1 / 650)
    f, g = approximate_potentials(Blocks(x, y, resolve(name, p, 2)), a, b, cost.mean())
    best = ot.lp.emd2(a, b, cost, numItermax=10**7)
    assert best - 0.03 * cost.mean() <= a @ (cost - g).min(1) + b @ g <= best + 1e-6
    assert np.abs(f - (cost - g).min(1)).max() < 0.5 * cost.mean()


def test_costs_that_are_not_kept_are_formed_anew(monkeypatch):
    x, y, a, b, _ = _problem(650, 620, 8, 2)
    kept = _solve(x, y, a, b, 2)
    blocks_ = Blocks(x, y, Euclidean(2))
    blocks_.keep()
    for one, other in zip(kept, approximate_potentials(blocks_, a, b, 1.0), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    monkeypatch.setattr(blocks, "_KEPT", 0)
    for one, other in zip(kept, _solve(x, y, a, b, 2), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_time_is_looked_at():
    x, y, a, b, _ = _problem(650, 620, 8, 2)
    with pytest.raises(OutOfTimeError):
        approximate_potentials(Blocks(x, y, Euclidean(2)), a, b, 1.0, Deadline.after(0.0))
