"""Masses along a forest in doubled precision: those in whole numbers, to the last digit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from otgan.exact.flows import exact_flows, whole_flows
from otgan.exact.network.leaves import doubled_flows
from otgan.exact.simplex import solve_simplex

DRAWS = {
    "uneven": lambda rng, k: rng.random(k) + 1e-3,
    "fourteen orders": lambda rng, k: 10.0 ** rng.uniform(-14, 0, k),
    "whole": lambda rng, k: rng.integers(1, 5, k).astype(float),
    "equal": lambda rng, k: None,
}


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 7), (40, 30), (300, 260)])
def test_masses_are_those_in_whole_numbers(draw, n, m):
    rng = np.random.default_rng(n)
    given = DRAWS[draw](rng, n), DRAWS["uneven"](rng, m)
    a, b = (np.full(k, 1 / k) if w is None else w / w.sum() for w, k in zip(given, (n, m), strict=True))
    arcs = solve_simplex(cdist(rng.random((n, 2)), rng.random((m, 2))), a, b)
    found = doubled_flows(arcs.i, arcs.j, given, (n, m))
    expected, homeless = whole_flows(arcs.i, arcs.j, given, (n, m))
    assert homeless == 0
    np.testing.assert_allclose(found, expected, rtol=4e-16, atol=1e-28)
    np.testing.assert_array_equal(exact_flows(arcs.i, arcs.j, given, (n, m)), found)


def test_masses_that_are_nothing_are_0():
    found = doubled_flows(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2]), (np.full(3, 0.1), None), (3, 3))
    np.testing.assert_array_equal(found, [1 / 3, 0.0, 1 / 3, 1 / 3])


@pytest.mark.parametrize(
    ("i", "j"), [([0, 0, 1, 1], [0, 1, 0, 1]), ([0, 0], [0, 0])], ids=["a cycle", "an arc twice"]
)
def test_what_is_no_forest_has_no_flow(i, j):
    assert doubled_flows(np.array(i), np.array(j), (None, None), (2, 2)) is None


def test_a_tree_that_would_need_a_negative_mass_has_no_flow():
    given = (np.array([1.0, 2.0]), np.array([2.0, 5.0]))
    assert doubled_flows(np.array([0, 1, 1]), np.array([0, 0, 1]), given, (2, 2)) is None


def test_weights_beyond_doubled_precision_are_counted_in_whole_numbers():
    given = (None, np.array([1.0, 2.0**-200]))
    found = exact_flows(np.array([0, 0]), np.array([0, 1]), given, (1, 2))
    np.testing.assert_array_equal(found, [1.0, 2.0**-200])
