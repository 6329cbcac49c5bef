"""transport(): every invariant on every known problem, in every form of input."""

from __future__ import annotations

import math
import warnings

import numpy as np
import ot
import pytest
import torch

import otgan
from otgan.exact.simplex import SimplexError
from otgan.status import ConvergenceError
from tests.check_transport import as_array, check_batch, check_transport, forms_of
from tests.problems import cloud, known_problems, problem_id, simplex_weights

KNOWN = known_problems()


def _backends(problem):
    uniform = len(problem.x) == len(problem.y) and problem.a is None and problem.b is None
    # Its proofs are relative to the mean cost, next to which what these clusters move by is nothing.
    certified = problem.name != "far-apart" or problem.p == 1
    return [
        "auto",
        "simplex",
        *["certified"] * certified,
        *["line"] * (problem.x.shape[1] == 1),
        *["assignment"] * uniform,
    ]


@pytest.mark.parametrize("problem", KNOWN, ids=problem_id)
def test_exact_solutions_are_known_certified_and_consistent(problem):
    for backend in _backends(problem):
        t = otgan.transport(problem.x, problem.y, problem.a, problem.b, p=problem.p, backend=backend)
        assert t.status is otgan.Status.CONVERGED
        assert t.epsilon is None
        assert backend in {t.backend, "auto"}
        # A point's coordinates are rounded before anybody measures them.
        rounding = 1e-15 * np.abs(problem.x).max()
        assert t.value == pytest.approx(
            problem.value, rel=1e-12 + 10 * rounding, abs=1e-28 + rounding**problem.p
        )
        check_transport(t, problem.x, problem.y, problem.a, problem.b)


# An ε relative to costs of 1e6 to the power p resolves nothing of what moves by 1.
@pytest.mark.parametrize("problem", [q for q in KNOWN if q.name != "far-apart"], ids=problem_id)
def test_entropic_solutions_enclose_the_exact_cost(problem):
    mean = max(problem.scale / 4, 1e-3)
    t = otgan.transport(
        problem.x, problem.y, problem.a, problem.b, p=problem.p, epsilon=0.05 * mean, tol=1e-8
    )
    assert t.converged
    assert t.marginal_error <= 1e-8
    slack = 1e-12 * problem.scale
    assert t.lower - slack <= problem.value <= t.upper + slack
    assert t.value_linear >= t.lower - 1e-7 * problem.scale
    check_transport(t, problem.x, problem.y, problem.a, problem.b, rtol=1e-7)


@pytest.mark.parametrize("epsilon", [None, 0.2])
def test_every_form_of_the_samples_gives_the_same(epsilon):
    x, y, a, b = cloud(12, 3), cloud(9, 3, seed=1) + 0.5, simplex_weights(12), simplex_weights(9, seed=1)
    expected = otgan.transport(x, y, a, b, epsilon=epsilon)
    forms_a, forms_b = forms_of(a[:, None]), forms_of(b[:, None])
    for (name, in_x), in_y in zip(forms_of(x).items(), forms_of(y).values(), strict=True):
        kind = "torch" if name.startswith("torch") else "list" if name in {"list", "tuple"} else "numpy"
        in_a, in_b = (
            {
                "torch": torch.from_numpy(w),
                "list": w.tolist(),
                "numpy": forms[name][:, 0] if kind == "numpy" else w,
            }[kind]
            for w, forms in ((a, forms_a), (b, forms_b))
        )
        t = otgan.transport(in_x, in_y, in_a, in_b, epsilon=epsilon)
        for field in ("value", "value_linear", "distance", "f", "g", "plan", "lower", "upper"):
            np.testing.assert_allclose(
                as_array(getattr(t, field)), getattr(expected, field), atol=1e-12, err_msg=f"{name}: {field}"
            )


def test_frames_give_the_same():
    pandas = pytest.importorskip("pandas")
    x, y, a = cloud(12, 3), cloud(9, 3, seed=1), simplex_weights(12)
    t = otgan.transport(pandas.DataFrame(x), pandas.DataFrame(y), pandas.Series(a))
    assert t.value == otgan.transport(x, y, a).value
    check_transport(t, x, y, a)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("epsilon", [None, 0.3])
