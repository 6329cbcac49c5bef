"""The compiled geometries and the starter, held to formulas in float64 and to the geometries of tensors."""

from __future__ import annotations

import itertools
import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import otgan
from otgan.costs import Euclidean
from otgan.costs.chebyshev import Chebyshev
from otgan.costs.cityblock import Cityblock
from otgan.costs.cosine import Cosine
from otgan.deadline import Deadline
from otgan.entropic.problem import Limits, Problem
from otgan.entropic.starters import start_of, start_of_self
from otgan.geometry import make_geometry, takes_arrays
from otgan.geometry.compiled import CompiledGeometry, costs, starter, visited, visits
from otgan.geometry.compiled.powers import fill_powers
from otgan.geometry.compiled.stream import BlockStream, CompiledStream, StreamKernel
from otgan.geometry.dense import DenseGeometry
from tests.check_geometry import check_geometry, check_kernel, make_case
from tests.problems import cloud, simplex_weights


@pytest.fixture(autouse=True)
def _quiet():
    """Keep warnings of floating point off, as every public function does."""
    with np.errstate(all="ignore"):
        yield


# ---- powers ----------------------------------------------------------------------------------------------------------


def powers(t, dtype):
    """2^t by the compiled loop."""
    t = np.asarray(t, dtype=np.float64)
    out = np.empty((1, 1, len(t)), dtype)
    zero, one = np.zeros((1, 1)), np.ones(1)
    source = (np.zeros((1, 1, len(t))), np.empty((0, 0, 0)), np.empty((0, 0, 0)), 0, False)
    visits.exponential(source, zero, t[None], one, out, 0, 0, 0, 1)
    return out[0, 0]


@pytest.mark.parametrize(
    ("dtype", "low", "high", "units"), [(np.float32, -100, 127, 1.0), (np.float64, -1021, 1023, 1.5)]
)
def test_powers_are_right_to_the_last_place(dtype, low, high, units):
    rng = np.random.default_rng(0)
    t = np.concatenate([rng.uniform(low, high, 400), rng.uniform(-1, 1, 400), np.arange(-60.0, 60.0, 0.5)])
    with mpmath.workdps(40):
        true = [mpmath.power(2, mpmath.mpf(float(v))) for v in t]
        off = [abs(mpmath.mpf(float(p)) / q - 1) for p, q in zip(powers(t, dtype), true, strict=True)]
    assert float(max(off)) <= units * np.finfo(dtype).eps


def test_powers_beyond_the_range_are_zero_and_infinite():
    assert powers([-np.inf, -1e300, -100.1, 127.1, 1e300, np.inf], np.float32).tolist() == [0, 0, 0] + 3 * [
        np.inf
    ]
    assert powers([-np.inf, -1e300, -1021.1, 1023.1, np.inf], np.float64).tolist() == [0, 0, 0] + 2 * [np.inf]
    assert powers([-100.0, 0.0, 127.0], np.float32).tolist() == [2.0**-100, 1, 2.0**127]
    assert powers([-1021.0, 0.0, 1023.0], np.float64).tolist() == [2.0**-1021, 1, 2.0**1023]
    for dtype in (np.float32, np.float64):
        assert np.isnan(powers([np.nan], dtype)).all()


def test_powers_of_single_exponents():
    t = np.linspace(-100, 127, 500).astype(np.float32)
    out, zero, one = np.empty(len(t), np.float32), np.zeros(len(t), np.float32), np.float32(1)
    fill_powers(-t, np.float32(0), zero, one, out)
    np.testing.assert_allclose(out, 2.0 ** t.astype(float), rtol=2 * np.finfo(np.float32).eps)
    fill_powers(np.float32([101, -128, np.nan]), np.float32(0), zero[:3], one, out[:3])
    np.testing.assert_array_equal(out[:3], [0, np.inf, np.nan])


# ---- geometries ------------------------------------------------------------------------------------------------------


KINDS = [CompiledGeometry, CompiledStream, BlockStream]


