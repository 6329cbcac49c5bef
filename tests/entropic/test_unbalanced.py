"""Unbalanced transport: against its primal objective, POT, GeomLoss and the balanced problem that it tends to."""

from __future__ import annotations

from dataclasses import dataclass

import geomloss
import numpy as np
import ot
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

import otgan
from tests.problems import cloud, simplex_weights

TIGHT = {"tol": 1e-12}


def unequal(n=12, m=9, d=2):
    """Two measures of masses 1.4 and 0.6."""
    x, y = cloud(n, d), cloud(m, d, seed=1) + 0.7
    return x, y, 1.4 * simplex_weights(n), 0.6 * simplex_weights(m, seed=1)


def divergence(p, q):
    """KL between measures of any mass."""
    return (p * np.log(p / q)).sum() - p.sum() + q.sum()


def objective(plan, cost, a, b, epsilon, rho):
    """The primal value of a plan."""
    return (
        (plan * cost).sum()
        + epsilon * divergence(plan, np.outer(a, b))
        + rho * divergence(plan.sum(1), a)
        + rho * divergence(plan.sum(0), b)
    )


@dataclass(frozen=True)
class Proven:
    """A minimizer of the primal objective with what is proven of it: an enclosure of the minimum, how far the plan is off.

    ``lower`` and ``upper`` are a dual and a primal value of the same potentials, both of which rounding moves by no
    more than ``rounding``. ``off`` bounds the relative error of every entry of ``plan``.
    """

    lower: float
    upper: float
    rounding: float
    plan: NDArray[np.float64]
    off: float


def proven(cost, a, b, epsilon, rho):
    """Minimize by alternating soft minima in NumPy, and prove the result by its duality gap.

    One round of both updates moves f by no more than κ = (ρ/(ρ+ε))² of its distance from the optimum, for it is a
    composition of soft minima, which expand nothing, and of two multiplications by ρ/(ρ+ε). So a round that changes f
    by r leaves it within r κ/(1 − κ) of the optimal one.
    """
    keep = rho / (rho + epsilon)

    def update(potential, weights, axis):
        spread = potential[None, :] if axis == 1 else potential[:, None]
        exponents = (spread - cost) / epsilon + np.expand_dims(np.log(weights), 1 - axis)
        return -keep * epsilon * np.logaddexp.reduce(exponents, axis=axis)

    f = np.zeros(len(a))
    for _ in range(20_000):
        before, g = f, update(f, a, 0)
        f = update(g, b, 1)
        change = np.abs(f - before).max()
        if change <= 4 * np.finfo(float).eps * cost.max():
            break
    exponent = (f[:, None] + g - cost) / epsilon
    plan = np.outer(a, b) * np.exp(exponent)
    gains = [*(-rho * a * np.expm1(-f / rho)), *(-rho * b * np.expm1(-g / rho))]
    lower = sum(gains) + epsilon * (a.sum() * b.sum() - plan.sum())
    # Exponents are off by a few units in the last place of the largest of their parts, and sums by as many as they
    # have terms, of which none is larger than these.
    unit = 4 * np.finfo(float).eps
    largest = np.abs(f).max() + np.abs(g).max() + cost.max()
    terms = np.abs(gains).sum() + (plan * (largest + epsilon * np.abs(exponent) + 3 * rho + epsilon)).sum()
    rounding = unit * (largest / epsilon + plan.size) * (terms + (rho + epsilon) * (a.sum() + b.sum()))
    # ... of f from the optimum, and of g from its own.
    distance = (change + unit * (largest + epsilon * plan.size)) / (1 - keep**2)
    upper = objective(plan, cost, a, b, epsilon, rho)
    return Proven(lower, upper, rounding, plan, np.expm1(2 * distance / epsilon))


@pytest.mark.parametrize("backend", ["dense", "streamed"])
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize(("epsilon", "reach"), [(0.1, 0.5), (1.0, 0.5), (0.3, 3.0)])
def test_values_and_plans_minimize_the_primal_objective(p, epsilon, reach, backend):
    x, y, a, b = unequal(4, 3)
    cost, rho = cdist(x, y) ** p, p * reach**p
    best = proven(cost, a, b, epsilon, rho)
    # The reference proves itself before it judges: no plan costs less than `lower`, and its own costs `upper`.
    assert abs(best.upper - best.lower) <= best.rounding < 1e-11 * best.upper
    assert best.off < 1e-10

    t = otgan.transport(x, y, a, b, p=p, epsilon=epsilon, reach=reach, backend=backend, **TIGHT)
    assert t.converged
    assert best.lower - best.rounding <= objective(t.plan, cost, a, b, epsilon, rho)
    # Ours is a dual value, off in second order of the marginal error, which is 1e-12: rounding is all that is left.
    assert t.value == pytest.approx(best.lower, abs=2 * best.rounding)
    # A marginal off by a share s moves a potential by ε s, times what the iteration contracts by.
    share = TIGHT["tol"] / min(best.plan.sum(1).min(), best.plan.sum(0).min())
    allowed = best.off + 4 * share * (1 + rho / epsilon)
    assert allowed < 1e-7
    np.testing.assert_allclose(t.plan, best.plan, rtol=allowed)
    # The dual value is the primal one of its plan.
    assert t.value == pytest.approx(objective(t.plan, cost, a, b, epsilon, rho), abs=2 * best.rounding)


