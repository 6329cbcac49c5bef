"""The result: lazy, frozen, in the caller's form, and honest about how the solve ended."""

from __future__ import annotations

import dataclasses
import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import otgan
from otgan.deadline import Deadline
from otgan.rooted import root
from otgan.status import ConvergenceError, Status, report_failures, statuses
from tests.problems import cloud, simplex_weights


def _solve(epsilon=None, as_tensors=False, **options):
    x, y = cloud(6, 2), cloud(5, 2, seed=1)
    if as_tensors:
        x, y = torch.from_numpy(x), torch.from_numpy(y)
    return otgan.transport(x, y, epsilon=epsilon, **options)


@pytest.mark.parametrize("epsilon", [None, 0.3])
def test_results_are_frozen(epsilon):
    t = _solve(epsilon)
    with pytest.raises(dataclasses.FrozenInstanceError):
        t.p = 3
    with pytest.raises(AttributeError):
        t.value = 0.0
    for name in ("f", "g", "plan"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(t, name)[0] = 1.0
    assert t.plan is t.plan  # computed once


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("epsilon", [None, 0.3])
def test_apply_takes_its_own_results_lists_and_integers(axis, epsilon):
    t = _solve(epsilon)
    matrix = t.plan if axis == 1 else t.plan.T
    own = t.g if axis == 1 else t.f  # read-only
    np.testing.assert_allclose(t.apply(own, axis), matrix @ own, atol=1e-12)
    np.testing.assert_allclose(t.apply([1] * len(own), axis), matrix.sum(1), atol=1e-12)
    np.testing.assert_allclose(t.apply(np.eye(len(own)), axis), matrix, atol=1e-12)


def test_apply_names_wrong_vectors():
    t = _solve()
    with pytest.raises(ValueError, match=r"shape \(5,\), got \(6,\)"):
        t.apply(np.ones(6))
    with pytest.raises(ValueError, match=r"shape \(6,\), got \(5, 2\)"):
        t.apply(np.ones((5, 2)), axis=0)
    with pytest.raises(ValueError, match="got 2"):
        t.apply(np.ones(5), axis=2)
    ragged = otgan.transport([cloud(3, 2), cloud(4, 2)], [cloud(2, 2), cloud(2, 2)])
    with pytest.raises(ValueError, match=r"\(3, 4\) .*rows, .*got shapes \[\(3,\), \(3,\)\]"):
        ragged.apply([np.ones(3), np.ones(3)], axis=0)
    batch = otgan.transport(cloud(6, 2).reshape(2, 3, 2), cloud(8, 2).reshape(2, 4, 2))
    with pytest.raises(ValueError, match=r"shape \(2, 4\), got \(2, 3\)"):
        batch.apply(np.ones((2, 3)))


def test_regression_a_measure_of_tensors_is_no_vector():
    with pytest.raises(TypeError, match=r"v must be numbers in an array, .*got Measure\("):
        _solve().apply(otgan.Measure.of(torch.ones(5, 1)))


def test_tensors_can_be_moved_and_detached():
    x = torch.from_numpy(cloud(6, 2)).requires_grad_()
    t = otgan.transport(x, torch.from_numpy(cloud(5, 2, seed=1)), p=2)
    assert t.value.requires_grad
    assert t.distance.requires_grad
    detached = t.detach()
    assert not detached.value.requires_grad
    assert not detached.distance.requires_grad
    single = detached.to(dtype=torch.float32)
    assert single.value.dtype == single.plan.dtype == single.f.dtype == torch.float32
    assert single.iterations.dtype == torch.int64
    assert single.to("cpu").value == single.value
    with pytest.raises(TypeError, match="NumPy"):
        _solve().to("cpu")


def test_batches_say_how_each_problem_ended():
    t = otgan.transport(cloud(9, 2).reshape(3, 3, 2), cloud(6, 2).reshape(3, 2, 2))
    assert t.status == (Status.CONVERGED,) * 3
    assert t.converged.dtype == bool
    assert t.converged.tolist() == [True] * 3
    assert t.value.shape == t.distance.shape == t.marginal_error.shape == (3,)
    plain = json.loads(json.dumps(t.to_dict(), allow_nan=False))
    assert plain["status"] == ["CONVERGED"] * 3
    assert plain["mass"] == [[1.0] * 3] * 2
    assert np.shape(plain["f"]) == (3, 3)


def test_repr_is_one_line():
    assert repr(_solve(p=1)).startswith("Transport(value=")
    assert "exact, CONVERGED" in repr(_solve())
    assert "epsilon=0.3" in repr(_solve(0.3, as_tensors=True))
    batch = otgan.transport(cloud(6, 2).reshape(2, 3, 2), cloud(6, 2).reshape(2, 3, 2), epsilon=[1.0, 2.0])
    assert "<2 values>" in repr(batch)
    assert "\n" not in repr(batch)


def test_barycentric_map_of_a_point_without_weight_is_not_a_number():
    x, a = cloud(4, 2), np.array([0.0, 1, 1, 1])
    image = otgan.transport(x, cloud(3, 2, seed=1), a).barycentric_map()
    assert np.isnan(image[0]).all()
    assert np.isfinite(image[1:]).all()


def test_distance_is_the_root_of_the_linear_cost():
    exact, entropic = _solve(p=3), _solve(0.3, p=3)
    assert exact.distance == pytest.approx(exact.value ** (1 / 3), rel=1e-14)
    assert entropic.distance == pytest.approx(entropic.value_linear ** (1 / 3), rel=1e-14)
    assert entropic.value != entropic.value_linear


def test_statuses_tell_convergence_limits_and_overflow():
    solved = SimpleNamespace(
        error=torch.tensor([1e-7, 1e-3, torch.nan, 0.0, 0.0]),
        value=torch.tensor([1.0, 1.0, 1.0, torch.inf, 1.0]),
        rounding=torch.tensor([0.0, torch.inf, 0.0, 0.0, 1e-3]),
    )
    expected = (Status.CONVERGED, Status.MAX_ITER, Status.NONFINITE, Status.NONFINITE, Status.UNCERTIFIED)
    assert statuses([solved], 1e-6) == expected
    lost = SimpleNamespace(
        error=solved.error[:2], value=solved.value[:2], rounding=torch.full((2,), torch.nan)
    )
    assert statuses([lost], 1e-6) == (Status.UNCERTIFIED, Status.NONFINITE)
    assert statuses([solved], 1e-6, Deadline(0.0))[1] is Status.TIME_LIMIT
    assert statuses([solved], 1e-6, Deadline(0.0))[0] is Status.CONVERGED
    assert [str(s) for s in expected[1:3]] == ["MAX_ITER", "NONFINITE"]
    assert all(word in Status.UNCERTIFIED.remedy for word in ("rounding", "epsilon", "lower and upper hold"))
    assert "raise max_iter" in Status.MAX_ITER.remedy
    assert "float64" in Status.NONFINITE.remedy


def test_failures_of_a_batch_are_one_report():
    status = (Status.CONVERGED, Status.NONFINITE, Status.MAX_ITER)
    errors = torch.tensor([0.0, 2e-2, 1e-3])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report_failures(status, errors, 1e-6, "warn")
    assert len(caught) == 1
    assert "2 of 3 problems (the first is 1)" in str(caught[0].message)
    assert "error 2.0e-02, tol 1.0e-06" in str(caught[0].message)
    assert caught[0].filename == __file__
    with pytest.raises(ConvergenceError, match="2 of 3"):
        report_failures(status, errors, 1e-6, "raise")
    report_failures(status, errors, 1e-6, "ignore")
    report_failures((Status.CONVERGED,), errors, 1e-6, "raise")


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_root_has_slope_zero_at_zero(p):
    value = torch.tensor([0.0, 8.0], dtype=torch.float64, requires_grad=True)
    roots = root(value, p)
    roots.sum().backward()
    assert roots[0] == 0
    assert roots[1].item() == pytest.approx(8 ** (1 / p), rel=1e-14)
    expected = [1.0 if p == 1 else 0.0, 8 ** (1 / p - 1) / p]
    np.testing.assert_allclose(value.grad, expected, rtol=1e-13)


def test_masses_are_those_given():
    a = 4 * simplex_weights(6)
    t = otgan.transport(cloud(6, 2), cloud(5, 2), a)
    assert t.mass == (pytest.approx(4.0), 1.0)
    assert t.to_dict()["mass"] == [pytest.approx(4.0), 1.0]


def test_numpy_results_can_be_detached_and_leave_the_measure_as_it_is():
    x = np.stack([cloud(4, 2), cloud(4, 2, seed=1)])
    m = otgan.Measure.of(x, np.ones(4))
    t = otgan.transport(m, x + 1)
    assert t.detach().value.tolist() == t.value.tolist()
    mass = t.mass[0]
    m.mass[0] = 7  # the caller's own
    assert mass.tolist() == t.mass[0].tolist() == [4, 4]
    for array in (t.value, t.f, t.plan, mass):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


# ---- plans as arcs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_tensors", [False, True])
@pytest.mark.parametrize("backend", ["simplex", "certified", "pot"])
def test_arcs_and_the_sparse_plan_are_the_plan(as_tensors, backend):
    x, y, a, b = cloud(6, 2), cloud(5, 2, seed=1), simplex_weights(6), simplex_weights(5, seed=1)
    a[2], b[0] = 0, 0
    if as_tensors:
        x, y, a, b = map(torch.from_numpy, (x, y, a, b))
    t = otgan.transport(x, y, a, b, backend=backend)
    i, j, mass = t.arcs
    kind = torch.Tensor if as_tensors else np.ndarray
    assert all(isinstance(each, kind) for each in t.arcs)
    assert str(i.dtype).endswith("int64")
    assert len(i) <= 5 + 4 - 1
    assert (mass > 0).all()
    codes = np.asarray(i * 5 + j)
    assert (np.diff(codes) > 0).all()
    dense = np.zeros((6, 5))
    dense[np.asarray(i), np.asarray(j)] = mass
    np.testing.assert_array_equal(dense, t.plan)
    sparse = t.sparse_plan
    np.testing.assert_array_equal(sparse.to_dense() if as_tensors else sparse.toarray(), t.plan)
    assert tuple(sparse.shape) == (6, 5)


@pytest.mark.parametrize("as_tensors", [False, True])
def test_an_assignment_is_where_each_point_goes(as_tensors):
    x, y = cloud(9, 2), cloud(9, 2, seed=1)
    if as_tensors:
        x, y = torch.from_numpy(x), torch.from_numpy(y)
    t = otgan.transport(x, y)
    where = t.assignment
    assert sorted(where.tolist()) == list(range(9))
    assert t.value == pytest.approx(float((abs(x - y[where]) ** 2).sum(1).mean()))
    np.testing.assert_array_equal(otgan.transport(x, y, backend="certified").assignment, where)
    line = otgan.transport([3.0, 1.0, 2.0], [10.0, 30.0, 20.0])
    assert line.assignment.tolist() == [1, 0, 2]


def test_arcs_of_a_batch_are_a_list():
    x, y = np.stack([cloud(4, 2), cloud(4, 2, seed=2)]), np.stack([cloud(4, 2, seed=1), cloud(4, 2, seed=3)])
    t = otgan.transport(x, y)
    assert [len(each.mass) for each in t.arcs] == [4, 4]
    assert [plan.shape for plan in t.sparse_plan] == [(4, 4), (4, 4)]
    assert [sorted(each) for each in t.assignment] == [[0, 1, 2, 3]] * 2
    ragged = otgan.transport([cloud(3, 2), cloud(4, 2)], [cloud(2, 2), cloud(5, 2)])
    assert [plan.shape for plan in ragged.sparse_plan] == [(3, 2), (4, 5)]
    for plan, dense in zip(ragged.sparse_plan, ragged.plan, strict=True):
        np.testing.assert_array_equal(plan.toarray(), dense)


def test_what_has_no_arcs_or_is_no_assignment_says_so():
    t = _solve(epsilon=0.3)
    for name in ("arcs", "sparse_plan", "assignment"):
        with pytest.raises(
            ValueError, match=rf"{name} belongs to exact problems, got a plan of epsilon=0\.3"
        ):
            getattr(t, name)
    with pytest.raises(ValueError, match=r"equal weight on either side, got 6 and 5 points.*use arcs"):
        _ = _solve().assignment
    weighted = otgan.transport(cloud(3, 2), cloud(3, 2, seed=1), [1, 2, 3])
    with pytest.raises(ValueError, match="got 3 and 3 points between which"):
        _ = weighted.assignment