def visiting(kind, case, rule):
    """The geometry of a case in arrays of NumPy."""
    return kind(case.x.numpy(), case.y.numpy(), rule)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("batch", [1, 3])
def test_the_seam_is_what_its_formulas_say(kind, p, batch):
    case = make_case(p, batch=batch, epsilon=(0.3, 2.0, 0.7)[: max(batch, 2)][:batch])
    check_geometry(visiting(kind, case, Euclidean(p)), case)


@pytest.mark.usefixtures("many_pieces")
@pytest.mark.parametrize("kind", KINDS)
def test_pieces_on_threads_change_nothing(kind):
    case = make_case(2, n=19, m=11)
    check_geometry(visiting(kind, case, Euclidean(2)), case)


@pytest.mark.parametrize("step", [1, 3])
def test_blocks_of_rows_change_nothing(step, monkeypatch):
    monkeypatch.setattr("otgan.geometry.base.rows_per_tile", lambda batch, columns: step)
    case = make_case(2, n=11, m=6)
    check_geometry(visiting(BlockStream, case, Euclidean(2)), case)
    check_kernel(visiting(BlockStream, case, Euclidean(2)), case, 1e-9, rtol=1e-11)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize(("n", "m", "d"), [(1, 5, 2), (6, 2, 1), (70, 9, 15), (40, 30, 784)])
def test_sizes_powers_and_dimensions(p, n, m, d):
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(2, k, d)) for k in (n, m))
    ours = CompiledGeometry(x, y, Euclidean(p), direct=True)
    theirs = DenseGeometry(torch.from_numpy(x), torch.from_numpy(y), Euclidean(p), direct=True)
    np.testing.assert_allclose(ours.cost, theirs.cost, rtol=1e-12, atol=1e-12)
    assert (ours.cost_error.relative <= theirs.cost_error.relative) or d >= visited.FEW


@pytest.mark.parametrize("rule", [Cityblock(1), Cityblock(2.5), Chebyshev(1), Chebyshev(2), Cosine(1)])
def test_other_costs(rule):
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(2, k, 4)) for k in (9, 7))
    theirs = DenseGeometry(torch.from_numpy(x), torch.from_numpy(y), rule)
    np.testing.assert_allclose(CompiledGeometry(x, y, rule).cost, theirs.cost, rtol=1e-13)


@pytest.mark.parametrize("tol", [1e-3, 1e-9])
@pytest.mark.parametrize("kind", KINDS)
def test_kernels_are_as_accurate_as_is_asked_for(kind, tol):
    case = make_case(2, n=300, m=230, d=2)
    check_kernel(visiting(kind, case, Euclidean(2)), case, tol, rtol=1e-5 if tol > 1e-6 else 1e-11)


def test_streaming_is_compiled_where_costs_are_norms_in_few_dimensions():
    def kind(d, rule):
        x = np.zeros((1, 2, d))
        return type(make_geometry("streamed", x, x, rule))

    assert {kind(3, rule) for rule in (Euclidean(1), Euclidean(2), Cityblock(1), Chebyshev(1))} == {
        CompiledStream
    }
    assert {kind(3, rule) for rule in (Euclidean(1.5), Cityblock(2), Cosine(1))} == {BlockStream}
    assert kind(visited.FEW, Euclidean(2)) is BlockStream


def test_parts_of_a_streamed_kernel_are_those_of_the_batch():
    case = make_case(2, n=9, m=8)
    geometry = visiting(CompiledStream, case, Euclidean(2))
    kernel = geometry.kernel(*(each.numpy() for each in (case.epsilon, case.f, case.g)), 1e-9)
    assert isinstance(kernel, StreamKernel)
    keep, b = np.array([1]), case.b.numpy()
    np.testing.assert_allclose(kernel.take(keep)(b[keep], 1), kernel(b, 1)[keep], rtol=1e-12)


