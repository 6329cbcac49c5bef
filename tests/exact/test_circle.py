"""Transport on a circle: against POT on the matrix of ways, the line it is cut into, and certificates of its own."""

import math

import numpy as np
import ot
import pytest
import torch

import otgan
from otgan.costs import Circle
from otgan.exact.circle import solve_circle
from tests.problems import simplex_weights


def ways(x, y, period):
    """The shorter ways, by another formula."""
    around = np.abs(x[:, None] - y) % period
    return np.minimum(around, period - around)


SIDES = {
    "spread": lambda rng, n, period: rng.uniform(-3 * period, 3 * period, n),
    "hours": lambda rng, n, period: rng.integers(0, 24, n) * period / 24,
    "across": lambda rng, n, period: period / 2 + rng.normal(0, 1e-3 * period, n),
    "opposite": lambda rng, n, period: rng.choice([0.0, period / 2], n),
    "one": lambda rng, n, period: np.full(n, period / 3),
    "negative": lambda rng, n, period: -1e-9 * period * rng.uniform(0, 1, n),
}


@pytest.mark.parametrize("kind", SIDES)
@pytest.mark.parametrize("p", [1, 1.5, 2, 5])
@pytest.mark.parametrize("period", [2 * math.pi, 24.0, 1e-3])
def test_it_is_the_optimum_of_the_matrix(kind, p, period):
    rng = np.random.default_rng(list(SIDES).index(kind))
    for n, m, weighted in ((1, 1, False), (1, 7, True), (9, 9, False), (30, 20, True), (64, 48, False)):
        x, y = SIDES[kind](rng, n, period), SIDES["spread"](rng, m, period)
        if n > 8:
            y[:4] = x[:4] + period
        a, b = (simplex_weights(n), simplex_weights(m, seed=1)) if weighted else (None, None)
        t = otgan.transport(x, y, a, b, cost=Circle(p, period))
        costs = ways(x, y, period) ** p
        size = costs.max()
        a, b = (np.full(k, 1 / k) if w is None else w for w, k in ((a, n), (b, m)))
        assert t.backend == "circle"
        # Up to POT's own tolerance, which is absolute; no plan is better than the best.
        optimum = size * ot.emd2(a, b, costs / (size or 1.0))
        assert optimum * (1 - 1e-9) - 1e-13 * size <= t.value <= optimum * (1 + 1e-12) + 1e-13 * size
        assert t.lower <= t.value <= t.upper
        assert t.upper - t.lower <= max(1e-9 * t.value, 1e-12 * size)
        assert (t.f[:, None] + t.g - costs).max() <= 1e-12 * size
        assert len(t.arcs[0]) <= n + m - 1
        np.testing.assert_allclose(t.plan.sum(1), a, atol=1e-15)
        np.testing.assert_allclose(t.plan.sum(0), b, atol=1e-15)


def test_masses_over_many_orders_keep_their_places(rng):
    x, y = rng.uniform(0, 24, 40), rng.uniform(0, 24, 30)
    a, b = 10.0 ** rng.uniform(-12, 0, 40), 10.0 ** rng.uniform(-12, 0, 30)
    a[3] = b[4] = 0.0
    t = otgan.transport(x, y, a, b, cost=Circle(2, 24))
    other = otgan.transport(x, y, a, b, cost=Circle(2, 24), backend="simplex")
    assert t.backend == "circle"
    assert t.value == pytest.approx(other.value, rel=1e-12)
    np.testing.assert_allclose(t.plan.sum(1), a / a.sum(), rtol=1e-12)


def test_a_circle_much_longer_than_the_points_are_apart_is_a_line(rng):
    x, y = rng.normal(size=300), rng.normal(1, 2, 200)
    for p in (1, 2):
        found = otgan.emd(x, y, cost=Circle(p, 1e6))
        assert found == pytest.approx(otgan.emd(x, y, p=p), rel=1e-12)


def test_many_points_are_certified(rng):
    x, y = 6 + rng.normal(0, 2, 100_000), rng.vonmises(1.0, 2.0, 80_000)
    for p in (1, 2):
        t = otgan.transport(x, y, cost="circle", p=p)
        assert t.backend == "circle"
        assert t.upper - t.lower <= 1e-9 * t.value


