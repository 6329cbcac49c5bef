"""Certified intervals of exact costs, held to rational numbers and to what cannot be known."""

from fractions import Fraction

import numpy as np
import pytest

import otgan
from tests.problems import cloud, simplex_weights


@pytest.mark.parametrize("far", [1e4, 1e9, 1e15])
@pytest.mark.parametrize("p", [1, 2])
def test_a_cluster_far_away_does_not_blur_the_interval(p, far):
    x, y = cloud(6, 4), cloud(6, 4, seed=1)
    both = [np.concatenate([v, far + v[:2]]) for v in (x, y)]
    t = otgan.transport(*both, p=p)
    near = otgan.transport(x, y, p=p)
    moved = np.linalg.norm(both[0][6:, None] - both[1][6:], axis=2) ** p
    cost = (6 * near.value + min(moved[0, 0] + moved[1, 1], moved[0, 1] + moved[1, 0])) / 8
    assert t.lower <= t.value <= t.upper
    assert t.value == pytest.approx(cost, rel=1e-9)
    assert t.upper - t.lower <= 1e-9 * t.value


def test_light_masses_that_travel_far_are_counted_exactly():
    a, far = [1e-13, 1.0], 1e9
    t = otgan.transport([far, 0.0], [0.0], a, p=2)
    exact = Fraction(1e-13) / (Fraction(1e-13) + 1) * Fraction(far) ** 2
    assert Fraction(t.lower) <= exact <= Fraction(t.upper)
    assert t.value == pytest.approx(float(exact), rel=1e-14)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_mass_that_must_go_far_is_in_the_interval(d):
    # The clusters' masses differ: what is over must travel between them.
    x = np.concatenate([cloud(3, d), 1e8 + cloud(2, d, seed=1)])
    y = np.concatenate([cloud(3, d, seed=2), 1e8 + cloud(2, d, seed=3)])
    a, b = np.array([1, 1, 1, 1, 1 + 2.0**-40]), np.ones(5)
    t = otgan.transport(x, y, a, b, p=2)
    assert t.lower <= t.value <= t.upper
    over = Fraction(a.sum() - 3) / Fraction(a.sum()) - Fraction(2, 5)
    assert t.value >= 0.9 * float(over) * d * 1e16


@pytest.mark.parametrize("backend", ["simplex", "certified"])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_the_interval_is_narrow(backend, p):
    x, y, a, b = cloud(60, 6), cloud(50, 6, seed=1), simplex_weights(60), simplex_weights(50, 1)
    t = otgan.transport(x, y, a, b, p=p, backend=backend)
    assert t.lower <= t.value <= t.upper
    assert t.upper - t.lower <= 1e-9 * t.value
