"""The Newton system of a plan's heavy entries, held to dense linear algebra."""

import numpy as np
import pytest

from otgan.deadline import Deadline
from otgan.geometry.compiled import core as module
from otgan.geometry.compiled.core import Core
from otgan.geometry.compiled.factor import inverse_of


def plan_of(n, m, *, seed=0, blocks=1, decades=0.0):
    """Return a sparse plan with entries of very different size, in blocks that do not touch."""
    rng = np.random.default_rng(seed)
    plan = rng.random((n, m)) ** 8 * (rng.random((n, m)) < 0.4)
    plan[np.arange(n), rng.integers(0, m, n)] += 1
    plan[rng.integers(0, n, m), np.arange(m)] += 1
    apart = (np.arange(n) * blocks // n)[:, None] != np.arange(m) * blocks // m
    plan[apart] = 0
    plan[np.arange(n), np.arange(n) * m // n] += 0.5
    plan *= 10.0 ** -(decades * rng.random(n))[:, None]
    return plan / plan.sum()


def core_of(plan, least=0.0):
    """Compress the entries above a level."""
    i, j = (plan > least).nonzero()
    ends = np.concatenate([[0], np.bincount(i, minlength=len(plan)).cumsum()]).astype(np.int64)
    return Core(ends, j.astype(np.int32), plan[i, j])


def dense_of(system):
    """Write D − Qᵀ Q out."""
    rows = np.repeat(np.arange(len(system.ends) - 1), np.diff(system.ends))
    q = np.zeros((len(system.ends) - 1, len(system.diagonal)))
    q[rows, system.index] = system.scaled
    return np.diag(system.diagonal) - q.T @ q


def system_of(plan, least=0.0):
    core = core_of(plan, least)
    return core.system(np.ones(len(plan)), np.ones(plan.shape[1]), plan.sum(1), plan.sum(0))


@pytest.mark.parametrize("shape", [(40, 40), (30, 50), (50, 30), (1, 3)])
def test_the_system_is_that_of_the_plan(shape):
    plan = plan_of(*shape)
    a, c = plan.sum(1), plan.sum(0)
    true = np.diag(c) - plan.T @ (plan / a[:, None])
    root = 1 / np.sqrt(c)
    np.testing.assert_allclose(dense_of(system_of(plan)), root[:, None] * true * root, atol=1e-14)


def test_factors_of_the_plan_are_taken_in():
    plan, rng = plan_of(20, 25), np.random.default_rng(1)
    row, side = rng.random(20) + 0.5, rng.random(25) + 0.5
    scaled = row[:, None] * plan * side
    found = core_of(plan).system(row, side, scaled.sum(1), scaled.sum(0))
    np.testing.assert_allclose(dense_of(found), dense_of(system_of(scaled)), atol=1e-14)


def test_the_constants_are_in_the_kernel_where_nothing_is_left_out():
    system = system_of(plan_of(30, 40, decades=12))
    assert np.abs(dense_of(system) @ (1 / system.root)).max() < 1e-13
    assert system.lost < 1e-15


@pytest.mark.parametrize("least", [1e-6, 1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("decades", [0, 12])
def test_what_is_left_out_is_known_and_leaves_the_system_semidefinite(least, decades):
    plan = plan_of(40, 40, decades=decades)
    system = system_of(plan, least)
    assert system.lost == pytest.approx(plan[plan <= least].sum(), abs=1e-15)
    assert system.lost <= least * plan.size
    assert np.linalg.eigvalsh(dense_of(system)).min() >= -1e-14


def test_sums_that_rounding_made_too_small_leave_it_semidefinite():
    plan = plan_of(40, 40)
    system = core_of(plan).system(
        np.ones(40), np.ones(40), plan.sum(1) * (1 - 1e-6), plan.sum(0) * (1 - 1e-6)
    )
    assert np.linalg.eigvalsh(dense_of(system)).min() >= -1e-14
    assert system.lost == 0


@pytest.mark.parametrize("preconditioned", [False, True])
@pytest.mark.parametrize("blocks", [1, 3])
def test_solutions_are_the_direct_ones(blocks, preconditioned):
    plan = plan_of(60, 50, blocks=blocks)
    system = system_of(plan, 1e-4)
    gap = np.random.default_rng(2).standard_normal(50) * plan.sum(0)
    found, used = system.solve(gap, 1e-10, 500, 20.0, inverse_of(system) if preconditioned else None)
    true = system.root * np.linalg.solve(dense_of(system), system.root * gap)
    np.testing.assert_allclose(found, true, rtol=1e-5, atol=1e-5 * np.abs(true).max())
    assert 0 < used < 500


def test_a_visit_in_parts_is_the_same(monkeypatch):
    plan = plan_of(60, 50)
    system, gap = system_of(plan, 1e-4), plan.sum(0) * np.linspace(-1, 1, 50)
    whole = system.solve(gap, 1e-9, 500, 20.0)
    monkeypatch.setattr(module, "_VISIT", 1)
    parts = system.solve(gap, 1e-9, 500, 20.0)
    assert parts[1] == whole[1]
    np.testing.assert_allclose(parts[0], whole[0], rtol=1e-9)


def test_a_direction_without_curvature_is_followed_as_far_as_it_may_be():
    plan = np.kron(np.eye(2), np.full((5, 5), 0.02))
    gap = np.repeat([0.1, -0.1], 5)
    found, used = system_of(plan).solve(gap, 1e-3, 50, 20.0)
    np.testing.assert_allclose(np.abs(found).max(), 20.0)
    assert (found * gap > 0).all()
    assert used == 1


def test_points_without_weight_take_no_part():
    plan = plan_of(10, 12)
    plan[3], plan[:, 4] = 0, 0
    gap = plan.sum(0) * np.linspace(-1, 1, 12)
    found, _ = system_of(plan, 1e-3).solve(gap, 1e-8, 100, 20.0)
    assert np.isfinite(found).all()
    assert found[4] == 0


def test_iterations_end_at_the_limit_and_at_the_deadline():
    system, gap = system_of(plan_of(60, 50)), np.linspace(-1, 1, 50)
    assert system.solve(gap, 1e-14, 3, 20.0)[1] == 3
    found, used = system.solve(gap, 1e-14, 300, 20.0, None, Deadline(0))
    assert used == 0
    assert (found == 0).all()