@pytest.mark.parametrize("p", [1, 1.5, 2])
def test_plans_are_pots(p):
    x, y, a, b = unequal()
    cost, reach = cdist(x, y) ** p, 0.8
    theirs = ot.unbalanced.sinkhorn_unbalanced(
        a, b, cost, reg=0.2, reg_m=p * reach**p, reg_type="kl", numItermax=100_000, stopThr=1e-14
    )
    t = otgan.transport(x, y, a, b, p=p, epsilon=0.2, reach=reach, **TIGHT)
    np.testing.assert_allclose(t.plan, theirs, atol=1e-9)
    assert t.value_linear == pytest.approx((theirs * cost).sum(), rel=1e-7)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("debias", [False, True])
@pytest.mark.parametrize("masses", [(1.0, 1.0), (1.4, 0.6)])
def test_values_are_p_times_geomlosss(p, debias, masses):
    x, y = torch.from_numpy(cloud(12, 2)), torch.from_numpy(cloud(9, 2, seed=1) + 0.7)
    a, b = masses[0] * torch.from_numpy(simplex_weights(12)), masses[1] * torch.from_numpy(simplex_weights(9))
    options = {"p": p, "blur": 0.5, "reach": 0.9}
    loss = geomloss.SamplesLoss("sinkhorn", debias=debias, scaling=0.999, backend="tensorized", **options)
    theirs = p * loss(a, x, b, y).item()
    if debias:
        ours = otgan.sinkhorn_divergence(x, y, a, b, **options, **TIGHT).item()
    else:
        # Theirs is (ρ + ε/2) ⟨w, 1 − exp(−h/ρ)⟩ over both sides there, which only debiased is a transport value.
        t = otgan.transport(x, y, a, b, **options, **TIGHT)
        epsilon, rho = p * 0.5**p, p * 0.9**p
        gains = [(w * (1 - torch.exp(-h / rho))).sum().item() for w, h in ((a, t.f), (b, t.g))]
        ours = (rho + epsilon / 2) * sum(gains)
    assert ours == pytest.approx(theirs, rel=2e-3)


def test_a_long_reach_is_balanced():
    x, y, a, b = unequal()
    a, b = a / a.sum(), b / b.sum()
    balanced = otgan.transport(x, y, a, b, epsilon=0.3, **TIGHT)
    gaps = []
    for reach in (3.0, 30.0, 300.0, 3000.0):
        t = otgan.transport(x, y, a, b, epsilon=0.3, reach=reach, tol=1e-9)
        assert t.converged
        gaps.append(np.abs(t.plan - balanced.plan).max())
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 1e-5
    assert t.value == pytest.approx(balanced.value, rel=1e-5)


def test_a_short_reach_moves_nothing_far():
    x, y = np.array([[0.0], [100.0]]), np.array([[0.1], [300.0]])
    t = otgan.transport(x, y, [0.5, 0.5], [0.5, 0.5], epsilon=1e-2, reach=1.0)
    assert t.converged
    assert t.plan[0, 0] == pytest.approx(0.5, abs=0.05)
    assert t.plan[1, 1] < 1e-6
    assert t.plan.sum() < 0.6


def test_weights_are_taken_as_given():
    x, y, a, b = unequal()
    t = otgan.transport(x, y, a, b, epsilon=0.3, reach=1.0)
    assert t.mass == pytest.approx((1.4, 0.6))
    assert t.plan.sum() != pytest.approx(1.0, abs=0.05)
    doubled = otgan.transport(x, y, 2 * a, b, epsilon=0.3, reach=1.0)
    assert doubled.value != pytest.approx(t.value, rel=0.05)