def test_tensors_come_back_in_their_own_type(dtype, epsilon):
    x, y = torch.from_numpy(cloud(14, 2)).to(dtype), torch.from_numpy(cloud(11, 2, seed=1)).to(dtype)
    a, b = torch.from_numpy(simplex_weights(14)).to(dtype), torch.from_numpy(simplex_weights(11)).to(dtype)
    t = otgan.transport(x, y, a, b, epsilon=epsilon)
    assert t.value.dtype == dtype
    assert t.value.device == x.device
    if dtype == torch.float64:
        check_transport(t, x, y, a, b, rtol=1e-7)
    else:
        double = otgan.transport(x.double(), y.double(), a.double(), b.double(), epsilon=epsilon, tol=1e-4)
        np.testing.assert_allclose(float(t.value), float(double.value), rtol=1e-6)
        np.testing.assert_allclose(as_array(t.plan), as_array(double.plan), atol=1e-5)


def test_halves_are_computed_in_float32_and_mixed_types_are_promoted():
    x, y = torch.from_numpy(cloud(8, 2)), torch.from_numpy(cloud(8, 2, seed=1))
    for half in (torch.float16, torch.bfloat16):
        t = otgan.transport(x.to(half), y.to(half))
        assert t.value.dtype == torch.float32
        expected = otgan.transport(x.to(half).double(), y.to(half).double())
        assert float(t.value) == pytest.approx(float(expected.value), rel=1e-6)
    assert otgan.transport(x.float(), y).value.dtype == torch.float64


@pytest.mark.parametrize("options", [{}, {"backend": "simplex"}, {"p": 1}, {"epsilon": 0.3, "tol": 1e-10}])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_batch_is_a_loop(options, weighted):
    xs = [cloud(10, 2, seed=k) for k in range(4)]
    ys = [cloud(7, 2, seed=10 + k) + k for k in range(4)]
    a = [simplex_weights(10, seed=k) for k in range(4)] if weighted else None
    b = [simplex_weights(7, seed=k) for k in range(4)] if weighted else None
    check_batch(xs, ys, a, b, atol=1e-8 if "epsilon" in options else 1e-12, **options)


@pytest.mark.parametrize("options", [{}, {"p": 1}, {"epsilon": 0.3, "tol": 1e-10}])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_ragged_batch_is_a_loop(options, weighted):
    sizes_x, sizes_y = (5, 12, 1, 8), (7, 12, 3, 1)
    xs = [cloud(n, 2, seed=k) for k, n in enumerate(sizes_x)]
    ys = [cloud(m, 2, seed=10 + k) + k for k, m in enumerate(sizes_y)]
    a = [simplex_weights(n, seed=k) for k, n in enumerate(sizes_x)] if weighted else None
    b = [simplex_weights(m, seed=k) for k, m in enumerate(sizes_y)] if weighted else None
    t = check_batch(xs, ys, a, b, atol=1e-8 if "epsilon" in options else 1e-12, **options)
    assert [len(f) for f in t.f] == list(sizes_x)
    assert [len(g) for g in t.g] == list(sizes_y)
    assert [plan.shape for plan in t.plan] == list(zip(sizes_x, sizes_y, strict=True))
    products = t.apply([np.ones(m) for m in sizes_y])
    for k, product in enumerate(products):
        np.testing.assert_allclose(product, t.plan[k].sum(1), atol=1e-12)


def test_a_batch_on_the_line_is_a_loop():
    check_batch([cloud(6, 1, seed=k) for k in range(3)], [cloud(9, 1, seed=5 + k) for k in range(3)], p=1)


def test_one_set_of_weights_serves_every_problem_of_a_batch():
    x, y, a = cloud(30, 2).reshape(3, 10, 2), cloud(30, 2, seed=1).reshape(3, 10, 2), simplex_weights(10)
    t = otgan.transport(x, y, a)
    np.testing.assert_allclose(t.value, [otgan.transport(x[k], y[k], a).value for k in range(3)])


def test_regression_batches_have_the_right_values():
    # Batched exact solvers elsewhere were found to return wrong or infeasible plans without a warning.
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 15, 2)), rng.standard_normal((20, 15, 2)) * 2
    t = otgan.transport(x, y, p=2)
    reference = [ot.emd2([], [], ot.dist(x[k], y[k])) for k in range(20)]
    np.testing.assert_allclose(t.value, reference, rtol=1e-10)
    assert (t.marginal_error < 1e-14).all()


def test_regression_unequal_masses_are_normalized_and_kept():
    x, y, a, b = cloud(6, 2), cloud(5, 2, seed=1), simplex_weights(6), simplex_weights(5)
    t = otgan.transport(x, y, 3 * a, 7 * b)
    assert t.mass == pytest.approx((3.0, 7.0))
    assert t.value == pytest.approx(otgan.transport(x, y, a, b).value, rel=1e-14)
    np.testing.assert_allclose(t.plan.sum(1), a, atol=1e-15)
    batch = otgan.transport(x[None], y[None], 3 * a, 7 * b)
    np.testing.assert_allclose(np.stack(batch.mass), [[3.0], [7.0]])


