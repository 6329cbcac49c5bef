"""The balanced solver: closed forms, POT, hard inputs, batches, warm starts, and what it says of itself."""

from __future__ import annotations

import dataclasses
import itertools
import warnings

import numpy as np
import ot
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist

import otgan
from otgan.costs import Euclidean
from otgan.entropic import balanced, newton
from otgan.entropic.problem import Limits, Problem
from tests.check_transport import check_batch, check_transport
from tests.problems import cloud, simplex_weights

Floats = NDArray[np.float64]
TIGHT = {"tol": 1e-11}


def mean_cost(x, y, p=2):
    return float((cdist(x, y) ** p).mean())


def pair_of(n, m, d, seed=0):
    """Two weighted clouds that differ in place and size."""
    x, y = cloud(n, d, seed), 1.3 * cloud(m, d, seed + 100) + 0.5
    return x, y, simplex_weights(n, seed), simplex_weights(m, seed + 100)


# ---- closed forms ----------------------------------------------------------------------------------------------------


def gaussian_grid(mean: Floats, covariance: Floats, spacing: float) -> tuple[Floats, Floats]:
    """Points and weights of a discretized Gaussian; sums over such a grid are integrals to many digits."""
    d = len(mean)
    reach = 7 * np.sqrt(np.diag(covariance))
    axes = [
        np.arange(-np.ceil(r / spacing), np.ceil(r / spacing) + 1) * spacing
        for r in np.broadcast_to(reach, d)
    ]
    z = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, d)
    log_density = -0.5 * np.einsum("ni,ij,nj->n", z, np.linalg.inv(covariance), z)
    keep = log_density > -25
    weights = np.exp(log_density[keep])
    return mean + z[keep], weights / weights.sum()


def gaussian_ot(shift: Floats, A: Floats, B: Floats, epsilon: float) -> tuple[float, Floats]:
    """OT_ε between Gaussians and the cross-covariance of their plan (Janati, Muzellec, Peyré & Cuturi 2020)."""
    s2, d = epsilon / 2, len(A)
    root = np.real(sqrtm(A))
    D = np.real(sqrtm(4 * root @ B @ root + s2**2 * np.eye(d)))
    bures = (
        np.trace(A + B - D) + d * s2 * (1 - np.log(2 * s2)) + s2 * np.linalg.slogdet(D + s2 * np.eye(d))[1]
    )
    cross = 0.5 * root @ D @ np.linalg.inv(root) - 0.5 * s2 * np.eye(d)
    return float(shift @ shift + bures), cross


GAUSSIANS = {
    "line": (np.array([0.7]), np.array([[1.0]]), np.array([[2.2]]), 0.25),
    "plane": (
        np.array([0.7, -1.2]),
        np.array([[1.0, 0.4], [0.4, 0.9]]),
        np.array([[1.6, -0.5], [-0.5, 0.7]]),
        0.6,
    ),
}


@pytest.mark.parametrize("name", GAUSSIANS)
@pytest.mark.parametrize("epsilon", [1.0, 5.0, 50.0])
@pytest.mark.parametrize("backend", ["dense", "streamed"])
def test_gaussians_have_their_closed_form(name, epsilon, backend):
    shift, A, B, spacing = GAUSSIANS[name]
    if name == "plane" and backend == "streamed":
        pytest.skip("the line says as much, and sooner")
    (x, a), (y, b) = gaussian_grid(np.zeros(len(A)), A, spacing), gaussian_grid(shift, B, spacing)
    value, cross = gaussian_ot(shift, A, B, epsilon)
    t = otgan.transport(x, y, a, b, epsilon=epsilon, backend=backend, tol=1e-9)
    assert t.value == pytest.approx(value, rel=1e-7)
    measured = x.T @ (a[:, None] * t.barycentric_map()) - np.outer(a @ x, b @ y)
    np.testing.assert_allclose(measured, cross, atol=1e-6)
    assert t.value_linear == pytest.approx(shift @ shift + np.trace(A + B - 2 * cross), rel=1e-7)


