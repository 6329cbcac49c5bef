"""Self-transport: one potential, few passes at every ε, and the plan's symmetry."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import otgan
from otgan.costs import Euclidean
from otgan.entropic import balanced, symmetric
from otgan.entropic.problem import Limits, Problem
from otgan.geometry import make_geometry
from tests.problems import cloud, simplex_weights


def solved(x, a, epsilon, p=2.0, *, tol=1e-9, max_iter=1000, backend="dense"):
    """Solve a batch of self terms."""
    geometry = make_geometry(backend, x, x, Euclidean(p))
    return geometry, symmetric.solve(Problem(geometry, a, a, epsilon, symmetric=True), Limits(tol, max_iter))


def batch_of(n, d, count=1):
    x = torch.from_numpy(np.stack([cloud(n, d, seed=k) for k in range(count)]))
    a = torch.from_numpy(np.stack([simplex_weights(n, seed=k) for k in range(count)]))
    return x, a


def exponent_rounding(x, solution, epsilon, p):
    """By which share (f + g − C)/ε leaves the entries of a plan unknown, each of its parts being rounded."""
    largest = float((torch.cdist(x, x) ** p).max()) + 2 * float(solution.f.abs().max())
    return 8 * torch.finfo(torch.float64).eps * (1 + largest / epsilon)


@pytest.mark.parametrize("backend", ["dense", "streamed"])
@pytest.mark.parametrize("p", [1, 1.5, 2])
@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 10.0])
def test_it_is_the_solution_of_the_general_solver(epsilon, p, backend):
    x, a = batch_of(30, 2)
    strength = torch.tensor([epsilon], dtype=torch.float64)
    geometry, ours = solved(x, a, strength, p, backend=backend)
    assert float(ours.error) <= 1e-9
    assert torch.equal(ours.f, ours.g)
    general = balanced.solve(
        Problem(geometry, a, a, strength), Limits(1e-9, 5000), first=torch.ones(1).double()
    )
    plans = [geometry.plan(strength, s.f, s.g, a, a)[0] for s in (ours, general)]
    np.testing.assert_allclose(plans[0], plans[1], atol=1e-8)
    # C_ij and C_ji are sums of the same parts, in an order of the processor's own.
    rounding = exponent_rounding(x, ours, epsilon, p)
    np.testing.assert_allclose(plans[0], plans[0].T, rtol=rounding)
    row_sums = plans[0].sum(1)
    assert 2 * float((row_sums - a[0]).abs().sum()) == pytest.approx(float(ours.error), abs=rounding)


@pytest.mark.parametrize("p", [1, 1.5, 2])
@pytest.mark.parametrize("d", [1, 2, 64])
def test_every_pass_halves_the_error_at_every_epsilon(p, d):
    # The kernel is positive semidefinite for p <= 2, which makes the averaged step a contraction by two.
    x, a = batch_of(60, d)
    mean = float((torch.cdist(x[0], x[0]) ** p).mean())
    for relative in (1e-4, 1e-2, 1.0, 10.0):
        _, solution = solved(x, a, torch.tensor([relative * mean]).double(), p, tol=1e-9)
        assert float(solution.error) <= 1e-9
        assert int(solution.iterations) <= np.log2(2 / 1e-9) + 8


def test_large_powers_converge_or_say_so():
    x, a = batch_of(40, 2)
    for epsilon in (1e-2, 1.0, 100.0):
        _, solution = solved(x, a, torch.tensor([epsilon]).double(), 3.0)
        assert torch.isfinite(solution.f).all()
        assert float(solution.error) <= 1e-9 or int(solution.iterations) == 1000


def test_each_problem_of_a_batch_is_solved_for_its_own_epsilon():
    x, a = batch_of(20, 2, count=3)
    epsilon = torch.tensor([1e-2, 0.5, 20.0]).double()
    _, together = solved(x, a, epsilon)
    for k in range(3):
        _, alone = solved(x[k : k + 1], a[k : k + 1], epsilon[k : k + 1])
        np.testing.assert_allclose(together.f[k], alone.f[0], atol=1e-7)
    assert (together.error <= 1e-9).all()


def test_zero_weights_have_the_potential_of_a_soft_minimum():
    x, a = batch_of(12, 2)
    a = torch.where(torch.arange(12) % 3 == 0, 0.0, a)
    a = a / a.sum()
    epsilon = torch.tensor([0.3]).double()
    geometry, solution = solved(x, a, epsilon, tol=1e-12)
    assert torch.isfinite(solution.f).all()
    soft = geometry.softmin(epsilon, solution.f + epsilon[:, None] * a.log(), 1)
    np.testing.assert_allclose(solution.f, soft, atol=1e-10)


@pytest.mark.parametrize("n", [1, 7])
def test_one_place_costs_nothing(n):
    x = torch.full((1, n, 3), 2.0).double()
    _, solution = solved(x, torch.full((1, n), 1 / n, dtype=torch.float64), torch.tensor([0.5]).double())
    np.testing.assert_allclose(solution.f, 0, atol=1e-12)
    assert int(solution.iterations) <= 2


def test_max_iter_and_the_error_are_honest():
    x, a = batch_of(30, 2)
    geometry, solution = solved(x, a, torch.tensor([1.0]).double(), tol=1e-12, max_iter=3)
    assert int(solution.iterations) == 3
    sums = geometry.plan(torch.tensor([1.0]).double(), solution.f, solution.g, a, a).sum(2)
    error = 2 * float((sums - a).abs().sum())
    rounding = exponent_rounding(x, solution, 1.0, 2)
    assert float(solution.error) == pytest.approx(error, abs=rounding)
    assert error > 1e-12 > rounding


def test_a_large_kernel_in_float32_is_refined():
    x, a = batch_of(300, 2)
    _, solution = solved(x, a, torch.tensor([0.2]).double(), tol=1e-4)
    assert float(solution.error) <= 1e-4
    _, solution = solved(x, a, torch.tensor([0.2]).double(), tol=1e-12)
    assert float(solution.error) <= 1e-12


# ---- the divergence that they make ------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [1, 1.5, 2])
@pytest.mark.parametrize("relative", [1e-3, 0.05, 5.0])
def test_regression_divergences_are_never_negative_and_vanish_for_equal_sets(p, relative):
    # Elsewhere they come out negative, and not 0 between a set and itself.
    x, a = cloud(40, 2), simplex_weights(40)
    epsilon = relative * 2.0
    order = np.random.default_rng(0).permutation(40)
    for tol in (1e-2, 1e-6):
        same = otgan.sinkhorn_divergence(x, x[order], a, a[order], p=p, epsilon=epsilon, tol=tol)
        assert -1e-13 * epsilon <= same <= tol * epsilon
        for size in (1e-6, 1e-3, 0.1):
            moved = x + size * cloud(40, 2, seed=5)
            value = otgan.sinkhorn_divergence(x, moved, a, a, p=p, epsilon=epsilon, tol=tol)
            assert value >= -1e-13 * epsilon
    clearly = otgan.sinkhorn_divergence(x, x + 1.0, a, a, p=p, epsilon=epsilon)
    assert clearly > 0.1


def test_the_divergence_of_a_translate_is_the_shift_whatever_epsilon():
    # For p = 2 the cross term of x and x + t is the self term plus |t|²: exact for every ε.
    x, a = cloud(25, 3), simplex_weights(25)
    shift = np.array([0.3, -0.5, 0.2])
    for epsilon in (1e-2, 1.0, 100.0):
        value = otgan.sinkhorn_divergence(x, x + shift, a, a, epsilon=epsilon, tol=1e-10)
        assert value == pytest.approx(float(shift @ shift), rel=1e-8)