def test_hours_of_the_day_are_hours_apart():
    assert otgan.emd([23.5], [0.25], cost=Circle(1, 24)) == pytest.approx(0.75, rel=1e-15)
    assert otgan.emd([-30.0, 350.0], [10.0, 370.0], cost=Circle(1, 360)) == pytest.approx(30, rel=1e-15)
    assert otgan.emd([0.1], [2 * math.pi - 0.1], cost="circle") == pytest.approx(0.2, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_the_unit_of_the_samples_is_that_of_the_distance(scale, rng):
    x, y = rng.uniform(0, 1, 20), rng.uniform(0, 1, 30)
    expected = otgan.emd(x, y, cost=Circle(2, 1.0))
    assert otgan.emd(scale * x, scale * y, cost=Circle(2, scale)) == pytest.approx(
        scale * expected, rel=1e-12
    )
    if scale != 1:
        with pytest.raises(OverflowError, match="half the period"):
            otgan.transport(scale * x, scale * y, cost=Circle(2, scale))


def test_near_places_keep_their_digits_across_the_end_of_the_period():
    x = np.array([math.pi])
    y = np.nextafter(x, 0) - 2 * math.pi
    assert otgan.emd(x, y, cost="circle") == pytest.approx(ways(x - math.pi, y + math.pi, 2 * math.pi)[0, 0])
    tiny = 1e-300
    assert otgan.emd([tiny], [-tiny], cost="circle") == 2 * tiny


def test_costs_at_the_end_of_the_range_have_potentials_too(rng):
    x, y = 1e-200 * rng.uniform(0, 1, 9), 1e-200 * rng.uniform(1, 2, 5)
    found = solve_circle(x, y, np.full(9, 1 / 9), np.full(5, 0.2), 1.5, 24.0)
    assert np.isfinite(np.concatenate([found.f, found.g])).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: otgan.emd([[1.0, 2.0]], [[1.0, 2.0]], cost="circle"), r"between numbers.*got d = 2"),
        (lambda: otgan.emd([1e20], [0.0], cost="circle"), r"within 2\^50 periods.*got 1e\+20"),
        (lambda: Circle(1, 0), "period must be a positive finite number"),
        (lambda: Circle(1, math.inf), "period must be a positive finite number"),
        (lambda: Circle(1, "day"), "period must be a positive finite number"),
        (lambda: otgan.transport([0.0], [1.0], backend="circle"), "backend 'circle' sorts numbers"),
        (lambda: otgan.transport([0.0], [1.0], cost="circle", backend="line"), "backend 'line' sorts points"),
    ],
)
def test_what_has_no_place_is_refused(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_gradients_pull_along_the_shorter_way():
    x = torch.tensor([0.1, 3.0], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([6.2, 3.5], dtype=torch.float64)
    otgan.emd(x, y, cost="circle").backward()
    torch.testing.assert_close(x.grad, torch.tensor([0.5, -0.5], dtype=torch.float64))


def test_time_that_is_over_leaves_bounds_that_hold(rng):
    x, y = rng.uniform(0, 6, 1000), rng.uniform(1, 5, 900)
    t = otgan.transport(x, y, cost="circle", time_limit=1e-9, on_failure="ignore")
    exact = otgan.transport(x, y, cost="circle")
    assert t.status is otgan.Status.TIME_LIMIT
    assert t.lower <= exact.value <= t.upper


def test_potentials_are_feasible_and_meet_their_costs_on_the_arcs(rng):
    x, y = rng.uniform(-50, 50, 500), rng.uniform(-50, 50, 700)
    a, b = simplex_weights(500), simplex_weights(700, seed=1)
    for p in (1, 2, 3):
        found = solve_circle(x, y, a, b, p, 24.0)
        costs = ways(x, y, 24.0) ** p
        excess = found.f[:, None] + found.g - costs
        assert excess.max() <= found.slack
        assert np.abs(excess[found.i, found.j]).max() <= found.slack
        assert found.slack <= 1e-9 * costs.mean()
