"""The network simplex: right against linear programming, and an error wherever POT's answer is not an optimum."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from otgan.exact import simplex
from otgan.exact.simplex import SimplexError, import_pot, solve_simplex
from tests.proofs import least_cost


def _problem(n=12, m=9, p=2.0, seed=0, zeros=False):
    rng = np.random.default_rng(seed)
    cost = cdist(rng.standard_normal((n, 2)), rng.standard_normal((m, 2)) + 1) ** p
    a, b = rng.uniform(0.1, 1, n), rng.uniform(0.1, 1, m)
    if zeros:
        a[:3], b[-2:] = 0, 0
    return cost, a / a.sum(), b / b.sum()


def _check_optimal(arcs, cost, a, b, slack=1e-12):
    n, m = cost.shape
    slack = slack * cost.max()
    np.testing.assert_allclose(np.bincount(arcs.i, arcs.mass, n), a, atol=1e-13)
    np.testing.assert_allclose(np.bincount(arcs.j, arcs.mass, m), b, atol=1e-13)
    assert (arcs.mass > 0).all()
    assert (arcs.f[:, None] + arcs.g - cost).max() <= slack
    value = float(arcs.mass @ cost[arcs.i, arcs.j])
    assert value - (a @ arcs.f + b @ arcs.g) <= slack
    return value


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("zeros", [False, True])
def test_value_is_that_of_the_linear_program(p, zeros):
    cost, a, b = _problem(p=p, zeros=zeros)
    lower, upper = least_cost(cost, a, b)
    assert lower <= _check_optimal(solve_simplex(cost, a, b), cost, a, b) <= upper


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 6), (6, 1), (2, 50)])
def test_small_sizes(n, m):
    cost, a, b = _problem(n, m)
    _check_optimal(solve_simplex(cost, a, b), cost, a, b)


@pytest.mark.parametrize("cost", [np.zeros((4, 3)), np.full((4, 3), 7.0)])
def test_constant_costs(cost):
    a, b = np.full(4, 1 / 4), np.full(3, 1 / 3)
    assert _check_optimal(solve_simplex(cost, a, b), cost, a, b) == pytest.approx(cost[0, 0])


@pytest.mark.parametrize("size", [1e-250, 1e-30, 1e30, 1e250])
def test_scale_of_the_costs_does_not_matter(size):
    cost, a, b = _problem()
    value = _check_optimal(solve_simplex(cost * size, a, b), cost * size, a, b)
    assert value == pytest.approx(size * _check_optimal(solve_simplex(cost, a, b), cost, a, b), rel=1e-12)


def test_weights_over_eight_orders_of_magnitude():
    cost, _, _ = _problem(40, 40)
    a = np.geomspace(1e-8, 1, 40)
    b = a[::-1].copy()
    _check_optimal(solve_simplex(cost, a / a.sum(), b / b.sum()), cost, a / a.sum(), b / b.sum())


@pytest.mark.parametrize("distance", [1e4, 1e6, 1e8])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_clusters_far_apart_keep_the_small_costs_accurate(distance, p, weighted):
    # Next to the costs between the clusters, those within them are below what float64 resolves.
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal((20, 2)), rng.standard_normal((20, 2)) + distance])
    a = rng.uniform(0.1, 1, 40) if weighted else np.ones(40)
    a /= a.sum()
    cost = cdist(x, x + np.array([0.6, 0.8])) ** p
    arcs = solve_simplex(cost, a, a)
    value = float(arcs.mass @ cost[arcs.i, arcs.j])
    assert value == pytest.approx(1.0, abs=1e-15 * distance + 1e-12)
    assert a @ arcs.f + a @ arcs.g == pytest.approx(value, abs=1e-8)


def test_a_cluster_far_away_that_must_send_mass():
    x = np.array([[0.0, 0.0], [1.0, 0.0], [1e6, 0.0], [1e6 + 1, 0.0]])
    a, b = np.full(4, 0.25), np.array([0.25, 0.25, 0.5])
    cost = cdist(x, np.array([[0.0, 1.0], [1e6, 1.0], [1e6 + 1, 1.0]]))
    assert _check_optimal(solve_simplex(cost, a, b), cost, a, b) > 2e5


def test_regression_iteration_limit_is_an_error_not_a_partial_cost():
    cost, a, b = _problem(60, 60)
    with pytest.raises(SimplexError, match=r"without an optimum on 60 x 60 points.*max_iter"):
        solve_simplex(cost, a, b, max_iter=1)


def _tamper(monkeypatch, change):
    """Let POT's solver return something else than it found."""
    lp = import_pot().lp
    solve = lp.emd

    def tampered(*args, **kwargs):
        plan, log = solve(*args, **kwargs)
        return change(plan, dict(log))

    monkeypatch.setattr(lp, "emd", tampered)


@pytest.mark.parametrize("code", [0, 2, 3, 4])
def test_any_code_but_optimal_is_an_error(monkeypatch, code):
    _tamper(monkeypatch, lambda plan, log: (plan, {**log, "result_code": code, "warning": "injected"}))
    with pytest.raises(SimplexError, match="injected"):
        solve_simplex(*_problem())


def test_a_plan_without_the_marginals_is_an_error(monkeypatch):
    _tamper(monkeypatch, lambda plan, log: (0.999 * plan, log))
    with pytest.raises(SimplexError, match=r"marginal error of 2\.0e-03"):
        solve_simplex(*_problem())


def test_a_plan_that_is_not_optimal_is_an_error(monkeypatch):
    cost, a, b = _problem()
    _tamper(monkeypatch, lambda plan, log: (np.outer(a, b), log))
    with pytest.raises(SimplexError, match="duality gap"):
        solve_simplex(cost, a, b)


@pytest.mark.parametrize("bad", [0.0, np.nan])
def test_potentials_that_do_not_prove_it_are_an_error(monkeypatch, bad):
    _tamper(
        monkeypatch, lambda plan, log: (plan, {**log, "v": log["v"] * bad + np.linspace(0, 1, plan.shape[1])})
    )
    with pytest.raises(SimplexError, match="duality gap"):
        solve_simplex(*_problem())


def test_regression_float32_weights_are_not_infeasible():
    # Their totals differ in the eighth digit, which other simplex callers take for an infeasible problem.
    import otgan

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 2)), rng.standard_normal((40, 2))
    a, b = rng.random(30).astype(np.float32), rng.random(40).astype(np.float32)
    t = otgan.transport(x, y, a / a.sum(), b / b.sum(), p=2, backend="simplex")
    assert t.converged
    assert t.marginal_error < 1e-13
    assert t.value > 0


def test_pot_is_imported_without_other_frameworks(monkeypatch):
    for name in ("jax", "cupy", "tensorflow"):
        monkeypatch.delenv(f"POT_BACKEND_DISABLE_{name.upper()}", raising=False)
    before = dict(simplex.os.environ)
    seen = {}
    importer = simplex.importlib.import_module

    def spy(name):
        seen.update({k: v for k, v in simplex.os.environ.items() if k.startswith("POT_BACKEND_DISABLE")})
        return importer(name)

    monkeypatch.setattr(simplex.importlib, "import_module", spy)
    import_pot()
    loaded = {name for name in ("jax", "cupy", "tensorflow") if name in sys.modules}
    assert set(seen) == {f"POT_BACKEND_DISABLE_{n.upper()}" for n in {"jax", "cupy", "tensorflow"} - loaded}
    assert dict(simplex.os.environ) == before
