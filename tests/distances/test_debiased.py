"""sinkhorn_divergence: its axioms, and where it has none."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import otgan
from tests.inputs import as_tensors
from tests.problems import cloud, simplex_weights

TIGHT = {"tol": 1e-10}


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
    x, y = as_tensors(cloud(12, 2), cloud(12, 2))
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
