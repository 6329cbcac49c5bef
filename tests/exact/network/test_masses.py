"""Weights as whole numbers: one total, exact where they are equal, and light ones not lost."""

import numpy as np
import pytest

from otgan.exact.network.masses import whole_masses


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 3), (4, 6), (7, 5)])
def test_equal_weights_are_exact(n, m):
    supply, demand = whole_masses(np.full(n, 1 / n), np.full(m, 1 / m))
    assert supply.sum() == demand.sum() == np.lcm(n, m)
    assert set(supply) == {np.lcm(n, m) // n}
    assert set(demand) == {np.lcm(n, m) // m}


@pytest.mark.parametrize("seed", range(20))
def test_totals_are_one_and_rounding_is_small(seed):
    rng = np.random.default_rng(seed)
    a, b = (10.0 ** rng.uniform(-12 if seed % 2 else -1, 0, k) for k in rng.integers(2, 60, 2))
    a, b = a / a.sum(), b / b.sum()
    supply, demand = whole_masses(a, b)
    assert supply.dtype == demand.dtype == np.int64
    total = int(supply.sum())
    assert total == int(demand.sum())
    assert 2**60 < total < 2**62
    for masses, weights in ((supply, a), (demand, b)):
        np.testing.assert_allclose(masses / total, weights, rtol=1e-14, atol=2.0**-60)


def test_nothing_is_rounded_away():
    supply, demand = whole_masses(np.array([1.0, 1e-300]), np.array([0.5, 0.5]))
    assert supply[1] == 1
    assert supply.sum() == demand.sum()
