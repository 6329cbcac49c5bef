"""Column generation: the answer of the simplex on all costs, and no answer where there is no proof."""

from __future__ import annotations

import numpy as np
import ot
import pytest
import torch
from scipy.spatial.distance import cdist

import otgan
from otgan.costs import Euclidean
from otgan.deadline import Deadline
from otgan.exact import certified, solver
from otgan.exact.certified import solve_certified
from otgan.exact.endings import OutOfTimeError, SimplexError
from otgan.exact.search.restricted import Restricted
from otgan.exact.simplex import solve_simplex


def _problem(n, m, d, weighted=True, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, d)), 1.3 * rng.standard_normal((m, d)) + 0.5
    a, b = (rng.uniform(0.1, 1, n), rng.uniform(0.1, 1, m)) if weighted else (np.ones(n), np.ones(m))
    return x, y, a / a.sum(), b / b.sum()


def _solve(x, y, a, b, p):
    return solve_certified(x, y, a, b, Euclidean(p))


def _check_optimal(arcs, x, y, a, b, p):
    """Assert feasibility of both sides, and that they meet."""
    cost = cdist(x, y) ** p
    np.testing.assert_allclose(np.bincount(arcs.i, arcs.mass, len(x)), a, atol=1e-13)
    np.testing.assert_allclose(np.bincount(arcs.j, arcs.mass, len(y)), b, atol=1e-13)
    assert (arcs.mass > 0).all()
    mean = a @ cost @ b
    assert (arcs.f[:, None] + arcs.g - cost).max() <= 1e-12 * mean
    value = float(arcs.mass @ cost[arcs.i, arcs.j])
    assert value - (a @ arcs.f + b @ arcs.g) <= 2e-12 * mean
    return value


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("d", [1, 2, 20])
@pytest.mark.parametrize("weighted", [False, True])
def test_value_is_pots(p, d, weighted):
    x, y, a, b = _problem(150, 120, d, weighted)
    value = _check_optimal(_solve(x, y, a, b, p), x, y, a, b, p)
    assert value == pytest.approx(ot.lp.emd2(a, b, cdist(x, y) ** p), rel=1e-10)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 30), (30, 1), (2, 3), (17, 400), (700, 650)])
def test_sizes(n, m):
    # 700 x 650 is beyond the size from which on potentials come from a coarser problem.
    x, y, a, b = _problem(n, m, 2)
    value = _check_optimal(_solve(x, y, a, b, 2), x, y, a, b, 2)
    assert value == pytest.approx(ot.lp.emd2(a, b, cdist(x, y) ** 2), rel=1e-10)


@pytest.mark.parametrize("d", [2, 9])
def test_zero_weights_are_left_out_and_have_potentials(d):
    x, y, a, b = _problem(60, 50, d)
    a[::4], b[1::5] = 0, 0
    t = otgan.transport(x, y, a, b, backend="certified")
    cost = cdist(x, y) ** 2
    assert t.value == pytest.approx(ot.emd2(a / a.sum(), b / b.sum(), cost), rel=1e-10)
    assert (t.f[:, None] + t.g - cost).max() <= 1e-12
    assert not np.isin(t.arcs.i, np.arange(0, 60, 4)).any()


def test_crumbs_are_no_arcs():
    # Masses that only the rounding of weights to whole numbers has left over would travel across the gap.
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal((30, 2)), rng.standard_normal((30, 2)) + 1e3])
    a = np.concatenate([w / w.sum() / 2 for w in rng.random((2, 30))])
    b = np.concatenate([w / w.sum() / 2 for w in rng.random((2, 30))])
    arcs = _solve(x, x + 0.1, a, b, 2)
    assert ((arcs.i < 30) == (arcs.j < 30)).all()


def test_places_that_are_opposite_are_not_proved_and_go_to_the_simplex(monkeypatch):
    rng = np.random.default_rng(0)
    x = np.column_stack([np.pi / 2 - 1e-9 * rng.random(40), rng.uniform(-3, 3, 40)])
    y = x * [-1, 1]
    with pytest.raises(SimplexError, match="of the mean cost only"):
        otgan.transport(x, y, cost="haversine", p=1, backend="certified")
    monkeypatch.setattr(solver, "_MANY", 100)
    monkeypatch.setattr(solver, "_ALIKE", 1)
    monkeypatch.setattr(solver, "_ASSIGNMENT", 0)
    t = otgan.transport(x, y, cost="haversine", p=1)
    assert t.backend == "simplex"
    assert t.upper - t.lower < 1e-12 * t.value