def test_zero_weights_batches_and_both_backends():
    x, y, a, b = unequal()
    a[2] = b[0] = 0
    reference = otgan.transport(
        np.delete(x, 2, 0), y[1:], np.delete(a, 2), b[1:], epsilon=0.2, reach=0.7, **TIGHT
    )
    for backend in ("dense", "streamed"):
        t = otgan.transport(x, y, a, b, epsilon=0.2, reach=0.7, backend=backend, **TIGHT)
        assert np.isfinite(t.f).all()
        assert np.isfinite(t.g).all()
        np.testing.assert_allclose(np.delete(t.plan, 2, 0)[:, 1:], reference.plan, atol=1e-10)
        assert (t.plan[2] == 0).all()
        assert t.value == pytest.approx(reference.value, rel=1e-10)
    xs, ys = [x, x[:5]], [y[:4], y]
    weights_x, weights_y = [a, a[:5]], [b[:4], b]
    together = otgan.transport(xs, ys, weights_x, weights_y, epsilon=[0.2, 2.0], reach=0.7, **TIGHT)
    for k in range(2):
        alone = otgan.transport(
            xs[k], ys[k], weights_x[k], weights_y[k], epsilon=[0.2, 2.0][k], reach=0.7, **TIGHT
        )
        assert together.value[k] == pytest.approx(alone.value, rel=1e-9)
        np.testing.assert_allclose(together.plan[k], alone.plan, atol=1e-9)


@pytest.mark.parametrize("relative", [10.0, 0.1, 1e-3])
@pytest.mark.parametrize("reach", [0.1, 1.0, 10.0])
def test_every_epsilon_converges_or_says_so(relative, reach):
    x, y, a, b = unequal(30, 20)
    t = otgan.transport(
        x,
        y,
        a,
        b,
        epsilon=relative * (cdist(x, y) ** 2).mean(),
        reach=reach,
        max_iter=1000,
        on_failure="ignore",
    )
    assert np.isfinite(t.value)
    assert np.isfinite(t.f).all()
    assert t.converged == (t.marginal_error <= 1e-6)
    # Steps shrink by no more than ρ/(ρ + ε) where ρ is large: such problems may take more passes than they have.
    assert t.converged or (relative < 1e-2 and reach >= 1)
    cost, rho = cdist(x, y) ** 2, 2 * reach**2
    if (t.plan > 0).all():
        primal = objective(t.plan, cost, a, b, float(t.epsilon), rho)
        assert t.value == pytest.approx(primal, rel=1e-5, abs=1e-5)
        assert t.value <= primal + 1e-12 * abs(primal)


def test_stopping_early_is_said():
    x, y, a, b = unequal(30, 20)
    with pytest.warns(otgan.ConvergenceWarning, match="max_iter"):
        t = otgan.transport(x, y, a, b, epsilon=1e-3, reach=1.0, max_iter=3)
    assert t.status is otgan.Status.MAX_ITER
    assert t.iterations <= 3


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("debias", [False, True])
def test_gradients_are_finite_differences_in_points_and_masses(p, debias):
    function = otgan.sinkhorn_divergence if debias else otgan.sinkhorn
    x, y, a, b = unequal(4, 3)

    def value(*args):
        return function(*args, p=p, epsilon=0.3, reach=0.8, tol=1e-13)

    leaves = [torch.from_numpy(v.copy()).requires_grad_() for v in (x, y, a, b)]
    assert torch.autograd.gradcheck(value, leaves, eps=1e-5, atol=1e-7, fast_mode=True)


@pytest.mark.parametrize("p", [1, 2])
def test_the_debiased_value_is_a_divergence(p):
    x, y, a, b = unequal()
    options = {"p": p, "blur": 0.4, "reach": 0.7, "tol": 1e-11}
    assert otgan.sinkhorn_divergence(x, x[::-1], a, a[::-1], **options) == pytest.approx(0, abs=1e-10)
    assert otgan.sinkhorn_divergence(x, x, a, 0.5 * a, **options) > 1e-3
    assert otgan.sinkhorn_divergence(x, y, a, b, **options) > 1e-3
    swapped = otgan.sinkhorn_divergence(y, x, b, a, **options)
    assert otgan.sinkhorn_divergence(x, y, a, b, **options) == pytest.approx(swapped, rel=1e-9)


@pytest.mark.parametrize("reach", [0.0, -1.0, np.inf, np.nan])
def test_wrong_reaches_are_named(reach):
    with pytest.raises(ValueError, match="reach must be"):
        otgan.transport(cloud(4, 2), cloud(5, 2), epsilon=1.0, reach=reach)


def test_reach_without_epsilon_is_an_error():
    with pytest.raises(ValueError, match="reach belongs to entropic problems"):
        otgan.transport(cloud(4, 2), cloud(5, 2), reach=1.0)