@pytest.mark.parametrize("total", [1e-300, 1e300])
def test_totals_of_any_size_are_normalized(total):
    x, y, a = cloud(6, 2), cloud(5, 2, seed=1), simplex_weights(6)
    assert otgan.transport(x, y, a * total).value == pytest.approx(otgan.transport(x, y, a).value, rel=1e-13)


@pytest.mark.parametrize("epsilon", [None, 0.1])
def test_regression_zero_weights_are_ordinary(epsilon):
    x, y, a = cloud(8, 2), cloud(6, 2, seed=1), simplex_weights(8)
    keep = [0, 2, 3, 6]
    sparse = np.zeros(8)
    sparse[keep] = a[keep]
    t = otgan.transport(x, y, sparse, epsilon=epsilon, tol=1e-9)
    without = otgan.transport(x[keep], y, a[keep], epsilon=epsilon, tol=1e-9)
    assert t.value == pytest.approx(without.value, rel=1e-8)
    np.testing.assert_allclose(t.plan[keep], without.plan, atol=1e-8)
    assert np.isfinite(t.f).all()
    check_transport(t, x, y, sparse, rtol=1e-7)
    torch_sparse = torch.from_numpy(sparse)
    gradient_in = torch.from_numpy(x).requires_grad_()
    otgan.transport(gradient_in, torch.from_numpy(y), torch_sparse, epsilon=epsilon).value.backward()
    assert torch.isfinite(gradient_in.grad).all()
    assert (gradient_in.grad[torch_sparse == 0] == 0).all()


@pytest.mark.parametrize("epsilon", [None, 0.1])
@pytest.mark.parametrize("p", [1, 2])
def test_regression_identical_points_and_zero_diameter(epsilon, p):
    for n, m in ((1, 1), (5, 5), (5, 3)):
        x, y = np.full((n, 2), 3.0), np.full((m, 2), 3.0)
        t = otgan.transport(x, y, p=p, epsilon=epsilon)
        assert t.converged
        assert t.value == pytest.approx(0.0, abs=1e-12)
        check_transport(t, x, y, rtol=1e-9)


@pytest.mark.parametrize("epsilon", [None, 0.5])
def test_high_dimension(epsilon):
    x, y = cloud(20, 784), cloud(25, 784, seed=1)
    scale = 1500.0
    t = otgan.transport(x, y, epsilon=None if epsilon is None else epsilon * 100)
    assert t.converged
    check_transport(t, x, y, rtol=1e-7)
    assert t.upper <= scale * 2


def test_bounds_of_a_rough_entropic_solution_enclose_the_exact_cost():
    x, y, a = cloud(30, 2), cloud(25, 2, seed=1) + 1, simplex_weights(30)
    exact = otgan.transport(x, y, a).value
    for max_iter in (1, 3, 10):
        t = otgan.transport(x, y, a, epsilon=0.01, max_iter=max_iter, on_failure="ignore")
        assert t.status is otgan.Status.MAX_ITER
        assert t.lower <= exact <= t.upper


def test_range_of_the_costs_is_an_error_that_says_what_to_do():
    with pytest.raises(OverflowError, match="divide the samples"):
        otgan.transport(cloud(4, 2) * 1e200, cloud(4, 2))
    with pytest.raises(OverflowError, match="divide the samples"):
        otgan.transport(cloud(4, 1) * 1e160, cloud(4, 1))
    with pytest.raises(OverflowError, match="e-200 apart"):
        otgan.transport(cloud(4, 2) * 1e-200, cloud(4, 2) * 1e-200)


def test_memory_is_planned_before_an_exact_solve(monkeypatch):
    # 50,000 points crash or exhaust memory elsewhere; here the error says how much they need.
    monkeypatch.setattr("otgan.exact.solver.available", lambda need: 10**6)
    monkeypatch.setattr("otgan.exact.solver.free_memory", lambda: 10**6)
    x, y = cloud(400, 2), cloud(400, 2, seed=1)
    with pytest.raises(
        MemoryError, match=r"400 x 400 points on all costs needs about .* MiB, and 977 KiB are free"
    ):
        otgan.transport(x, y, backend="simplex")
    t = otgan.transport(x, y)  # what does not fit is solved without a cost matrix
    assert t.backend == "certified"
    assert t.value == pytest.approx(ot.emd2([], [], ot.dist(x, y)), rel=1e-12)
    assert otgan.transport(cloud(400, 1), cloud(400, 1, seed=1)).converged  # sorting needs no matrix