@pytest.mark.parametrize("p", [1, 2])
def test_degenerate_problems(p):
    grid = np.stack(np.meshgrid(np.arange(12.0), np.arange(12.0)), -1).reshape(-1, 2)
    uniform = np.full(144, 1 / 144)
    _check_optimal(_solve(grid, grid + 0.5, uniform, uniform, p), grid, grid + 0.5, uniform, uniform, p)
    arcs = _solve(grid, grid[::-1].copy(), uniform, uniform, p)
    assert _check_optimal(arcs, grid, grid[::-1], uniform, uniform, p) == 0
    point = np.zeros((40, 2))
    arcs = _solve(point, point[:30], np.full(40, 1 / 40), np.full(30, 1 / 30), p)
    assert arcs.mass.sum() == pytest.approx(1.0)


def test_clusters_whose_nearest_arcs_are_infeasible():
    # Most of x must leave for a far cluster: no short arc carries it.
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal((90, 2)), rng.standard_normal((10, 2)) + 30])
    y = np.concatenate([rng.standard_normal((10, 2)), rng.standard_normal((90, 2)) + 30])
    uniform = np.full(100, 1 / 100)
    for p in (1, 2):
        value = _check_optimal(_solve(x, y, uniform, uniform, p), x, y, uniform, uniform, p)
        assert value == pytest.approx(ot.lp.emd2(uniform, uniform, cdist(x, y) ** p), rel=1e-10)


@pytest.mark.parametrize("size", [1e-100, 1e100])
@pytest.mark.parametrize("d", [3, 9])
def test_scale_of_the_points_does_not_matter(size, d):
    x, y, a, b = _problem(80, 70, d)
    near, far = _solve(x, y, a, b, 2), _solve(size * x, size * y, a, b, 2)
    np.testing.assert_allclose(a @ far.f + b @ far.g, size**2 * (a @ near.f + b @ near.g), rtol=1e-10)


NASTY = ["lattice", "copies", "line", "clusters", "ring"]


def _nasty(kind, n, m, rng):
    if kind == "lattice":
        return rng.integers(0, 12, (n, 2)).astype(float), rng.integers(3, 15, (m, 2)).astype(float)
    if kind == "copies":
        some = rng.standard_normal((20, 3))
        return some[rng.integers(0, 20, n)], some[rng.integers(0, 20, m)]
    if kind == "line":
        return rng.standard_normal((n, 1)) * [1, 2], rng.standard_normal((m, 1)) * [1, 2] + [0, 1e-9]
    if kind == "clusters":
        centers = 50 * rng.standard_normal((6, 3))
        return (centers[rng.integers(0, 6, k)] + 0.1 * rng.standard_normal((k, 3)) for k in (n, m))
    angle = rng.uniform(0, 2 * np.pi, n)
    return np.column_stack([np.cos(angle), np.sin(angle)]), 0.3 * rng.standard_normal((m, 2))


@pytest.mark.parametrize("kind", NASTY)
@pytest.mark.parametrize("p", [1, 2, 2.5])
@pytest.mark.parametrize("weights", ["equal", "whole", "twelve orders"])
def test_nasty_problems_are_solved_as_by_the_simplex_on_all_costs(kind, p, weights):
    rng = np.random.default_rng(NASTY.index(kind))
    x, y = _nasty(kind, 500, 300, rng)
    draw = {
        "equal": np.ones,
        "whole": lambda k: rng.integers(1, 4, k).astype(float),
        "twelve orders": lambda k: 10.0 ** rng.uniform(-12, 0, k),
    }[weights]
    a, b = draw(500), draw(300)
    a, b = a / a.sum(), b / b.sum()
    value = _check_optimal(_solve(x, y, a, b, p), x, y, a, b, p)
    expected = solve_simplex(cdist(x, y) ** p, a, b)
    cost = (cdist(x, y) ** p)[expected.i, expected.j]
    assert value == pytest.approx(float(expected.mass @ cost), rel=1e-9, abs=1e-14)


def test_bad_potentials_to_start_from_cost_rounds_and_not_correctness(monkeypatch):
    rng = np.random.default_rng(0)

    def random(*args):
        return rng.standard_normal(120), rng.standard_normal(110)

    for d, name in ((2, "descend_levels"), (9, "approximate_potentials")):
        x, y, a, b = _problem(120, 110, d)
        monkeypatch.setattr(certified, name, random)
        value = _check_optimal(_solve(x, y, a, b, 2), x, y, a, b, 2)
        assert value == pytest.approx(ot.lp.emd2(a, b, cdist(x, y) ** 2), rel=1e-10)