def test_samples_elsewhere_are_refused():
    assert takes_arrays("compiled", torch.device("cpu"))
    assert not takes_arrays("auto", torch.device("meta"))
    with pytest.raises(ValueError, match="backend 'compiled' takes samples on the CPU, got samples on meta"):
        takes_arrays("compiled", torch.device("meta"))


def test_a_source_of_points_is_that_of_their_costs():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1, 3, 2)), rng.normal(size=(1, 2, 5))
    for order, root in ((1, False), (2, False), (2, True), (0, False)):
        out = np.empty((1, 3, 5))
        costs.fill_norms(x, y, order, root, out, 0, 0, 0, 3)
        for i in range(3):
            row = costs.row_of((np.empty((0, 0, 0)), x, y, order, root), 0, i, np.empty(5))
            assert row.tolist() == out[0, i].tolist()
            assert costs.row_of((out, x, y, order, root), 0, i, np.empty(5)).tolist() == out[0, i].tolist()


# ---- whole solves ----------------------------------------------------------------------------------------------------


def problem_of(n, m, d, relative, *, batch=1, p=2.0, seed=0, weights=True):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(batch, n, d)), 0.5 + 1.3 * rng.normal(size=(batch, m, d))
    a, b = (rng.dirichlet(np.ones(k), batch) if weights else np.full((batch, k), 1 / k) for k in (n, m))
    geometry = CompiledGeometry(x, y, Euclidean(p))
    return Problem(geometry, a, b, relative * geometry.mean_cost(a, b))


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("relative", [1e-1, 1e-2, 1e-3])
@pytest.mark.parametrize(("n", "m", "d"), [(1, 7, 2), (9, 1, 2), (2, 2, 1), (60, 45, 2), (64, 64, 16)])
def test_a_start_is_the_solution(n, m, d, relative, tol):
    problem = problem_of(n, m, d, relative, batch=3)
    start = start_of(problem, 0.25 * problem.epsilon / relative, Limits(tol, 10**4))
    _, error = problem.measured(start.f, start.g)
    # Rounding in float32 shows below 1e-6: from there the solver goes on in float64.
    assert error.max() <= max(tol, 1e-5)
    assert start.passes.max() <= 5000


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-8])
@pytest.mark.parametrize("relative", [1e-1, 1e-3])
def test_a_start_against_itself_is_the_solution(relative, tol):
    problem = problem_of(50, 50, 3, relative, batch=2)
    own = Problem(
        CompiledGeometry(problem.geometry.x, problem.geometry.x, Euclidean(2.0)),
        problem.a,
        problem.a,
        problem.epsilon,
        symmetric=True,
    )
    start = start_of_self(own, Limits(tol, 1000))
    assert start.f is start.g
    assert own.measured(start.f, start.g)[1].max() <= tol


def test_problems_of_a_batch_are_those_alone_and_padding_takes_no_part():
    rng = np.random.default_rng(0)
    sizes = [(3, 50), (40, 4), (1, 1), (30, 30)]
    x, y = ([rng.normal(size=(s[k], 2)) for s in sizes] for k in (0, 1))
    options = {"epsilon": 0.05, "tol": 1e-10}
    batch = otgan.transport(x, y, **options)
    for k in range(4):
        alone = otgan.transport(x[k], y[k], **options)
        assert batch.value[k] == pytest.approx(alone.value, rel=1e-9)


@pytest.mark.parametrize("order", [1, -1])
def test_weights_over_twelve_orders_and_duplicated_points(order):
    x, y = np.repeat(cloud(20, 2), 2, axis=0), np.repeat(cloud(25, 2, seed=1), 2, axis=0)
    a, b = np.geomspace(1e-12, 1, 40)[::order], np.geomspace(1, 1e-12, 50)
    ours, theirs = (
        otgan.transport(x, y, a, b, epsilon=0.02, tol=1e-9, backend=backend)
        for backend in ("compiled", "dense")
    )
    assert ours.value == pytest.approx(theirs.value, rel=1e-8)
    assert ours.lower <= theirs.upper
    assert theirs.lower <= ours.upper