def test_dense_backend_that_cannot_fit_is_an_error(monkeypatch):
    monkeypatch.setattr("otgan.geometry.available", lambda need, device: 10**5)
    with pytest.raises(MemoryError, match="'streamed'"):
        otgan.transport(cloud(100, 2), cloud(100, 2), epsilon=1, backend="dense")
    assert otgan.transport(cloud(100, 2), cloud(100, 2), epsilon=1).backend == "streamed"


def test_exact_solvers_end_at_the_optimum_or_raise():
    x, y = cloud(60, 3), cloud(50, 3, seed=1)
    optimum = otgan.transport(x, y)
    rough = otgan.transport(x, y, tol=1.5)
    assert (rough.value, rough.marginal_error) == (optimum.value, optimum.marginal_error)
    assert str(rough.status) == "CONVERGED"
    for on_failure in ("warn", "raise", "ignore"):
        with pytest.raises(SimplexError, match="max_iter"):
            otgan.transport(x, y, max_iter=3, backend="simplex", on_failure=on_failure)
    sorted_x, sorted_y = x[:, 0], y[:, 0]  # other solvers make no pivots that could be counted
    for points, others in ((sorted_x, sorted_y), (x[:50], y)):
        assert otgan.transport(points, others, max_iter=1).converged


@pytest.mark.parametrize("on_failure", ["warn", "raise", "ignore"])
def test_failures_are_reported_once_and_where_they_were_caused(on_failure):
    x, y = cloud(90, 2).reshape(3, 30, 2), cloud(90, 2, seed=1).reshape(3, 30, 2)

    def solve():
        return otgan.transport(x, y, epsilon=1e-3, max_iter=2, on_failure=on_failure)

    if on_failure == "raise":
        with pytest.raises(ConvergenceError, match=r"3 of 3 problems.*max_iter"):
            solve()
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        t = solve()
    assert len(caught) == (on_failure == "warn")
    for warning in caught:
        assert warning.category is otgan.ConvergenceWarning
        assert "max_iter" in str(warning.message)
        assert (warning.filename, warning.lineno) == (__file__, solve.__code__.co_firstlineno + 1)
    assert t.status == (otgan.Status.MAX_ITER,) * 3
    assert not t.converged.any()
    assert (t.marginal_error > 1e-6).all()


def test_an_easy_problem_in_a_batch_does_not_wait_for_a_hard_one_nor_hide_it():
    x, y = np.stack([cloud(20, 2)] * 2), np.stack([cloud(20, 2, seed=1)] * 2)
    t = otgan.transport(x, y, epsilon=[5.0, 1e-4], max_iter=30, on_failure="ignore")
    assert t.status == (otgan.Status.CONVERGED, otgan.Status.MAX_ITER)
    assert t.converged.tolist() == [True, False]
    assert t.marginal_error[0] <= 1e-6 < t.marginal_error[1]
    np.testing.assert_array_equal(t.epsilon, [5.0, 1e-4])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p": 0.5}, "p must be"),
        ({"p": float("nan")}, "p must be"),
        ({"p": True}, "p must be"),
        ({"p": "2"}, "p must be"),
        ({"epsilon": 1, "blur": 1}, "not both"),
        ({"epsilon": 0}, "epsilon must be a positive"),
        ({"epsilon": float("inf")}, "epsilon must be a positive"),
        ({"blur": -1}, "blur must be a positive"),
        ({"epsilon": [1.0, 2.0]}, "one a problem"),
        ({"epsilon": 1, "tol": 0}, "tol must be"),
        ({"epsilon": 1, "max_iter": 0}, "max_iter must be"),
        ({"max_iter": 0}, "max_iter must be"),
        ({"max_iter": 1.5}, "max_iter must be"),
        ({"on_failure": "shout"}, "on_failure must be"),
        ({"backend": "dense"}, "'line', 'circle', 'assignment', 'simplex', 'certified'"),
        ({"backend": "simplex", "epsilon": 1}, "'dense'"),
        ({"backend": "line"}, "d = 1"),
        ({"backend": "assignment"}, "n = m"),
        ({"reach": 1}, "reach belongs to entropic"),
        ({"init": object()}, "init belongs to entropic"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        otgan.transport(cloud(4, 2), cloud(5, 2), **options)


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (np.zeros((0, 2)), np.zeros((3, 2)), ValueError, "x has no samples"),
        (np.zeros((3, 2)), np.zeros((3, 4)), ValueError, "same dimension"),
        (np.array([[np.nan, 0]]), np.zeros((3, 2)), ValueError, "finite.*sample 0, coordinate 0"),
        (np.zeros((3, 2)), np.array([[0, np.inf]]), ValueError, "y must be finite"),
        (np.array([["a", "b"]]), np.zeros((3, 2)), TypeError, "real numbers"),
        (np.zeros((2, 3, 2)), np.zeros((3, 2)), ValueError, "two sets of samples or two equal batches"),
        (np.zeros((3, 2)), torch.zeros(3, 2), TypeError, "x is NumPy and y is torch"),
        (np.zeros((1, 2, 3, 4)), np.zeros((3, 2)), ValueError, "flatten"),
        ([[1.0, 2.0], [3.0]], np.zeros((3, 2)), ValueError, "rectangular"),
    ],
)
def test_wrong_samples_are_named(x, y, error, message):
    with pytest.raises(error, match=message):
        otgan.transport(x, y)


