"""Entropic transport at ε far beyond the costs, against its expansion in 1/ε."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import otgan
from tests.problems import cloud, simplex_weights


@pytest.mark.parametrize("epsilon", [1e2, 1e6, 1e12, 1e18, 1e100])
@pytest.mark.parametrize("p", [1, 2])
def test_values_approach_the_mean_cost(p, epsilon):
    x, y, a, b = cloud(7, 2), cloud(6, 2, seed=1), simplex_weights(7), simplex_weights(6, 1)
    cost = cdist(x, y) ** p
    mean = a @ cost @ b
    # To second order in 1/ε: the mean cost less the variance of what no sum of two potentials explains, by 2ε.
    rest = cost - (cost @ b)[:, None] - a @ cost + mean
    expected = mean - a @ rest**2 @ b / (2 * epsilon)
    t = otgan.transport(x, y, a, b, p=p, epsilon=epsilon)
    assert t.converged
    assert t.value == pytest.approx(expected, rel=1e-13 + 30 / epsilon**2)
    np.testing.assert_allclose(t.plan, a[:, None] * b, rtol=20 / epsilon + 1e-12)


def test_a_batch_of_both_kinds_is_a_loop():
    x, y = np.stack([cloud(8, 2)] * 3), np.stack([cloud(9, 2, seed=1)] * 3)
    epsilon = [1e9, 0.2, 1e3]
    t = otgan.transport(x, y, epsilon=epsilon, tol=1e-10)
    for k in range(3):
        assert t.value[k] == pytest.approx(
            otgan.transport(x[k], y[k], epsilon=epsilon[k], tol=1e-10).value, rel=1e-12
        )


@pytest.mark.parametrize("epsilon", [1e3, 1e9, 1e18])
def test_unbalanced_values_approach_their_limit(epsilon):
    # At ε → ∞ the plan is t a⊗b, and only its mass is free: t minimizes t ⟨a⊗b, C⟩ + 2 ρ (t log t − t + 1).
    x, y, reach = cloud(5, 2), cloud(6, 2, seed=1), 1.5
    rho = 2 * reach**2
    t = otgan.transport(x, y, epsilon=epsilon, reach=reach)
    mean = (cdist(x, y) ** 2).mean()
    # ε KL(P | a⊗b) = ε (t log t − t + 1) beside 2 ρ of it.
    total = np.exp(-mean / (2 * rho + epsilon))
    entropy = total * np.log(total) - total + 1
    expected = total * mean + (2 * rho + epsilon) * entropy
    assert t.value == pytest.approx(expected, rel=1e-12 + 100 / epsilon)


def test_divergences_vanish_between_equal_sets_at_any_epsilon():
    x = 1e6 * cloud(9, 3)
    for epsilon in (1e16, 1e20, 1e30):
        assert 0 <= otgan.sinkhorn_divergence(x, x[::-1], epsilon=epsilon) <= 1e-13 * (x**2).sum()