def test_the_potentials_of_gaussians_are_quadratic():
    _, A, B, spacing = GAUSSIANS["line"]
    (x, a), (y, b) = gaussian_grid(np.zeros(1), A, spacing), gaussian_grid(np.zeros(1), B, spacing)
    t = otgan.transport(x, y, a, b, epsilon=2.0, tol=1e-10)
    near = np.abs(x[:, 0]) < 3
    slope, _, _ = np.polyfit(x[near, 0], t.f[near], 2)
    # f' = 2 (x − E[y | x]) and E[y | x] = (cross / A) x.
    assert slope == pytest.approx(1 - gaussian_ot(np.zeros(1), A, B, 2.0)[1][0, 0] / A[0, 0], rel=1e-6)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_two_points_by_hand(p):
    # x = y = {0, 1} with equal weights: P = [[s, ½ − s], [½ − s, s]] and s/(½ − s) = e^(1/ε).
    epsilon = 0.7
    s = 0.5 / (1 + np.exp(-1 / epsilon))
    plan = np.array([[s, 0.5 - s], [0.5 - s, s]])
    t = otgan.transport([0.0, 1.0], [0.0, 1.0], p=p, epsilon=epsilon, **TIGHT)
    np.testing.assert_allclose(t.plan, plan, atol=1e-12)
    assert t.value == pytest.approx(2 * (0.5 - s) + epsilon * (plan * np.log(4 * plan)).sum(), abs=1e-12)


# ---- POT -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("relative", [1.0, 0.1, 0.05])
def test_values_plans_and_potentials_are_pots(p, relative):
    x, y, a, b = pair_of(30, 25, 3)
    cost = cdist(x, y) ** p
    epsilon = relative * mean_cost(x, y, p)
    theirs = ot.solve(cost, a, b, reg=epsilon, reg_type="KL", max_iter=100_000, tol=1e-13)
    t = otgan.transport(x, y, a, b, p=p, epsilon=epsilon, **TIGHT)
    assert t.value == pytest.approx(theirs.value, rel=1e-9)
    assert t.value_linear == pytest.approx(theirs.value_linear, rel=1e-8)
    np.testing.assert_allclose(t.plan, theirs.plan, atol=1e-10)
    # Theirs are in units of ε and hold the logarithms of the weights.
    f = epsilon * (theirs.potentials[0] - np.log(a))
    np.testing.assert_allclose(t.f - a @ t.f, f - a @ f, atol=1e-7 * cost.max())


# ---- what a solution promises ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["dense", "streamed"])
@pytest.mark.parametrize("relative", [10.0, 1.0, 0.1, 1e-2, 1e-3, 1e-4])
def test_every_epsilon(relative, backend):
    x, y, a, b = pair_of(40, 30, 2)
    epsilon = relative * mean_cost(x, y)
    t = otgan.transport(x, y, a, b, epsilon=epsilon, backend=backend)
    assert t.converged
    exact = otgan.transport(x, y, a, b).value
    assert t.lower <= exact * (1 + 1e-12)
    assert exact <= t.upper * (1 + 1e-12)
    entropy = min(-(w @ np.log(w)) for w in (a, b))
    assert exact - 1e-5 * mean_cost(x, y) <= t.value <= exact + epsilon * entropy
    check_transport(t, x, y, a, b, rtol=1e-8)


def test_the_interval_shrinks_with_epsilon():
    x, y, a, b = pair_of(40, 30, 2)
    exact = otgan.transport(x, y, a, b).value
    widths = []
    for relative in (1.0, 1e-1, 1e-2, 1e-3, 1e-4):
        t = otgan.transport(x, y, a, b, epsilon=relative * mean_cost(x, y), tol=1e-8)
        assert t.lower <= exact * (1 + 1e-13)
        assert exact <= t.upper * (1 + 1e-13)
        widths.append(t.upper - t.lower)
    assert all(later < earlier for earlier, later in itertools.pairwise(widths))
    assert widths[-1] < 1e-3 * exact


def test_the_interval_holds_however_early_the_solve_stops():
    x, y, a, b = pair_of(40, 30, 2)
    exact = otgan.transport(x, y, a, b).value
    for max_iter in (1, 2, 5, 20):
        t = otgan.transport(
            x, y, a, b, epsilon=1e-3 * mean_cost(x, y), max_iter=max_iter, on_failure="ignore"
        )
        assert not t.converged
        assert t.lower <= exact <= t.upper