@pytest.mark.parametrize(
    ("a", "error", "message"),
    [
        ([0.5, -0.5, 1.0], ValueError, "nonnegative"),
        ([0.0, 0.0, 0.0], ValueError, "positive total"),
        ([1.0, 1.0], ValueError, "one weight a sample"),
        ([1.0, np.nan, 1.0], ValueError, "finite"),
        (torch.ones(3), TypeError, "one library"),
    ],
)
def test_wrong_weights_are_named(a, error, message):
    with pytest.raises(error, match=message):
        otgan.transport(np.zeros((3, 2)), np.ones((3, 2)), a)


def test_global_state_is_left_alone():
    x, y = cloud(20, 2), cloud(20, 2, seed=1)
    before = np.random.get_state()[1].copy(), torch.random.get_rng_state()  # noqa: NPY002
    otgan.transport(x, y)
    otgan.transport(x, y, epsilon=0.1)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), before[1])
    assert torch.is_grad_enabled()


# ---- progress --------------------------------------------------------------------------------------------------------


def _long(n=3000, d=2):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, d)), 0.5 + 1.3 * rng.standard_normal((n, d))


@pytest.mark.parametrize("backend", ["certified", "simplex", "auto"])
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_progress_tells_bounds_that_close_in_on_the_cost(backend, scale, monkeypatch):
    for module in ("deadline", "apart"):
        monkeypatch.setattr(f"otgan.{module}._OFTEN", 0.0)
    x, y = _long(700)
    told = []
    t = otgan.transport(scale * x, scale * y, backend=backend, progress=lambda *args: told.append(args))
    lower, upper, seconds = map(list, zip(*told, strict=True))
    assert len(told) > 2
    assert lower == sorted(lower)
    assert upper == sorted(upper, reverse=True)
    assert seconds == sorted(seconds)
    assert (lower[0], upper[0]) == (0.0, math.inf)
    assert lower[-1] == pytest.approx(t.value, rel=1e-9)
    assert upper[-1] == pytest.approx(t.value, rel=1e-9)
    assert all(type(number) is float for number in told[-1])


@pytest.mark.parametrize("backend", ["certified", "simplex"])
def test_what_progress_raises_ends_the_solve(backend, monkeypatch):
    for module in ("deadline", "apart"):
        monkeypatch.setattr(f"otgan.{module}._OFTEN", 0.0)

    class EnoughError(Exception):
        pass

    def tell(*args):
        raise EnoughError

    x, y = _long(700)
    with pytest.raises(EnoughError):
        otgan.transport(x, y, backend=backend, progress=tell)


def test_progress_is_of_one_exact_problem():
    x, y = _long(5)
    with pytest.raises(ValueError, match="progress belongs to exact problems"):
        otgan.transport(x, y, epsilon=1.0, progress=print)
    with pytest.raises(TypeError, match="progress must be a function of"):
        otgan.transport(x, y, progress=True)
    with pytest.raises(ValueError, match="got a batch of 2"):
        otgan.transport(np.stack([x, x]), np.stack([y, y]), progress=print)


@pytest.mark.parametrize("limit", [0.05, 0.3])
def test_the_interval_at_a_time_limit_holds_the_cost_of_a_large_problem(limit):
    x, y = _long(6000)
    t = otgan.transport(x, y, p=1, time_limit=limit, on_failure="ignore")
    assert t.lower <= otgan.transport(x, y, p=1).value <= t.upper
    assert str(t.status) in {"TIME_LIMIT", "CONVERGED"}


def test_a_batch_is_solved_as_its_problems_are():
    rng = np.random.default_rng(0)
    for m in (40, 35):
        x, y = rng.standard_normal((90, 40, 2)), rng.standard_normal((90, m, 2))
        whole = otgan.transport(x, y)
        for k in (0, 44, 89):
            assert whole.value[k] == otgan.transport(x[k], y[k]).value
