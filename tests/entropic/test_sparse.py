"""Solves whose Newton directions come from few entries: the same solutions as from all of them."""

import numpy as np
import pytest

import otgan
from otgan.costs import Euclidean
from otgan.deadline import NEVER
from otgan.entropic import sparse
from otgan.entropic.iterate import Iterate, least_of
from otgan.entropic.problem import Problem
from otgan.entropic.sparse import Sparse
from otgan.geometry import make_geometry
from otgan.geometry.compiled import parted, starter


@pytest.fixture(autouse=True)
def whole(monkeypatch):
    """Leave small problems to the solver, which is to find their plans sparse, and count the directions."""
    monkeypatch.setattr(starter, "_LARGEST", 0)
    monkeypatch.setattr(parted, "_MOST", 0.2)
    seen = []
    direction = Sparse.direction
    monkeypatch.setattr(Sparse, "direction", lambda *given: seen.append(1) or direction(*given))
    return seen


def clouds(kind, n=300, m=330):
    """Return points and weights of a kind."""
    rng = np.random.default_rng(5)
    d = 16 if kind == "many dimensions" else 2
    x, y = rng.standard_normal((n, d)), 0.5 + 1.3 * rng.standard_normal((m, d))
    a, b = np.ones(n), np.ones(m)
    match kind:
        case "wide weights":
            a, b = 10.0 ** -(12 * rng.random(n)), 10.0 ** -(12 * rng.random(m))
        case "no weight":
            a[:20], b[5:9] = 0, 0
        case "duplicates":
            x[: n // 2], y[: m // 2] = x[n - n // 2 :], y[m - m // 2 :]
        case "clusters":
            x[: n // 2] += 40
            y[: m // 2] += 40
        case "uneven clusters":
            x[: n // 3] += 6
            y[: m // 2] += 6
    return x, y, a, b


KINDS = ["plain", "many dimensions", "wide weights", "no weight", "duplicates", "clusters", "uneven clusters"]


@pytest.mark.parametrize("kind", KINDS)
def test_solutions_are_those_of_the_reference(kind, whole):
    x, y, a, b = clouds(kind)
    scale = ((x[:, None] - y) ** 2).sum(2).mean() if "clusters" not in kind else 4.0
    settings = {"p": 2, "epsilon": 0.002 * scale, "tol": 1e-9, "max_iter": 20_000}
    found = otgan.transport(x, y, a, b, backend="auto", **settings)
    count = len(whole)
    reference = otgan.transport(x, y, a, b, backend="dense", **settings)
    assert count > 0
    assert len(whole) == count  # none by the reference
    assert found.converged
    assert found.marginal_error <= 1e-9
    assert reference.converged
    assert found.value == pytest.approx(reference.value, rel=1e-8)
    np.testing.assert_allclose(found.plan, reference.plan, atol=1e-8)


def iterate(epsilon=0.01, tol=1e-6, batch=1):
    """Return the state of a problem after some steps."""
    x, y, a, b = (np.stack([each] * batch) for each in clouds("plain"))
    geometry = make_geometry("compiled", x, y, Euclidean(2.0))
    epsilons = np.full(batch, epsilon)
    problem = Problem(geometry, a / a.sum(1)[:, None], b / b.sum(1)[:, None], epsilons)
    g = np.zeros_like(problem.b)
    for _ in range(30):
        f = problem.soft_f(g)
        g = problem.soft_g(f)
    it = Iterate(problem, f, g, tol, least_of(tol))
    it.sweep()
    return it


def test_a_direction_solves_the_system_of_the_whole_plan(monkeypatch):
    monkeypatch.setattr(sparse, "_bent", lambda newton: newton)
    it = iterate(epsilon=0.02)
    directions = Sparse()
    assert directions.serves(it)
    column = it.b * it.ratio
    gap = it.b - column
    found, passes = directions.direction(it, column, gap, 1e-12, NEVER)
    eye = [it.kernel(e[None], 1)[0] for e in np.eye(330)]
    plan = (it.a * it.u)[0, :, None] * np.stack(eye, 1) * (it.b * it.v)[0]
    system = np.diag(column[0]) - plan.T @ (plan / it.a[0, :, None])
    left = (system @ found[0] - gap[0]) / np.sqrt(column[0])
    assert np.linalg.norm(left) < 0.2 * np.linalg.norm(gap[0] / np.sqrt(column[0]))
    assert 0 < passes < 100
    assert abs(float((found * column).sum())) < 1e-12 * float(abs(found).max())


def test_batches_and_dense_plans_have_none(whole):
    assert not Sparse().serves(iterate(batch=2))
    diffuse = iterate(epsilon=10.0)
    before = diffuse.passes
    assert not Sparse().serves(diffuse)
    assert not Sparse().serves(diffuse)
    assert diffuse.passes == before  # it is only asked, and once
    assert whole == []


def test_a_core_that_the_iterate_has_left_is_chosen_anew():
    it, directions = iterate(), Sparse()
    assert directions.serves(it)
    column = it.b * it.ratio
    directions.direction(it, column, it.b - column, 1e-6, NEVER)
    kernel = it.kernel
    assert directions.serves(it)
    assert it.kernel is kernel
    directions.lost = 1.0
    assert directions.serves(it)
    assert it.kernel is not kernel


def test_a_step_that_gains_nothing_is_followed_by_one_on_the_whole_kernel():
    it, directions = iterate(), Sparse()
    directions.lost = 1.0
    directions.judge(it.error, it.error)
    assert not directions.serves(it)
    assert directions.serves(it)
    directions.lost = 0.0
    directions.judge(it.error, it.error)
    assert directions.serves(it)


def test_long_directions_are_bent_and_short_ones_are_not():
    short, long = np.array([[3.0, -3.0]]), np.array([[1e4, -3.0]])
    assert sparse._bent(short) is short
    np.testing.assert_allclose(sparse._bent(long), [[np.arcsinh(1e4), -3.0]])


@pytest.mark.parametrize("worth", [0, 2**62])
def test_solutions_are_the_same_with_a_factor_and_without(worth, monkeypatch):
    monkeypatch.setattr(sparse, "_WORTH", worth)
    x, y, a, b = clouds("many dimensions")
    found = otgan.transport(x, y, a, b, p=2, epsilon=0.05, tol=1e-8)
    assert found.converged
    assert found.marginal_error <= 1e-8