def test_the_value_is_a_dual_one_whose_error_is_of_second_order():
    x, y, a, b = pair_of(40, 30, 2)
    options = {"epsilon": 0.05 * mean_cost(x, y), "on_failure": "ignore"}
    optimum = otgan.transport(x, y, a, b, tol=1e-13, **options).value
    errors, gaps = [], []
    for tol in np.geomspace(3e-1, 1e-6, 12):
        t = otgan.transport(x, y, a, b, tol=tol, **options)
        if 1e-12 * optimum < optimum - t.value:
            errors.append(t.marginal_error)
            gaps.append(optimum - t.value)
        assert t.value <= optimum * (1 + 1e-13)  # weak duality
    assert len(set(errors)) >= 3
    slope = np.polyfit(np.log(errors), np.log(gaps), 1)[0]
    assert 1.7 < slope < 2.4
    assert (np.array(gaps) < np.array(errors) ** 2 * optimum).all()


@pytest.mark.parametrize("p", [1, 2])
def test_the_error_is_that_of_the_plan(p):
    x, y, a, b = pair_of(20, 15, 2)
    for max_iter in (1, 4, 500):
        t = otgan.transport(x, y, a, b, p=p, epsilon=0.1, max_iter=max_iter, on_failure="ignore")
        error = np.abs(t.plan.sum(1) - a).sum() + np.abs(t.plan.sum(0) - b).sum()
        # The exponents, of which both are made, are known to a rounding of their parts.
        largest = (cdist(x, y) ** p).max() + np.abs(t.f).max() + np.abs(t.g).max()
        assert t.marginal_error == pytest.approx(error, abs=8 * np.finfo(float).eps * largest / 0.1)


@pytest.mark.parametrize("tol", [0.5, 1e-2, 1e-5, 1e-9, 1e-12])
@pytest.mark.parametrize("n", [20, 300])
def test_tolerances_are_met(tol, n):
    x, y, a, b = pair_of(n, n, 2)
    t = otgan.transport(x, y, a, b, epsilon=0.05 * mean_cost(x, y), tol=tol)
    assert t.marginal_error <= tol
    assert t.status is otgan.Status.CONVERGED


def test_regression_tight_tolerances_in_many_dimensions_at_small_epsilon():
    x, y, _, _ = pair_of(300, 300, 64)
    t = otgan.transport(x, y, epsilon=3e-4 * mean_cost(x, y), tol=1e-11)
    assert t.converged
    check_transport(t, x, y, rtol=1e-8)


@pytest.mark.parametrize("max_iter", [100, 200, 201, 202, 203, 231, 400])
def test_a_tolerance_below_rounding_ends_with_an_honest_status(max_iter):
    # Steps that only rounding makes must not lead away from what was reached.
    x, y, a, b = pair_of(30, 30, 2)
    t = otgan.transport(x, y, a, b, epsilon=0.5, tol=1e-18, max_iter=max_iter, on_failure="ignore")
    assert t.status is otgan.Status.MAX_ITER
    assert 1e-18 < t.marginal_error < 1e-12


@pytest.mark.parametrize("relative", [1e-4, 1e-6])
@pytest.mark.parametrize("max_iter", [1, 2, 7, 30, 100, 400])
def test_max_iter_is_kept_to(max_iter, relative):
    x, y, a, b = pair_of(40, 40, 2)
    with pytest.warns(otgan.ConvergenceWarning, match="max_iter"):
        t = otgan.transport(x, y, a, b, epsilon=relative * mean_cost(x, y), max_iter=max_iter)
    assert t.status is otgan.Status.MAX_ITER
    # On top come the first look at each of the two last stages, the line search of a Newton step, and the check.
    assert max_iter <= t.iterations <= max_iter + 12
    assert np.isfinite(t.value)
    check_transport(t, x, y, a, b, rtol=1e-8)


def test_regression_small_epsilon_on_large_costs():
    # Costs of 20 and ε = 1e-3: elsewhere 1e-83, or half the cost, without a warning.
    rng = np.random.default_rng(0)
    x, y = 2 * rng.standard_normal((40, 2)), 2 * rng.standard_normal((40, 2)) + 3
    exact = otgan.transport(x, y).value
    t = otgan.transport(x, y, epsilon=1e-3)
    assert t.converged
    assert exact - 1e-4 <= t.value <= exact + 1e-3 * np.log(40)
    assert t.lower <= exact <= t.upper


