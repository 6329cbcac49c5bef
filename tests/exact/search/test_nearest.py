"""The search through a tree: what a look at all pairs finds, for every law of costs and whatever the potentials."""

from __future__ import annotations

import numpy as np
import pytest

from otgan.costs import resolve
from otgan.deadline import Deadline
from otgan.exact.endings import OutOfTimeError
from otgan.exact.search.law import cost_of, law_of, slope_of
from otgan.exact.search.nearest import least_arcs
from otgan.exact.search.tree import plant

NAMES = ["euclidean", "cityblock", "chebyshev", "cosine", "haversine"]


def _points(name, kind, n, rng):
    if name == "haversine":
        return np.column_stack([np.arcsin(rng.uniform(-1, 1, n)), rng.uniform(-np.pi, np.pi, n)])
    return rng.integers(-3, 4, (n, 3)) + 0.5 if kind == "lattice" else rng.standard_normal((n, 3))


def _problem(name, p, kind, n=300, m=400):
    rng = np.random.default_rng(NAMES.index(name))
    x, y = _points(name, kind, n, rng), _points(name, kind, m, rng)
    if name != "haversine":
        y[:5] = x[:5]
    else:
        y[:5] = x[:5] * [-1, 1] + [0, np.pi]  # opposite places
    cost = resolve(name, p, 2)
    places = cost.places(x, y)
    (here, of_x), (there, of_y) = plant(places.x), plant(places.y)
    costs = cost.block(x[None], y[None], direct=True)[0][np.ix_(of_x, of_y)]
    return here, there, law_of(places), costs, places.slack


POTENTIALS = {
    "zero": lambda costs, rng: np.zeros(costs.shape[1]),
    "transform": lambda costs, rng: costs[rng.permutation(len(costs))[:40]].min(0) * 0.9,
    "noise": lambda costs, rng: costs.mean() * rng.standard_normal(costs.shape[1]),
    "huge": lambda costs, rng: 1e9 * rng.standard_normal(costs.shape[1]),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("p", [1, 2, 3.5])
@pytest.mark.parametrize("kind", ["gaussian", "lattice"])
@pytest.mark.parametrize("potentials", POTENTIALS)
def test_the_least_are_those_of_all_pairs(name, p, kind, potentials):
    x, y, law, costs, slack = _problem(name, p, kind)
    g = POTENTIALS[potentials](costs, np.random.default_rng(1))
    found, least = least_arcs(x.points, y, g, law, 7)
    expected = np.sort(costs - g, axis=1)[:, :7]
    atol = 1e-12 * costs.max() + 1e-15 * np.abs(g).max() + slack
    np.testing.assert_allclose(least, expected, atol=atol)
    assert (np.diff(least) >= 0).all()
    np.testing.assert_allclose(np.take_along_axis(costs - g, found.astype(int), 1), least, atol=atol)
    assert all(len(set(row)) == 7 for row in found.tolist())


@pytest.mark.parametrize("p", [1, 2])
def test_only_what_is_below_a_limit_is_found(p):
    x, y, law, costs, _ = _problem("euclidean", p, "gaussian")
    g = costs.min(0)
    below = (costs - g).min(1) + np.random.default_rng(0).choice([-1.0, 0.0, 0.1], len(costs))
    found, least = least_arcs(x.points, y, g, law, 5, below)
    for i, row in enumerate(np.sort(costs - g, axis=1)):
        some = row[row < below[i] - 1e-12][:5]
        assert (found[i, : len(some)] >= 0).all()
        np.testing.assert_allclose(least[i, : len(some)], some, atol=1e-12)
        assert (np.delete(least[i], range(len(some))) >= below[i] - 1e-12).all()


def test_lists_are_no_longer_than_there_are_points():
    x, _ = plant(np.zeros((3, 2)))
    y, _ = plant(np.ones((2, 2)))
    found, least = least_arcs(
        x.points, y, np.array([0.0, 1.0]), law_of(resolve("euclidean", 2, 2).places(*_two())), 9
    )
    np.testing.assert_array_equal(found, [[1, 0]] * 3)
    np.testing.assert_allclose(least, [[1.0, 2.0]] * 3)


def _two():
    return np.zeros((3, 2)), np.ones((2, 2))


def test_time_is_looked_at():
    x, y, law, costs, _ = _problem("euclidean", 2, "gaussian")
    with pytest.raises(OutOfTimeError):
        least_arcs(x.points, y, np.zeros(costs.shape[1]), law, 1, deadline=Deadline.after(0.0))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_slopes_are_those_of_the_costs(name, p):
    law = law_of(resolve(name, p, 2).places(np.ones((1, 2)), np.ones((1, 2))))
    for apart in (1e-3, 0.3, 2.0):
        step = 1e-6 * apart
        slope = (cost_of(apart + step, law) - cost_of(apart - step, law)) / (2 * step)
        per = slope_of(apart, cost_of(apart, law), law)
        # By squares the direction is the difference itself, twice which is the slope of the square.
        assert per == pytest.approx(slope * (2 if law[0] == 2 else 1), rel=1e-6)
    assert slope_of(0.0, 0.0, law) == 0
