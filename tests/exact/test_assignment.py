"""Assignment: its potentials prove it optimal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from otgan.exact.assignment import potentials, solve_assignment


def _check_certificate(cost):
    arcs = solve_assignment(cost)
    f, g = potentials(cost, arcs.j)
    slack = 1e-12 * (np.abs(cost).max() or 1.0)
    assert (f[:, None] + g - cost).max() <= slack
    assert f.mean() + g.mean() == pytest.approx(float(arcs.mass @ cost[arcs.i, arcs.j]), abs=slack)


@pytest.mark.parametrize("n", [1, 2, 17, 120])
@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_potentials_certify_the_assignment(n, p):
    rng = np.random.default_rng(n)
    _check_certificate(cdist(rng.standard_normal((n, 3)), rng.standard_normal((n, 3)) + 1) ** p)


def test_potentials_of_degenerate_costs():
    _check_certificate(np.zeros((5, 5)))
    _check_certificate(np.ones((5, 5)))
    grid = np.arange(6.0)[:, None]
    _check_certificate(cdist(grid, grid[::-1]))


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_potentials_at_the_ends_of_the_range(size):
    rng = np.random.default_rng(0)
    _check_certificate(size * cdist(rng.random((20, 2)), rng.random((20, 2))))


@given(st.lists(st.integers(0, 4), min_size=16, max_size=16))
def test_potentials_of_integer_costs_with_many_ties(entries):
    _check_certificate(np.array(entries, float).reshape(4, 4))


def test_masses_are_uniform():
    arcs = solve_assignment(np.random.default_rng(0).random((7, 7)))
    assert sorted(arcs.j) == list(range(7))
    np.testing.assert_array_equal(arcs.mass, 1 / 7)