# ---- hard inputs -----------------------------------------------------------------------------------------------------


def _hard() -> dict[str, tuple[Floats, Floats, Floats | None, Floats | None]]:
    rng = np.random.default_rng(0)
    x, y, a, b = pair_of(24, 18, 2)
    lonely = x.copy()
    lonely[0] = 1e4
    sparse_a, sparse_b = a.copy(), b.copy()
    sparse_a[::3], sparse_b[::2] = 0, 0
    wide = 10.0 ** rng.uniform(-8, 0, 24)
    return {
        "one to many": (x[:1], y, None, b),
        "many to one": (x, y[:1], a, None),
        "one to one": (x[:1], y[:1], None, None),
        "identical": (x, x.copy(), a, a),
        "identical, other weights": (x, x.copy(), a, wide),
        "duplicates": (np.repeat(x, 3, axis=0), np.repeat(y, 2, axis=0), None, None),
        "one place": (np.full((5, 2), 3.0), np.full((4, 2), 3.0), None, simplex_weights(4)),
        "one place to another": (np.full((5, 2), 3.0), np.full((4, 2), 7.0), None, simplex_weights(4)),
        "disjoint": (x, y + 1000, a, b),
        "far from the origin": (x + 1e6, y + 1e6, a, b),
        "outlier": (lonely, y, a, b),
        "zero weights": (x, y, sparse_a, sparse_b),
        "a single heavy point": (x, y, np.eye(24)[3], b),
        "weights over eight orders": (x, y, wide, b),
        "many dimensions": (*(v[:, None].repeat(28, 1).reshape(len(v), -1) for v in (x, y)), a, b),
        "grid": (rng.integers(0, 3, (24, 2)) * 1.0, rng.integers(0, 3, (18, 2)) * 1.0, a, b),
        "tiny": (1e-9 * x, 1e-9 * y, a, b),
        "huge": (1e9 * x, 1e9 * y, a, b),
    }


HARD = _hard()


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("relative", [1.0, 0.02])
def test_hard_inputs_are_ordinary(name, p, relative):
    x, y, a, b = HARD[name]
    heavy_a, heavy_b = (
        np.full(len(v), 1 / len(v)) if w is None else w / w.sum() for v, w in ((x, a), (y, b))
    )
    mean = float(heavy_a @ cdist(x, y) ** p @ heavy_b)
    epsilon = relative * mean if mean > 0 else relative
    t = otgan.transport(x, y, a, b, p=p, epsilon=epsilon)
    assert t.converged
    exact = otgan.transport(x, y, a, b, p=p).value
    slack = 1e-11 * (cdist(x, y) ** p).max()
    assert t.lower - slack <= exact <= t.upper + slack
    check_transport(t, x, y, a, b, rtol=1e-8)


def test_many_dimensions_of_noise():
    x, y = cloud(30, 784), cloud(20, 784, seed=1) + 0.1
    for relative in (1.0, 1e-2, 1e-4):
        t = otgan.transport(x, y, epsilon=relative * mean_cost(x, y))
        assert t.converged
        exact = otgan.transport(x, y).value
        assert t.lower <= exact * (1 + 1e-12)
        assert exact <= t.upper * (1 + 1e-12)


@pytest.mark.parametrize("epsilon", [0.05, 1.0])
def test_float32_samples_are_solved_in_float64(epsilon):
    x, y = (torch.from_numpy(v).float() for v in (cloud(40, 2), cloud(30, 2, seed=1) + 0.5))
    t = otgan.transport(x, y, epsilon=epsilon)
    double = otgan.transport(x.double(), y.double(), epsilon=epsilon, tol=1e-10)
    assert float(t.marginal_error) <= 1e-4
    assert t.value.dtype == torch.float32
    assert float(t.value) == pytest.approx(float(double.value), rel=2e-6)
    assert float(otgan.transport(x, y, epsilon=epsilon, tol=1e-9).marginal_error) <= 1e-9


