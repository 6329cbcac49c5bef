"""Column generation: the answer of the simplex on all costs, and no answer where there is no proof."""

from __future__ import annotations

import numpy as np
import ot
import pytest
import torch
from scipy.spatial.distance import cdist

import otgan
from otgan.costs import Euclidean
from otgan.exact import certified, solver
from otgan.exact.certified import solve_certified
from otgan.exact.endings import SimplexError


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


def test_zero_weights_are_left_out_and_have_potentials():
    x, y, a, b = _problem(60, 50, 2)
    a[::4], b[1::5] = 0, 0
    a, b = a / a.sum(), b / b.sum()
    arcs = _solve(x, y, a, b, 2)
    _check_optimal(arcs, x, y, a, b, 2)
    assert not np.isin(arcs.i, np.arange(0, 60, 4)).any()


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
def test_scale_of_the_points_does_not_matter(size):
    x, y, a, b = _problem(80, 70, 3)
    near, far = _solve(x, y, a, b, 2), _solve(size * x, size * y, a, b, 2)
    np.testing.assert_allclose(a @ far.f + b @ far.g, size**2 * (a @ near.f + b @ near.g), rtol=1e-10)


def test_bad_potentials_to_start_from_cost_rounds_and_not_correctness(monkeypatch):
    x, y, a, b = _problem(120, 110, 2)
    rng = np.random.default_rng(0)

    def random(x, y, a, b, p, deadline):
        return tuple(torch.from_numpy(rng.standard_normal(len(w))).float() for w in (a, b))

    monkeypatch.setattr(certified, "approximate_potentials", random)
    value = _check_optimal(_solve(x, y, a, b, 2), x, y, a, b, 2)
    assert value == pytest.approx(ot.lp.emd2(a, b, cdist(x, y) ** 2), rel=1e-10)


def test_a_pass_over_all_costs_is_what_proves_the_optimum(monkeypatch):
    # Without the arcs that pricing adds, the restricted optimum is no optimum, and is not taken for one.
    x, y, a, b = _problem(120, 110, 2)
    monkeypatch.setattr(certified, "_NEAREST", 2)
    price = certified._price

    def blind(problem, u, v):
        f, _ = price(problem, u, v)
        return f, np.empty(0, dtype=np.int64)

    monkeypatch.setattr(certified, "_price", blind)
    with pytest.raises(SimplexError):
        _solve(x, y, a, b, 2)


def test_rounds_and_arcs_are_limited(monkeypatch):
    x, y, a, b = _problem(120, 110, 2)
    monkeypatch.setattr(certified, "_NEAREST", 1)
    monkeypatch.setattr(certified, "_ROUNDS", 1)
    with pytest.raises(SimplexError, match="1 restricted problems"):
        _solve(x, y, a, b, 2)
    monkeypatch.setattr(certified, "_ROUNDS", 40)
    monkeypatch.setattr(certified, "_CROWD", 1)
    with pytest.raises(SimplexError, match="arcs a point"):
        _solve(x, y, a, b, 2)


def test_a_restricted_problem_that_is_not_solved_is_an_error(monkeypatch):
    def unsolved(*args):
        raise SimplexError("injected")

    monkeypatch.setattr(certified.Network, "solve_sparse", unsolved)
    with pytest.raises(SimplexError, match="injected"):
        _solve(*_problem(30, 20, 2), 2)


def test_flows_that_are_lost_are_an_error(monkeypatch):
    restricted = certified._restricted

    def lossy(*args):
        flow, missing, u, v = restricted(*args)
        flow[flow.argmax()] *= 0.5
        return flow, missing, u, v

    monkeypatch.setattr(certified, "_restricted", lossy)
    with pytest.raises(SimplexError):
        _solve(*_problem(30, 20, 2), 2)


def test_a_cost_next_to_nothing_is_not_proved():
    x = np.concatenate([_problem(30, 1, 2)[0], _problem(30, 1, 2, seed=1)[0] + 1e6])
    uniform = np.full(60, 1 / 60)
    with pytest.raises(SimplexError, match=r"of the mean cost only.*backend='simplex'"):
        _solve(x, x + np.array([0.6, 0.8]), uniform, uniform, 3)
    t = otgan.transport(x, x + np.array([0.6, 0.8]), p=3)
    assert t.value == pytest.approx(1.0, rel=1e-9)


def test_transport_chooses_it_for_many_points_and_falls_back(monkeypatch):
    x, y, _, _ = _problem(60, 60, 3)
    monkeypatch.setattr(solver, "_CERTIFIED", 3000)
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
