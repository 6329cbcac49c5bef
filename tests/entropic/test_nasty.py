"""A search for quiet failures: whatever is thrown at the solver, it converges to what it says or says that it did not.

The inputs are drawn from the ranges in which entropic solvers elsewhere give NaN, raise from inside, or return a wrong
number with a good status. The judge shares nothing with the solver: costs by SciPy, marginals by a log-sum-exp of NumPy,
the exact cost by linear programming.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

import otgan

Floats = NDArray[np.float64]

SIDES = ("cloud", "grid", "duplicates", "point", "line", "outlier", "clusters")
WEIGHTS = ("uniform", "random", "wide", "zeros", "one")
PLACES = ("random", "identical", "permuted", "subset", "disjoint", "coincident")


@dataclass(frozen=True)
class Nasty:
    """One problem and how it is to be solved."""

    x: Floats
    y: Floats
    a: Floats | None
    b: Floats | None
    p: float
    relative: float
    backend: str
    tol: float | None


def _points(rng: np.random.Generator, kind: str, n: int, d: int) -> Floats:
    x = rng.standard_normal((n, d))
    match kind:
        case "grid":
            return rng.integers(0, 4, (n, d)).astype(float)
        case "duplicates":
            return x[rng.integers(0, max(1, n // 4), n)]
        case "point":
            return np.repeat(x[:1], n, axis=0)
        case "line":
            return x[:, :1] * rng.standard_normal(d)
        case "outlier":
            x[rng.integers(0, n)] *= 10.0 ** rng.integers(1, 5)
        case "clusters":
            return 1e-3 * x + 10.0 * rng.integers(0, 3, (n, 1))
    return x


def _weights(rng: np.random.Generator, kind: str, n: int) -> Floats | None:
    match kind:
        case "uniform":
            return None
        case "wide":
            return 10.0 ** rng.uniform(-8, 0, n)
        case "one":
            return (np.arange(n) == rng.integers(0, n)).astype(float)
    w = rng.uniform(0.1, 1, n)
    if kind == "zeros":
        w[rng.random(n) < 0.5] = 0.0
        w[rng.integers(0, n)] = 1.0
    return w


@st.composite
def nasty(draw: st.DrawFn) -> Nasty:
    """Draw a problem from the nasty ranges; the numbers come from one seed, so that failures are easy to repeat."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    d = draw(st.sampled_from([1, 2, 3, 5, 17, 64, 784]))
    x = _points(rng, draw(st.sampled_from(SIDES)), n, d)
    place = draw(st.sampled_from(PLACES))
    match place:
        case "identical":
            y = x.copy()
        case "permuted":
            y = rng.permutation(x)
        case "subset":
            y = x[rng.integers(0, n, m)]
        case _:
            y = _points(rng, draw(st.sampled_from(SIDES)), m, d)
    if place == "disjoint":
        y = y + draw(st.sampled_from([10.0, 1e3, 1e6]))
    if place == "coincident":
        y[: min(n, m) // 2] = x[: min(n, m) // 2]
    shift = draw(st.sampled_from([0.0, 0.0, 1.0, 1e6]))
    scale = 10.0 ** draw(st.integers(-8, 8))
    a, b = (_weights(rng, draw(st.sampled_from(WEIGHTS)), len(side)) for side in (x, y))
    return Nasty(
        scale * (x + shift),
        scale * (y + shift),
        a,
        b,
        draw(st.sampled_from([1, 1.5, 2, 3])),
        draw(st.sampled_from([10.0, 1.0, 0.1, 1e-2, 1e-3, 1e-4])),
        draw(st.sampled_from(["auto", "auto", "streamed"])),
        draw(st.sampled_from([None, 1e-3, 1e-9])),
    )


def _normalized(w: Floats | None, n: int) -> Floats:
    w = np.ones(n) if w is None else w
    return w / w.sum()


def check(q: Nasty) -> otgan.Status:
    """Solve, and hold every claim of the result to an independent computation."""
    a, b = _normalized(q.a, len(q.x)), _normalized(q.b, len(q.y))
    cost = cdist(q.x, q.y) ** q.p
    mean = float(a @ cost @ b)
    epsilon = q.relative * mean if mean > 0 else q.relative
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        t = otgan.transport(
            q.x, q.y, q.a, q.b, p=q.p, epsilon=epsilon, tol=q.tol, max_iter=1000, backend=q.backend
        )
    # What is not converged has been said, once, and nothing else has.
    assert [w.category for w in caught] == [otgan.ConvergenceWarning] * (not t.converged)
    tol = 1e-6 if q.tol is None else q.tol
    assert t.status is not otgan.Status.NONFINITE
    assert t.converged == (t.marginal_error <= tol)
    assert np.isfinite(t.f).all()
    assert np.isfinite(t.g).all()

    # Costs are known to rounding, relative to the largest, be it of points without weight.
    rounding = 1e-14 * (1 + cost.max() / epsilon)
    slack = 1e-12 * cost.max() + 1e-15 * mean
    heavy_x, heavy_y = a > 0, b > 0
    f, g = t.f[heavy_x], t.g[heavy_y]
    cost, a, b = cost[heavy_x][:, heavy_y], a[heavy_x], b[heavy_y]
    log_plan = np.log(a)[:, None] + np.log(b) + (f[:, None] + g - cost) / epsilon
    rows, columns = np.exp(logsumexp(log_plan, axis=1)), np.exp(logsumexp(log_plan, axis=0))
    error = np.abs(rows - a).sum() + np.abs(columns - b).sum()
    assert abs(error - t.marginal_error) <= 1e-12 + rounding * (1 + error)

    # Bounds, and the value between the exact cost and the exact cost with the smoothing that ε allows.
    exact = otgan.transport(q.x, q.y, q.a, q.b, p=q.p).value
    assert t.lower <= exact + slack
    assert exact <= t.upper + slack
    assert t.lower <= t.upper
    if t.converged:
        span = np.ptp(f) + np.ptp(g) + epsilon
        entropy = min(-(w @ np.log(w)) for w in (a, b))
        assert t.value >= exact - slack - 2 * tol * span
        assert t.value <= exact + epsilon * entropy + slack + rounding * epsilon + tol * epsilon
        linear = float((np.exp(log_plan) * cost).sum())
        assert t.value_linear == pytest.approx(linear, rel=1e-9, abs=slack + rounding * cost.max())
    return t.status


@given(nasty())
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
def test_no_quiet_failure(problem: Nasty) -> None:
    status = check(problem)
    # At moderate ε nothing in these ranges is hard: giving up would be a failure as well.
    assert status is otgan.Status.CONVERGED or problem.relative < 1 or problem.tol == 1e-9