def test_hopeless_problems_are_left_to_the_solver():
    problem = problem_of(20, 20, 2, 1e-6)
    start = start_of(problem, 0.25e6 * problem.epsilon, Limits(1e-12, 100))
    assert start.passes.max() <= 60
    assert start_of(problem, problem.epsilon, Limits(1e-6, 10)) is None
    t = otgan.transport(cloud(20, 2), cloud(20, 2, seed=1), epsilon=1e-7, max_iter=100, on_failure="ignore")
    assert t.iterations <= 120


def test_no_start_outlasts_the_deadline():
    problem = problem_of(20, 20, 2, 0.1, batch=4)
    start = start_of(problem, problem.epsilon, Limits(1e-6, 1000, Deadline.after(0)))
    assert start.passes.tolist() == [0, 0, 0, 0]


def test_large_problems_and_large_costs_are_not_started_whole(monkeypatch):
    problem = problem_of(20, 20, 2, 0.1)
    assert starter.suits(problem)
    assert not starter.suits(problem.at(1e-9 * problem.epsilon))
    monkeypatch.setattr(starter, "_LARGEST", 399)
    assert start_of(problem, problem.epsilon, Limits(1e-6, 1000)) is None
    own = Problem(problem.geometry, problem.a, problem.a, problem.epsilon, symmetric=True)
    assert start_of_self(own, Limits(1e-6, 1000)) is None


@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(1, 3),
    st.sampled_from([1e-4, 1e-3, 0.03, 0.3, 3.0, 100.0]),
    st.sampled_from([1e-3, 1e-6, 1e-9]),
    st.sampled_from([1.0, 1.5, 2.0, 3.0]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60, deadline=None)
def test_nasty_problems_have_no_quiet_failure(n, m, d, relative, tol, p, random):
    rng = np.random.default_rng(random.getrandbits(32))
    kinds = [
        lambda k: rng.normal(size=(k, d)),
        lambda k: rng.integers(0, 3, (k, d)).astype(float),
        lambda k: np.repeat(rng.normal(size=(1, d)), k, 0),
        lambda k: rng.normal(size=(k, d)) * 10.0 ** rng.integers(-6, 6, (k, 1)),
    ]
    x, y = kinds[rng.integers(4)](n), kinds[rng.integers(4)](m)
    a, b = (10.0 ** rng.uniform(-12, 0, k) for k in (n, m))
    largest = float(((np.abs(x[:, None] - y)).sum(-1) ** p).max()) or 1.0
    options = {"epsilon": relative * largest, "tol": tol, "p": p, "on_failure": "ignore"}
    ours = otgan.transport(x, y, a, b, backend="compiled", **options)
    theirs = otgan.transport(x, y, a, b, backend="dense", **options)
    assert math.isfinite(ours.value)
    assert ours.lower <= theirs.upper * (1 + 1e-12) + 1e-300
    assert theirs.lower <= ours.upper * (1 + 1e-12) + 1e-300
    if ours.converged and theirs.converged:
        assert abs(ours.value - theirs.value) <= 4 * tol * largest + 1e-12 * abs(theirs.value)
    else:
        assert not ours.converged or ours.marginal_error <= tol


def test_simplex_weights_and_single_precision_reach_the_same_value():
    x, y = cloud(50, 3).astype(np.float32), cloud(40, 3, seed=1).astype(np.float32)
    a, b = simplex_weights(50).astype(np.float32), simplex_weights(40, seed=1).astype(np.float32)
    for debias, backend in itertools.product((False, True), ("compiled", "dense")):
        function = otgan.sinkhorn_divergence if debias else otgan.sinkhorn
        value = function(x, y, a, b, epsilon=0.1, tol=1e-6, backend=backend)
        expected = function(
            *(v.astype(np.float64) for v in (x, y, a, b)), epsilon=0.1, tol=1e-9, backend="dense"
        )
        assert value == pytest.approx(expected, rel=1e-5)