@pytest.mark.parametrize("d", [2, 9])
def test_where_time_ends_there_is_a_plan_and_potentials_that_are_feasible(d, monkeypatch):
    x, y, a, b = _problem(700, 600, d)
    expand = Restricted.expand

    def late(self):
        if len(self.f) == 700:  # not of a coarser problem
            raise OutOfTimeError
        return expand(self)

    monkeypatch.setattr(Restricted, "expand", late)
    arcs = _solve(x, y, a, b, 2)
    assert not arcs.optimal
    np.testing.assert_allclose(np.bincount(arcs.i, arcs.mass, len(x)), a, atol=1e-12)
    np.testing.assert_allclose(np.bincount(arcs.j, arcs.mass, len(y)), b, atol=1e-12)
    cost = cdist(x, y) ** 2
    assert (arcs.f[:, None] + arcs.g - cost).max() <= 1e-9
    value = float(arcs.mass @ cost[arcs.i, arcs.j])
    assert 0 < value - (a @ arcs.f + b @ arcs.g) < 0.5 * value


@pytest.mark.parametrize("d", [2, 9])
def test_memory_is_planned(d, monkeypatch):
    monkeypatch.setattr(certified, "available", lambda need: 2000)
    monkeypatch.setattr(certified, "free_memory", lambda: 2000)
    with pytest.raises(
        MemoryError, match=r"700 x 600 points needs about 3\.72 MiB for its arcs, and 1\.95 KiB are free"
    ):
        _solve(*_problem(700, 600, d), 2)


@pytest.mark.parametrize("d", [2, 9])
def test_time_that_is_over_at_once(d):
    x, y, a, b = _problem(700, 600, d)
    with pytest.raises(OutOfTimeError):
        solve_certified(x, y, a, b, Euclidean(2), Deadline.after(0.0))
    t = otgan.transport(x, y, a, b, backend="certified", time_limit=1e-9, on_failure="ignore")
    assert str(t.status) == "TIME_LIMIT"
    assert t.lower <= otgan.transport(x, y, a, b).value <= t.upper


def test_a_cost_next_to_nothing_is_not_proved():
    x = np.concatenate([_problem(30, 1, 9)[0], _problem(30, 1, 9, seed=1)[0] + 1e6])
    uniform, step = np.full(60, 1 / 60), np.eye(9)[4]
    with pytest.raises(SimplexError, match=r"of the mean cost only.*backend='simplex'"):
        _solve(x, x + step, uniform, uniform, 3)
    t = otgan.transport(x, x + step, p=3)
    assert t.value == pytest.approx(1.0, rel=1e-9)


def test_transport_chooses_it_for_many_points_and_falls_back(monkeypatch):
    x, y, _, _ = _problem(60, 60, 3)
    monkeypatch.setattr(solver, "_MANY", 3000)
    monkeypatch.setattr(solver, "_ASSIGNMENT", 0)
    expected = otgan.transport(x, y, backend="simplex")
    t = otgan.transport(x, y)
    assert (t.backend, expected.backend) == ("certified", "simplex")
    assert t.value == pytest.approx(expected.value, rel=1e-12)
    assert otgan.transport(x[:40], y).backend == "simplex"

    def stalled(*args):
        raise SimplexError("degenerate")

    monkeypatch.setattr("otgan.exact.certified.solve_certified", stalled)
    assert otgan.transport(x, y).backend == "simplex"
    with pytest.raises(SimplexError, match="degenerate"):
        otgan.transport(x, y, backend="certified")
    monkeypatch.setattr(solver, "available", lambda need: 0)
    monkeypatch.setattr(solver, "free_memory", lambda: 0)
    with pytest.raises(SimplexError, match="degenerate"):  # what does not fit cannot fall back
        otgan.transport(x, y)


def test_gradients_and_bounds_come_from_its_arcs():
    x, y, _, _ = _problem(50, 40, 3)
    values, gradients = [], []
    for backend in ("simplex", "certified"):
        points = torch.from_numpy(x).requires_grad_()
        t = otgan.transport(points, torch.from_numpy(y), backend=backend)
        t.value.backward()
        values.append((t.value.item(), t.lower.item(), t.upper.item()))
        gradients.append(points.grad)
    np.testing.assert_allclose(values[0], values[1], rtol=1e-11)
    np.testing.assert_allclose(gradients[0], gradients[1], atol=1e-12)
