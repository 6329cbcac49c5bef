"""The network simplex, ours and POT's: right against linear programming, and an error wherever the answer is no optimum."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from otgan.exact import simplex
from otgan.exact.simplex import SimplexError, solve_simplex
from tests.proofs import least_cost

SOLVERS = pytest.mark.parametrize("solver", ["simplex", "pot"])


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


@SOLVERS
@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("zeros", [False, True])
def test_value_is_that_of_the_linear_program(p, zeros, solver):
    cost, a, b = _problem(p=p, zeros=zeros)
    lower, upper = least_cost(cost, a, b)
    assert lower <= _check_optimal(solve_simplex(cost, a, b, solver=solver), cost, a, b) <= upper


@SOLVERS
@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 6), (6, 1), (2, 50)])
def test_small_sizes(n, m, solver):
    cost, a, b = _problem(n, m)
    _check_optimal(solve_simplex(cost, a, b, solver=solver), cost, a, b)


@SOLVERS
@pytest.mark.parametrize("cost", [np.zeros((4, 3)), np.full((4, 3), 7.0)])
def test_constant_costs(cost, solver):
    a, b = np.full(4, 1 / 4), np.full(3, 1 / 3)
    assert _check_optimal(solve_simplex(cost, a, b, solver=solver), cost, a, b) == pytest.approx(cost[0, 0])


@SOLVERS
@pytest.mark.parametrize("size", [1e-250, 1e-30, 1e30, 1e250])
def test_scale_of_the_costs_does_not_matter(size, solver):
    cost, a, b = _problem()
    value = _check_optimal(solve_simplex(cost * size, a, b, solver=solver), cost * size, a, b)
    assert value == pytest.approx(
        size * _check_optimal(solve_simplex(cost, a, b, solver=solver), cost, a, b), rel=1e-12
    )


@SOLVERS
def test_weights_over_eight_orders_of_magnitude(solver):
    cost, _, _ = _problem(40, 40)
    a = np.geomspace(1e-8, 1, 40)
    b = a[::-1].copy()
    _check_optimal(
        solve_simplex(cost, a / a.sum(), b / b.sum(), solver=solver), cost, a / a.sum(), b / b.sum()
    )


@SOLVERS
@pytest.mark.parametrize("distance", [1e4, 1e6, 1e8])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_clusters_far_apart_keep_the_small_costs_accurate(distance, p, weighted, solver):
    # Next to the costs between the clusters, those within them are below what float64 resolves.
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal((20, 2)), rng.standard_normal((20, 2)) + distance])
    a = rng.uniform(0.1, 1, 40) if weighted else np.ones(40)
    a /= a.sum()
    cost = cdist(x, x + np.array([0.6, 0.8])) ** p
    arcs = solve_simplex(cost, a, a, solver=solver)
    value = float(arcs.mass @ cost[arcs.i, arcs.j])
    assert value == pytest.approx(1.0, abs=1e-15 * distance + 1e-12)
    assert a @ arcs.f + a @ arcs.g == pytest.approx(value, abs=1e-8)


@SOLVERS
def test_a_cluster_far_away_that_must_send_mass(solver):
    x = np.array([[0.0, 0.0], [1.0, 0.0], [1e6, 0.0], [1e6 + 1, 0.0]])
    a, b = np.full(4, 0.25), np.array([0.25, 0.25, 0.5])
    cost = cdist(x, np.array([[0.0, 1.0], [1e6, 1.0], [1e6 + 1, 1.0]]))
    assert _check_optimal(solve_simplex(cost, a, b, solver=solver), cost, a, b) > 2e5


@SOLVERS
def test_regression_iteration_limit_is_an_error_not_a_partial_cost(solver):
    cost, a, b = _problem(60, 60)
    with pytest.raises(SimplexError, match=r"without an optimum on 60 x 60 points.*max_iter"):
        solve_simplex(cost, a, b, max_iter=1, solver=solver)


def _tamper(monkeypatch, change):
    """Let the pivots return something else than they found: arcs, masses, and the potential of the columns."""
    pivoting = simplex._pivoting

    def tampered(*args):
        pivot = pivoting(*args)
        return lambda cost: change(*pivot(cost))

    monkeypatch.setattr(simplex, "_pivoting", tampered)


@SOLVERS
def test_a_plan_without_the_marginals_is_an_error(monkeypatch, solver):
    _tamper(monkeypatch, lambda i, j, mass, dual: (i, j, 0.999 * mass, dual))
    with pytest.raises(SimplexError, match=r"marginal error of 2\.0e-03"):
        solve_simplex(*_problem(), solver=solver)


@SOLVERS
def test_a_plan_that_is_not_optimal_is_an_error(monkeypatch, solver):
    cost, a, b = _problem()
    i, j = (side.ravel() for side in np.indices(cost.shape))
    _tamper(monkeypatch, lambda *found: (i, j, np.outer(a, b).ravel(), found[3]))
    with pytest.raises(SimplexError, match="duality gap"):
        solve_simplex(cost, a, b, solver=solver)


@SOLVERS
@pytest.mark.parametrize("bad", [0.0, np.nan])
def test_potentials_that_do_not_prove_it_are_an_error(monkeypatch, solver, bad):
    _tamper(monkeypatch, lambda i, j, mass, dual: (i, j, mass, dual * bad + np.linspace(0, 1, len(dual))))
    with pytest.raises(SimplexError, match="duality gap"):
        solve_simplex(*_problem(), solver=solver)


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