def test_large_float32_kernels_are_refined_for_small_tolerances():
    x, y = cloud(400, 2), cloud(350, 2, seed=1) + 0.5
    rough = otgan.transport(x, y, epsilon=0.1, tol=1e-3)
    fine = otgan.transport(x, y, epsilon=0.1, tol=1e-11)
    assert fine.marginal_error <= 1e-11
    assert rough.value == pytest.approx(fine.value, rel=1e-5)


# ---- parts of the loop that rarely run -------------------------------------------------------------------------------


def test_systems_too_large_to_factorize_are_solved_all_the_same(monkeypatch):
    x, y, a, b = pair_of(60, 50, 8)
    options = {"epsilon": 1e-3 * mean_cost(x, y), "tol": 1e-8, "backend": "dense"}
    factors, factorize = [], newton._factorize

    def counted(*arguments):
        factors.append(factorize(*arguments))
        return factors[-1]

    monkeypatch.setattr(newton, "_factorize", counted)
    expected = otgan.transport(x, y, a, b, **options)
    assert any(factor is not None for factor in factors)  # the problem is one of those that need a factor
    factors.clear()
    monkeypatch.setattr(newton, "_CHEAP", 0)
    monkeypatch.setattr(newton, "_LARGEST", 0)
    t = otgan.transport(x, y, a, b, **options)
    assert not factors
    assert t.iterations > expected.iterations
    assert t.converged
    assert t.value == pytest.approx(expected.value, rel=1e-9)


@pytest.mark.parametrize(("long", "expected"), [(400, 0), (20, 1)])
def test_large_systems_are_factorized_only_where_iterations_do_not_arrive(long, expected, monkeypatch):
    x, y, a, b = pair_of(60, 50, 8)
    factors, factorize = [], newton._factorize
    monkeypatch.setattr(newton, "_factorize", lambda *given: factors.append(1) or factorize(*given))
    monkeypatch.setattr(newton, "_CHEAP", 0)
    monkeypatch.setattr(newton, "TUNING", dataclasses.replace(newton.TUNING, quick=10, long=long))
    t = otgan.transport(x, y, a, b, epsilon=1e-3 * mean_cost(x, y), tol=1e-8, backend="dense")
    assert min(len(factors), 1) == expected
    assert t.converged


def test_without_annealing_it_still_converges():
    x, y, a, b = pair_of(30, 30, 2)
    epsilon = torch.tensor([1e-3 * mean_cost(x, y)], dtype=torch.float64)
    geometry = otgan.geometry.make_geometry(
        "dense", torch.from_numpy(x)[None], torch.from_numpy(y)[None], Euclidean(2)
    )
    weights = [torch.from_numpy(w)[None] for w in (a, b)]
    solution = balanced.solve(Problem(geometry, *weights, epsilon), Limits(1e-6, 5000), first=epsilon)
    assert float(solution.error) <= 1e-6


# ---- batches ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["dense", "streamed"])
def test_each_problem_has_its_own_epsilon(backend):
    xs, ys = [cloud(12, 2, seed=k) for k in range(4)], [cloud(9, 2, seed=20 + k) + k for k in range(4)]
    epsilon = np.array([10.0, 1.0, 0.1, 0.01])
    t = otgan.transport(np.stack(xs), np.stack(ys), epsilon=epsilon, tol=1e-9, backend=backend)
    np.testing.assert_array_equal(t.epsilon, epsilon)
    assert t.converged.all()
    for k in range(4):
        alone = otgan.transport(xs[k], ys[k], epsilon=epsilon[k], tol=1e-9)
        np.testing.assert_allclose(t.value[k], alone.value, rtol=1e-10)
        np.testing.assert_allclose(t.plan[k], alone.plan, atol=1e-8)
        np.testing.assert_allclose(t.f[k], alone.f, atol=1e-6)
        check_transport(alone, xs[k], ys[k], rtol=1e-7)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_regression_one_hard_problem_fails_alone_and_says_so(order):
    # Elsewhere a batch has one stopping test: one hard problem makes all wait, and nothing says which failed.
    x = np.stack([cloud(30, 2, seed=k) for k in range(3)])[list(order)]
    y = np.stack([cloud(30, 2, seed=10 + k) + 0.5 for k in range(3)])[list(order)]
    # No rounding decides: at 1e-12 of the costs it leaves an error of 1e-4 whatever the passes, at 40 the others are done.
    epsilon = np.array([1e-12, 5.0, 1.0])[list(order)]
    with pytest.warns(otgan.ConvergenceWarning, match="1 of 3 problems") as caught:
        t = otgan.transport(x, y, epsilon=epsilon, max_iter=40)
    assert len(caught) == 1
    hard = order.index(0)
    for k in range(3):
        assert t.status[k] is (otgan.Status.MAX_ITER if k == hard else otgan.Status.CONVERGED)
        assert t.converged[k] == (k != hard)
        assert (t.marginal_error[k] <= 1e-6) == (k != hard)
        if k != hard:
            assert t.iterations[k] <= t.iterations[hard]
            alone = otgan.transport(x[k], y[k], epsilon=epsilon[k])
            assert t.value[k] == pytest.approx(alone.value, rel=1e-9)


@pytest.mark.parametrize("backend", ["dense", "streamed"])
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("sizes", [(10, 10, 10), (4, 17, 1)])
def test_a_batch_is_a_loop(backend, p, sizes):
    xs = [cloud(n, 3, seed=k) for k, n in enumerate(sizes)]
    ys = [cloud(n + 2, 3, seed=30 + k) + 0.3 * k for k, n in enumerate(sizes)]
    a, b = [simplex_weights(len(x)) for x in xs], [simplex_weights(len(y), 1) for y in ys]
    a[0][1] = 0
    check_batch(xs, ys, a, b, p=p, epsilon=0.2, tol=1e-11, backend=backend, atol=1e-8)


@pytest.mark.parametrize("p", [1, 2])
def test_ragged_batches_keep_their_digits_far_from_the_origin(p):
    xs, ys = [cloud(n, 5, seed=n) + 1e6 for n in (4, 30)], [cloud(n, 5, seed=50 + n) + 1e6 for n in (25, 3)]
    t = otgan.transport(xs, ys, p=p, epsilon=0.1, tol=1e-9)
    for k in range(2):
        assert t.value[k] == pytest.approx(
            otgan.transport(xs[k], ys[k], p=p, epsilon=0.1, tol=1e-9).value, rel=1e-9
        )
    near = otgan.transport([x - 1e6 for x in xs], [y - 1e6 for y in ys], p=p, epsilon=0.1, tol=1e-9)
    np.testing.assert_allclose(t.value, near.value, rtol=1e-8)


def test_the_default_epsilon_is_that_of_each_problem():
    x, y = cloud(24, 2).reshape(2, 12, 2), cloud(20, 2, seed=1).reshape(2, 10, 2)
    x[1] *= 10
    values = otgan.sinkhorn(x, y, tol=1e-9)
    np.testing.assert_allclose(values, [otgan.sinkhorn(x[k], y[k], tol=1e-9) for k in range(2)], rtol=1e-10)


def test_many_problems_of_every_difficulty():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 15, 2)), rng.standard_normal((30, 15, 2)) + 0.5
    epsilon = 10.0 ** rng.uniform(-3, 1, 30)
    t = otgan.transport(x, y, epsilon=epsilon, tol=1e-8)
    assert t.converged.all()
    reference = [otgan.transport(x[k], y[k], epsilon=epsilon[k], tol=1e-8).value for k in range(30)]
    np.testing.assert_allclose(t.value, reference, rtol=1e-9)
    assert t.iterations.min() < t.iterations.max()


# ---- warm starts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [1, 2])
def test_a_solution_starts_the_same_problem_in_a_few_passes(p):
    x, y, a, b = pair_of(50, 40, 2)
    options = {"p": p, "epsilon": 0.01 * mean_cost(x, y, p)}
    first = otgan.transport(x, y, a, b, **options)
    again = otgan.transport(x, y, a, b, init=first, **options)
    assert again.converged
    assert again.iterations <= 6 < first.iterations
    assert again.value == pytest.approx(first.value, rel=1e-9)


def test_a_solution_starts_a_problem_of_other_points():
    x, y, a, b = pair_of(300, 250, 2)
    options = {"epsilon": 0.05 * mean_cost(x, y)}
    old = otgan.transport(x[:200], y[:100], **options)
    cold, warm = (otgan.transport(x, y, a, b, init=init, **options) for init in (None, old))
    assert warm.converged
    assert warm.iterations < cold.iterations
    assert warm.value == pytest.approx(cold.value, rel=1e-8)


def test_a_batch_starts_a_batch_and_another_epsilon():
    x, y = cloud(40, 2).reshape(2, 20, 2), cloud(30, 2, seed=1).reshape(2, 15, 2)
    old = otgan.transport(x, y, epsilon=0.5)
    new = otgan.transport(x, y, epsilon=[0.4, 0.2], init=old)
    expected = otgan.transport(x, y, epsilon=[0.4, 0.2])
    np.testing.assert_allclose(new.value, expected.value, rtol=1e-8)
    streamed = otgan.transport(x, y, epsilon=0.5, init=old, backend="streamed")
    np.testing.assert_allclose(streamed.value, old.value, rtol=1e-8)


def test_a_bad_start_does_no_harm():
    x, y, a, b = pair_of(30, 30, 2)
    elsewhere = otgan.transport(x + 50, -10 * y, epsilon=1e-2)
    t = otgan.transport(x, y, a, b, epsilon=1e-2, init=elsewhere)
    assert t.converged
    assert t.value == pytest.approx(otgan.transport(x, y, a, b, epsilon=1e-2).value, rel=1e-8)


def test_starts_that_cannot_serve_are_named():
    x, y, a, b = pair_of(10, 8, 2)
    old = otgan.transport(x, y, a, b, epsilon=0.5)
    with pytest.raises(TypeError, match="init must be an entropic solution"):
        otgan.transport(x, y, epsilon=0.5, init=otgan.transport(x, y))
    with pytest.raises(TypeError, match="init must be an entropic solution"):
        otgan.transport(x, y, epsilon=0.5, init=np.zeros(8))
    with pytest.raises(ValueError, match="init belongs to entropic problems"):
        otgan.transport(x, y, init=old)
    with pytest.raises(ValueError, match="init starts balanced problems"):
        otgan.transport(x, y, epsilon=0.5, reach=1.0, init=old)
    with pytest.raises(ValueError, match="batch size and dimension"):
        otgan.transport(cloud(9, 3), cloud(9, 3), epsilon=0.5, init=old)
    with pytest.raises(ValueError, match="batch size and dimension"):
        otgan.transport(x[None].repeat(2, 0), y[None].repeat(2, 0), epsilon=0.5, init=old)


# ---- epsilon, mass, repeatability ------------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [0.0, -1.0, np.inf, np.nan, [[1.0]]])
def test_wrong_epsilons_are_named(epsilon):
    with pytest.raises(ValueError, match="epsilon must be"):
        otgan.transport(cloud(4, 2), cloud(5, 2), epsilon=epsilon)


def test_one_epsilon_a_problem_or_one_for_all():
    x = np.stack([cloud(4, 2)] * 3)
    with pytest.raises(ValueError, match="one a problem \\(3\\), got 2"):
        otgan.transport(x, x, epsilon=[1.0, 2.0])


def test_regression_unequal_masses_are_normalized_and_kept():
    x, y, a, b = pair_of(10, 8, 2)
    t = otgan.transport(x, y, 5 * a, 1e-3 * b, epsilon=0.5)
    assert t.mass == pytest.approx((5.0, 1e-3))
    assert t.value == pytest.approx(otgan.transport(x, y, a, b, epsilon=0.5).value, rel=1e-12)
    assert t.plan.sum() == pytest.approx(1.0, abs=1e-6)


def test_solving_is_repeatable_and_leaves_global_state_alone():
    x, y, a, b = pair_of(40, 30, 2)
    torch.manual_seed(3)
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = (otgan.transport(x, y, a, b, epsilon=0.1) for _ in range(2))
    assert first.value == second.value
    np.testing.assert_array_equal(first.f, second.f)
    assert torch.equal(before[0], torch.random.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_inputs_are_not_written_to():
    x, y, a, b = pair_of(12, 9, 2)
    copies = [v.copy() for v in (x, y, a, b)]
    for options in ({}, {"p": 1}, {"backend": "streamed"}, {"reach": 1.0}):
        t = otgan.transport(x, y, a, b, epsilon=0.3, **options)
        assert np.isfinite([t.lower, t.upper, t.value_linear]).all()
    for v, copy in zip((x, y, a, b), copies, strict=True):
        np.testing.assert_array_equal(v, copy)
