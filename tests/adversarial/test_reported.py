"""What an attack on the library found wrong, each finding as its own test: never again."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

import otgan
from otgan.entropic import compaction
from tests.adversarial.guard import limit

FAR = [8.0, 10.0, 1e3, 1e6, 1e10, 1e17, 1e80, 1e200, 1e300, -1e300]
"""Where a point without weight may lie."""


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with limit(60):
        yield


def assignment(x: Any, y: Any, p: int) -> Fraction:
    """Exact cost of the best assignment of few points on the line, or of any dimension for p = 2, in rationals."""
    x, y = (np.asarray(v, dtype=float).reshape(len(v), -1).tolist() for v in (x, y))
    assert p == 2 or len(x[0]) == 1

    def cost(i: int, j: int) -> Fraction:
        if p == 2:
            return sum((Fraction(s) - Fraction(t)) ** 2 for s, t in zip(x[i], y[j], strict=True))
        return abs(Fraction(x[i][0]) - Fraction(y[j][0])) ** p

    n = len(x)
    return min(
        sum((cost(i, s[i]) for i in range(n)), Fraction(0)) for s in itertools.permutations(range(n))
    ) / Fraction(n)


def quiet(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call without the warning that a solve did not converge, which is one of the honest ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", otgan.ConvergenceWarning)
        return function(*args, **options)


def encloses(t: otgan.Transport, exact: Fraction) -> bool:
    """Whether the certified interval holds the exact cost, compared as rationals, without any tolerance."""
    return Fraction(float(t.lower)) <= exact <= Fraction(float(t.upper))


# 1. Points of weight 0.


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("backend", ["dense", "streamed"])
@pytest.mark.parametrize("reach", [None, 2.0])
@pytest.mark.parametrize("function", [otgan.sinkhorn, otgan.sinkhorn_divergence])
def test_a_masked_point_is_left_out(function: Any, reach: float | None, backend: str, far: float) -> None:
    options = {"epsilon": 0.1, "reach": reach, "backend": backend}
    masked = function([0.0, 1.0], [0.0, 1.5, far], [1.0, 1.0], [1.0, 1.0, 0.0], **options)
    assert masked == pytest.approx(
        function([0.0, 1.0], [0.0, 1.5], [1.0, 1.0], [1.0, 1.0], **options), rel=1e-12
    )
    masked = function([far, 0.0, 1.0], [0.0, 1.5], [0.0, 1.0, 1.0], [1.0, 1.0], **options)
    assert masked == pytest.approx(
        function([0.0, 1.0], [0.0, 1.5], [1.0, 1.0], [1.0, 1.0], **options), rel=1e-12
    )


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("backend", ["auto", "simplex", "line"])
def test_a_masked_point_is_left_out_of_exact_problems(backend: str, p: float, far: float) -> None:
    x, y = [0.0, 1.0, 0.3], [0.1, 1.5, 7.0]
    masked = otgan.transport(
        [*x, far], [far, *y], [0.2, 0.5, 0.3, 0.0], [0.0, 0.25, 0.5, 0.25], p=p, backend=backend
    )
    alone = otgan.transport(x, y, [0.2, 0.5, 0.3], [0.25, 0.5, 0.25], p=p, backend=backend)
    assert masked.value == pytest.approx(alone.value, rel=1e-12)
    assert masked.lower == pytest.approx(alone.lower, rel=1e-12)
    np.testing.assert_allclose(masked.f[:3], alone.f, rtol=1e-12, atol=1e-12)
    assert not np.isnan([*masked.f, *masked.g]).any()
    assert otgan.emd(
        [*x, far], [far, *y], [0.2, 0.5, 0.3, 0.0], [0.0, 0.25, 0.5, 0.25], p=p
    ) == pytest.approx(alone.distance, rel=1e-12)


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("backend", ["dense", "streamed"])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_a_masked_point_leaves_potentials_and_bounds(p: float, backend: str, far: float) -> None:
    options = {"p": p, "epsilon": 0.1, "backend": backend, "tol": 1e-9}
    masked = otgan.transport([0.0, 1.0], [0.0, 1.5, far], b=[1.0, 1.0, 0.0], **options)
    alone = otgan.transport([0.0, 1.0], [0.0, 1.5], **options)
    for name in ("value", "value_linear", "distance", "lower", "upper"):
        assert getattr(masked, name) == pytest.approx(getattr(alone, name), rel=1e-12)
    np.testing.assert_allclose(masked.f, alone.f, rtol=1e-12)
    np.testing.assert_allclose(masked.g[:2], alone.g, rtol=1e-12)
    # What float64 cannot hold there is −inf, and no NaN anywhere.
    assert np.isfinite(masked.g[2]) or masked.g[2] == -math.inf
    assert masked.converged
    np.testing.assert_allclose(masked.plan[:, :2], alone.plan, rtol=1e-12)
    np.testing.assert_array_equal(masked.plan[:, 2], 0.0)
    assert not np.isnan(masked.barycentric_map()).any()


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("debias", [True, False])
@pytest.mark.parametrize("reach", [None, 2.0])
def test_the_loss_of_masked_sets_and_its_gradients(reach: float | None, debias: bool, far: float) -> None:
    loss = otgan.SinkhornLoss(epsilon=0.1, debias=debias, reach=reach, tol=1e-10)

    def gradients(x: list[float], y: list[float], a: list[float], b: list[float]) -> list[torch.Tensor]:
        leaves = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (x, y)]
        weights = [torch.tensor(v, dtype=torch.float64) for v in (a, b)]
        value = loss(*leaves, a=weights[0], b=weights[1])
        return [value.detach(), *torch.autograd.grad(value, leaves)]

    alone = gradients([0.0, 1.0], [0.0, 1.5], [1.0, 1.0], [1.0, 1.0])
    masked = gradients([0.0, far, 1.0], [0.0, 1.5, far], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0])
    torch.testing.assert_close(masked[0], alone[0], rtol=1e-12, atol=0)
    torch.testing.assert_close(masked[1][[0, 2]], alone[1], rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(masked[2][:2], alone[2], rtol=1e-12, atol=1e-13)
    # A point without weight has no say: its gradient is 0.
    assert masked[1][1] == 0
    assert masked[2][2] == 0


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("name", ["kl", "js", "tv"])
def test_a_masked_point_is_left_out_of_divergences(name: str, far: float) -> None:
    function = getattr(otgan, name)
    x, y, a, b = [0.0, 1.0, 2.0], [0.0, 1.0, 2.0], [1.0, 2.0, 3.0], [3.0, 1.0, 1.0]
    for options in ({}, {"estimator": "histogram", "bin_width": 0.5}):
        masked = function([*x, far], [far, *y], [*a, 0.0], [0.0, *b], **options)
        assert masked == pytest.approx(function(x, y, a, b, **options), rel=1e-12)


# 2. Points far away.


@pytest.mark.parametrize("far", [1e3, 1e5, 1e6, 1e8, 1e10, 1e14, 1e18])
@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("backend", ["dense", "streamed"])
def test_certified_bounds_with_a_far_point(backend: str, p: int, far: float) -> None:
    x, y = [0.0, 1.0, far], [0.5, 2.0, far]
    exact = assignment(x, y, p)
    t = quiet(otgan.transport, x, y, p=p, epsilon=0.01, backend=backend)
    assert encloses(t, exact)
    if t.converged:  # the smoothing of three points costs at most ε log 3
        assert exact - Fraction(1, 10**4) <= Fraction(t.value) <= exact + Fraction(0.01 * math.log(3) + 1e-9)
    else:
        assert t.status in {otgan.Status.UNCERTIFIED, otgan.Status.MAX_ITER}


def test_the_far_point_of_the_report() -> None:
    t = quiet(otgan.transport, [0.0, 1.0, 1e10], [0.5, 2.0, 1e10], epsilon=0.01)
    assert encloses(t, Fraction(5, 12))
    if t.converged:
        assert t.value == pytest.approx(5 / 12, abs=0.011)


@pytest.mark.parametrize("far", [1e6, 1e10, 1e14, 1e18])
@pytest.mark.parametrize("backend", ["dense", "streamed"])
@pytest.mark.parametrize("p", [1.5, 2.5])
def test_certified_bounds_with_a_far_point_at_broken_powers(p: float, backend: str, far: float) -> None:
    t = quiet(otgan.transport, [0.0, 1.0, far], [0.5, 2.0, far], p=p, epsilon=0.01, backend=backend)
    exact = (0.5**p + 1) / 3
    assert t.lower <= exact * (1 + 1e-15)
    assert t.upper >= exact * (1 - 1e-15)
    if t.converged:
        assert t.value == pytest.approx(exact, abs=0.011)


@pytest.mark.parametrize("far", [1e6, 1e10, 1e18])
@pytest.mark.parametrize("backend", ["dense", "streamed"])
def test_certified_bounds_with_a_far_point_without_weight(backend: str, far: float) -> None:
    t = quiet(
        otgan.transport,
        [0.0, 1.0, far],
        [0.5, 2.0, -far],
        [1.0, 1.0, 0.0],
        [1.0, 1.0, 0.0],
        epsilon=0.01,
        backend=backend,
    )
    assert encloses(t, Fraction(5, 8))
    assert t.converged
    assert t.value == pytest.approx(5 / 8, abs=0.011)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("far", [1e8, 1e12, 3e18])
@pytest.mark.parametrize("d", [2, 4, 5, 17])
def test_exact_distances_beside_a_far_point(d: int, far: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((4, d)), rng.standard_normal((4, d))
    x[3] = y[3] = far
    orders = itertools.permutations(range(3))
    exact = min(np.linalg.norm(x[:3] - y[list(order)], axis=1).sum() for order in orders) / 4
    assert otgan.emd(x, y) == pytest.approx(exact, rel=1e-12)
    # The same with weights, by another solver.
    assert otgan.emd(x, y, np.ones(4), np.ones(4)) == pytest.approx(exact, rel=1e-12)
    square = assignment(x, y, 2)
    assert otgan.emd(x, y, p=2) == pytest.approx(math.sqrt(square), rel=1e-12)
    t = quiet(otgan.transport, x, y, p=2, epsilon=0.01)
    assert encloses(t, square)


# 3. Costs beyond the range: an answer or an OverflowError, and no endless loop.

CALLS: list[tuple[Any, dict[str, Any]]] = [
    (otgan.sinkhorn, {}),
    (otgan.sinkhorn, {"p": 3}),
    (otgan.sinkhorn, {"p": 1}),
    (otgan.sinkhorn, {"reach": 1.0}),
    (otgan.sinkhorn, {"epsilon": 1.0}),
    (otgan.sinkhorn, {"epsilon": 1.0, "reach": 1.0}),
    (otgan.sinkhorn_divergence, {}),
    (otgan.sinkhorn_divergence, {"reach": 1.0}),
    (otgan.sinkhorn_divergence, {"p": 1}),
]


@pytest.mark.parametrize(("function", "options"), CALLS)
@pytest.mark.parametrize("size", [1e100, 1e104, 1e140, 1e155, 1e200, 1e300])
@pytest.mark.parametrize("backend", ["dense", "streamed"])
def test_large_points_end_in_a_number_or_an_overflow_error(
    backend: str, size: float, function: Any, options: dict[str, Any]
) -> None:
    value = None
    with limit(30), contextlib.suppress(OverflowError):
        value = quiet(function, [0.0, size], [1.0, 2 * size], max_iter=5, backend=backend, **options)
    if value is None:  # the value, ½ size^p, would leave the range; with an ε or ρ of order one, its terms do
        assert options.get("p", 2) * math.log10(size) > 290 or "epsilon" in options or "reach" in options
    else:
        assert math.isfinite(value)


def test_the_endless_call_of_the_report() -> None:
    with limit(30), pytest.raises(OverflowError):
        otgan.sinkhorn([0.0, 1e155], [1.0, 2e155], max_iter=5)


@pytest.mark.parametrize("function", [otgan.sinkhorn, otgan.sinkhorn_divergence])
@pytest.mark.parametrize(("p", "power"), [(1, 900), (1, -900), (2, 450), (2, -450), (3, 300), (3, -300)])
def test_values_scale_over_the_whole_range(p: float, power: int, function: Any) -> None:
    x, y = np.array([0.0, 1.0, 3.0]), np.array([0.25, 2.0])
    unit = 2.0**power
    with limit(30):
        scaled = function(unit * x, unit * y, p=p)
    assert scaled == pytest.approx(math.ldexp(function(x, y, p=p), int(p * power)), rel=1e-12)


def test_time_is_bounded() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((400, 2)), rng.standard_normal((400, 2)) + 3
    exact = otgan.transport(x, y).value
    with limit(60):
        t = otgan.transport(
            x, y, epsilon=1e-6, tol=1e-14, max_iter=10**9, time_limit=0.2, on_failure="ignore"
        )
    assert t.status in {otgan.Status.TIME_LIMIT, otgan.Status.CONVERGED, otgan.Status.UNCERTIFIED}
    assert t.lower <= exact <= t.upper
    with limit(60), pytest.warns(otgan.ConvergenceWarning):
        otgan.sinkhorn(x, y, epsilon=1e-6, tol=1e-14, max_iter=10**9, time_limit=1e-9)


# 4. Second derivatives of sharp problems.


def test_second_order_of_a_nearly_block_diagonal_plan() -> None:
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64, requires_grad=True)
    y = (x + 0.1).detach()
    value = otgan.sinkhorn(x, y, epsilon=0.01, tol=1e-12)
    (gradient,) = torch.autograd.grad(value, x, create_graph=True)
    rows = [torch.autograd.grad(entry, x, retain_graph=True)[0].flatten() for entry in gradient.flatten()]
    # The plan is a permutation up to exp(−80): each point pulls with (2/3) (x − y), the Hessian of which is (2/3) I.
    torch.testing.assert_close(
        torch.stack(rows), 2 / 3 * torch.eye(6, dtype=torch.float64), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("seed", range(40))
def test_second_order_of_small_sharp_problems(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 6)), int(rng.integers(1, 4))
    relative = 10.0 ** rng.uniform(-3, 0)
    start, y = rng.standard_normal((n, d)), torch.from_numpy(rng.standard_normal((n, d)))
    epsilon = relative * float(np.square(start[:, None] - y.numpy()).sum(-1).mean())
    direction = torch.from_numpy(rng.standard_normal((n, d)))

    def gradient(points: torch.Tensor, create_graph: bool = False) -> torch.Tensor:
        value = otgan.sinkhorn(points, y, epsilon=epsilon, tol=1e-12, max_iter=50_000, on_failure="ignore")
        return torch.autograd.grad(value, points, create_graph=create_graph)[0]

    x = torch.from_numpy(start).requires_grad_()
    (along,) = torch.autograd.grad((gradient(x, create_graph=True) * direction).sum(), x)
    step = 1e-5 * relative
    ends = [gradient((x.detach() + s * step * direction).requires_grad_()) for s in (-2, -1, 1, 2)]
    expected = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * step)
    torch.testing.assert_close(along, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()) + 1e-6)


# 5. float32.


def test_a_value_beyond_float32_is_refused() -> None:
    with pytest.raises(OverflowError):
        otgan.transport(torch.tensor([[0.0]]), torch.tensor([[1e20]]), epsilon=1.0)
    with pytest.raises(OverflowError):
        otgan.sinkhorn(torch.tensor([[0.0]]), torch.tensor([[1e20]]), epsilon=1.0)
    with pytest.raises(OverflowError):
        otgan.transport(torch.tensor([[0.0]]), torch.tensor([[1e20]]))


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("epsilon", [None, 0.1, 0.01])
def test_bounds_are_rounded_outward_in_float32(epsilon: float | None, p: int) -> None:
    rng = np.random.default_rng(p)
    for _ in range(20):
        n = int(rng.integers(1, 6))
        x, y = (torch.from_numpy(rng.standard_normal(n).astype(np.float32)) for _ in range(2))
        exact = assignment(x.tolist(), y.tolist(), p)
        t = quiet(otgan.transport, x, y, p=p, epsilon=epsilon)
        assert t.lower.dtype == t.upper.dtype == torch.float32
        assert encloses(t, exact)


# 10. Weights of the regularizer at the ends of the range.


@pytest.mark.parametrize("epsilon", [1e3, 1e6, 1e12, 1e18, 1e30, 1e100, 1e300])
@pytest.mark.parametrize("backend", ["dense", "streamed"])
def test_a_large_epsilon_keeps_the_value(backend: str, epsilon: float) -> None:
    # ε → ∞: the plan is the product, and the value its cost, 3.5, less a variance over ε.
    value = otgan.sinkhorn([0.0, 1.0], [1.0, 3.0], epsilon=epsilon, backend=backend)
    assert 3.5 - 10 / epsilon - 1e-12 <= value <= 3.5 + 1e-12
    t = otgan.transport([0.0, 1.0], [1.0, 3.0], epsilon=epsilon, backend=backend)
    assert t.converged
    assert t.lower <= 2.5 <= t.upper
    # The divergence tends to the squared distance of the means: (2 − 0.5)² = 2.25.
    divergence = otgan.sinkhorn_divergence([0.0, 1.0], [1.0, 3.0], epsilon=epsilon, backend=backend)
    assert divergence == pytest.approx(2.25, abs=20 / epsilon + 1e-12)


@pytest.mark.parametrize("epsilon", [1e20, 1e22, 1e24, 1e26, 1e28])
@pytest.mark.parametrize("seed", range(5))
def test_divergences_of_large_costs_are_not_negative(seed: int, epsilon: float) -> None:
    x = 1e12 * np.random.default_rng(seed).standard_normal((6, 2))
    for y in (x, x[::-1], x * (1 + 1e-14), x + 1.0, x + 1e6):
        value = quiet(otgan.sinkhorn_divergence, x, y, epsilon=epsilon, tol=1e-9)
        # Exactly: at least 0, and at most the largest cost of moving a point to its copy.
        assert value >= 0
        moved = np.square(np.sort(x, 0) - np.sort(y, 0)).sum(1).max()
        assert value <= moved + 1e-12 * np.square(x).sum()


@pytest.mark.parametrize("function", [otgan.sinkhorn, otgan.sinkhorn_divergence, otgan.transport])
@pytest.mark.parametrize("p", [2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"blur": 1e200},
        {"blur": 1e-200},
        {"blur": 1.0, "reach": 1e200},
        {"blur": 1.0, "reach": 1e-200},
    ],
)
def test_lengths_whose_powers_leave_the_range_are_refused(options: Any, p: int, function: Any) -> None:
    with limit(30), pytest.raises((OverflowError, ValueError), match=max(options, key=list(options).index)):
        function([0.0, 1.0], [1.0, 3.0], p=p, **options)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("near", [0.0, 1.0])
def test_a_masked_point_beyond_the_range_poisons_no_gradient(dtype: torch.dtype, near: float) -> None:
    far = 8e37 if dtype == torch.float32 else 1e299
    x = torch.tensor([[0.0], [far]], dtype=dtype, requires_grad=True)
    a = torch.tensor([1.0, 0.0], dtype=dtype, requires_grad=True)
    # At distance 0 the root has slope 0, which must not meet an infinite slope of the far point.
    otgan.emd(x, torch.tensor([[near]], dtype=dtype), a, p=3).backward()
    assert x.grad.tolist() == [[-near], [0.0]]
    assert a.grad[0] == 0
    assert not torch.isnan(a.grad).any()


# What a review of the mends found.


def test_mass_that_rounding_hides_is_charged() -> None:
    # The far point's mass differs by 1e-17, which only tol hides: the interval must not.
    n, rng = 1100, np.random.default_rng(0)
    x, y = np.append(rng.normal(size=n), 1e10), np.append(rng.normal(size=n) + 0.5, 1e10)
    a = np.full(n + 1, 1e-20)
    a[0] = 1
    b = a.copy()
    a[n], b[n] = 1e-11, 1e-11 * (1 - 1e-6)
    exact = otgan.transport(x, y, a, b)
    smooth = quiet(otgan.transport, x, y, a, b, epsilon=0.5)
    assert exact.value > 1000
    assert smooth.lower <= exact.value <= smooth.upper


@pytest.mark.parametrize(
    ("x", "y", "p", "exact"),
    [
        ([0.0, 1e-20, 1e150], [1e-20, 2e-20, 1e150], 2, Fraction(1e-20) ** 2 * 2 / 3),
        ([0.0, 1e-3, 1e101], [1e-3, 2e-3, 1e101], 3, Fraction(1e-3) ** 3 * 2 / 3),
        ([[0.0, 0.0], [1.0, 0.0]], [[0.0, 1e-170], [1.0, 0.0]], 1, Fraction(1e-170) / 2),
        ([[0.0, 0.0], [1.0, 0.0], [1e200, 0.0]], [[0.5, 0.0], [2.0, 0.0], [1e200, 0.0]], 1, Fraction(1, 2)),
    ],
)
def test_differences_that_vanish_beside_larger_ones_are_not_called_nothing(
    x: Any, y: Any, p: int, exact: Fraction
) -> None:
    t = quiet(otgan.transport, x, y, p=p)
    assert t.status is otgan.Status.UNCERTIFIED
    assert Fraction(t.lower) <= exact <= Fraction(t.upper)
    with pytest.raises(OverflowError, match="vanish"):
        otgan.emd(x, y, p=p)


def test_float32_keeps_small_coordinates_beside_large_ones() -> None:
    x, y = torch.tensor([[0.0], [1e-8], [1e38]]), torch.tensor([[5e-9], [2e-8], [1e38]])
    assert otgan.emd(x, y).item() == pytest.approx(5e-9, rel=1e-6)


def test_masks_meet_no_infinity() -> None:
    logits = torch.ones(3, requires_grad=True)
    weights = logits.exp() * torch.tensor([1.0, 1.0, 0.0])
    x, y = torch.tensor([[0.0], [1.0], [1e20]]), torch.tensor([[0.0], [1.5]])
    otgan.sinkhorn(x, y, weights, epsilon=0.1).backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[2] == 0


@pytest.mark.parametrize("far", [1e3, 1e18, 1e20])
def test_far_mass_that_need_not_move_has_a_finite_price(far: float) -> None:
    weights = torch.tensor([0.5, 0.5, 0.0], requires_grad=True)
    x, y = torch.tensor([[0.0], [1.0], [far]]), torch.tensor([[0.0], [1.5]])
    otgan.sinkhorn(x, y, weights, reach=1.0, epsilon=0.1).backward()
    assert weights.grad[2].item() == pytest.approx(
        2.1, rel=1e-5
    )  # ρ for its own mass, and ε for that of the other side


def test_second_derivatives_of_masks_are_refused_where_they_are_asked_for() -> None:
    x = torch.tensor([[0.0], [0.3], [2.0]], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([[0.2], [1.5]], dtype=torch.float64)
    a = torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64, requires_grad=True)
    first = torch.autograd.grad(otgan.sinkhorn(x, y, a, epsilon=0.5), (x, a), create_graph=True)
    inner = torch.autograd.grad(first[0][0].sum(), x, retain_graph=True)[0]
    assert torch.isfinite(inner).all()
    with pytest.raises(RuntimeError, match="differentiable once"):
        torch.autograd.grad(first[1][2], x, retain_graph=True)


@pytest.mark.parametrize("epsilon", [1e3, 1e6, 1e12])
def test_divergences_of_nearly_equal_sets_in_a_batch(epsilon: float) -> None:
    x = np.random.default_rng(0).normal(size=(60, 9, 2))
    assert otgan.sinkhorn_divergence(x, x * (1 + 1e-15), epsilon=epsilon).max() <= 1e-14


@pytest.mark.parametrize("seconds", [1e-9, 1e-3, 1e-2])
def test_unbalanced_problems_out_of_time_have_numbers(seconds: float) -> None:
    x = np.random.default_rng(0).normal(size=(60, 2))
    t = quiet(otgan.transport, x, x + 1, epsilon=1e-3, reach=1.0, time_limit=seconds)
    assert math.isfinite(t.value)
    assert t.status in {otgan.Status.TIME_LIMIT, otgan.Status.CONVERGED}


@pytest.mark.parametrize("backend", ["auto", "dense"])
def test_a_detached_result_holds_no_graph(backend: str) -> None:
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    t = otgan.transport(2 * x, torch.zeros(3, 2), epsilon=0.5, backend=backend).detach()
    points = t._coupling.form.x.whole.points
    assert isinstance(points, np.ndarray) if backend == "auto" else not points.requires_grad


# What the campaign of an hour found.


@pytest.mark.parametrize("backend", ["dense", "streamed"])
def test_masks_change_potentials_no_more_than_values(backend: str) -> None:
    # A mask that changed the last bit of the others' weights cost a solve another step here and there, and gave
    # potentials that differ by what tol allows.
    for seed in range(20):
        rng = np.random.default_rng(seed)
        n, m = (int(k) for k in rng.integers(5, 15, 2))
        x, y, a = rng.standard_normal((n, 2)), rng.standard_normal((m, 2)), rng.uniform(0.1, 1, n)
        at = int(rng.integers(0, n + 1))
        options = {"p": 1.5, "epsilon": 2e-3, "backend": backend}
        alone = otgan.transport(x, y, a, **options)
        masked = otgan.transport(np.insert(x, at, 1e200, axis=0), y, np.insert(a, at, 0.0), **options)
        assert masked.iterations == alone.iterations
        np.testing.assert_allclose(
            np.delete(masked.f, at), alone.f, rtol=0, atol=1e-12 * np.abs(alone.f).max()
        )
        np.testing.assert_allclose(masked.g, alone.g, rtol=0, atol=1e-12 * np.abs(alone.g).max())


def no_nan(t: otgan.Transport) -> bool:
    """Whether all that a solution says is finite."""
    names = ("value", "value_linear", "distance", "lower", "upper", "marginal_error", "f", "g", "plan")
    return all(np.isfinite(np.asarray(getattr(t, name))).all() for name in names)


@pytest.mark.parametrize("backend", ["dense", "streamed"])
def test_an_epsilon_below_the_rounding_of_potentials(backend: str) -> None:
    near = [0.1697093927138698, -0.14750638278763795, -0.08882072003619446]
    x = [near[k] for k in (0, 1, 0, 0, 2, 2)]
    y = [0.000989699854294276, -0.0014631740894847755, 1000000.0009525042, 2000000.000532393]
    b = [8.291231298049689e-07, 0.567606219156082, 4.149469806775777e-15, 5.138912438236526e-10]
    options = {"p": 1.5, "blur": 1.4481671999862728e-08, "backend": backend, "max_iter": 300}
    t = quiet(otgan.transport, x, y, None, b, **options)
    assert no_nan(t)
    # Below the rounding of costs of 1e9 no plan can be told from another.
    assert not t.converged
    assert (t.plan >= 0).all()
    assert t.value <= t.upper
    assert t.lower <= t.upper <= t.lower * (1 + 1e-12)


@pytest.mark.filterwarnings("ignore:the Sinkhorn divergence is negative")  # as it may be at p = 3
@pytest.mark.parametrize("backend", ["compiled", "dense", "streamed"])
@pytest.mark.parametrize("reach", [None, 1e-3, 1e3])
@pytest.mark.parametrize("relative", [1e-16, 1e-25, 1e-100])
def test_no_nan_at_epsilons_that_float64_cannot_tell_from_0(
    relative: float, reach: float | None, backend: str
) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        p = float(rng.choice([1, 1.5, 2, 3]))
        n, m = (int(k) for k in rng.integers(1, 6, 2))
        x, y = rng.standard_normal((n, 2)), rng.standard_normal((m, 2))
        x[0] *= 10.0 ** rng.integers(0, 9)
        y[0] *= 10.0 ** rng.integers(0, 9)
        a, b = 10.0 ** rng.uniform(-12, 0, n), 10.0 ** rng.uniform(-12, 0, m)
        epsilon = relative * float((np.linalg.norm(x[:, None] - y, axis=2) ** p).mean())
        options = {"p": p, "epsilon": epsilon, "reach": reach, "backend": backend, "max_iter": 20}
        leaves = [torch.tensor(v, requires_grad=True) for v in (x, y, a, b)]
        try:
            t = quiet(otgan.transport, *leaves, **options)
        except OverflowError:  # ε or ρ below 1e-150 of the costs
            continue
        assert no_nan(t.detach())
        assert t.value.item() <= t.upper.item() * (1 + 1e-9) or reach is not None
        assert all(torch.isfinite(g).all() for g in torch.autograd.grad(t.value, leaves))
        value = quiet(otgan.sinkhorn_divergence, x, y, a, b, **options)
        assert math.isfinite(value)
        assert value >= 0 or p > 2 or reach is not None


@pytest.mark.parametrize("apart", [1e-4, 1e-8, 1e-12, 1e-15, 2.0**-52])
@pytest.mark.parametrize("p", [1, 1.3, 1.5, 2, 3])
@pytest.mark.parametrize("case", ["few", "many", "beside an outlier", "few of many"])
@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_between_points_that_nearly_coincide(
    create_graph: bool, case: str, p: float, apart: float
) -> None:
    rng = np.random.default_rng(int(10 * p))
    n = 40 if case == "few of many" else 5
    x = np.full((n, 3), 1.0) if case == "many" else rng.standard_normal((n, 3))
    y = x + apart * rng.integers(1, 9, x.shape)
    if case == "few of many":
        y[3:] = rng.standard_normal((n - 3, 3))
    if case == "beside an outlier":
        x[0], y[0] = 1e4, 1e4 + 1
    leaves = [torch.tensor(v, requires_grad=True) for v in (x, y)]
    t = otgan.transport(*leaves, p=p, epsilon=0.3, tol=1e-9)
    gradients = torch.autograd.grad(t.value, leaves, create_graph=create_graph)
    # Σⱼ Pᵢⱼ p r^(p−2) (xᵢ − yⱼ), in long double.
    difference = (x.astype(np.longdouble)[:, None] - y)[..., None]
    r = np.sqrt(np.square(difference).sum(2))
    shares = p * r ** (p - 2) * t.detach().plan.numpy()[..., None]
    pull = (shares[:, :, None] * difference)[..., 0]
    size = float((shares * r).sum())  # what the lengths of all forces sum to
    for found, expected in zip(gradients, (pull.sum(1), -pull.sum(0)), strict=True):
        rounding = 1e-13 * (size if p < 2 else np.abs(x).max() ** (p - 1))
        np.testing.assert_allclose(found.detach().numpy(), expected.astype(float), rtol=0, atol=rounding)


@pytest.mark.parametrize("n", [1, 3, 6, 7, 49])
def test_unbalanced_problems_of_one_place_are_known(n: int) -> None:
    # Masses A and B at one place: ρ log t/A + ρ log t/B + ε log t/AB = 0. Weights 1/n do not sum to 1 exactly, and the
    # optimum is as much above 0 as the square of what is missing.
    p, epsilon, reach = 1.5, 0.008343900770243102, 0.014397600054123692
    value = otgan.sinkhorn(np.zeros((1, 2)), np.zeros((n, 2)), p=p, epsilon=epsilon, reach=reach)
    assert abs(value) <= (p * reach**p + epsilon) * (n + 16) ** 2 * 2.0**-106
    A, B, rho = 0.7, 1.9, p * reach**p
    value = otgan.sinkhorn(
        np.zeros((1, 2)),
        np.zeros((n, 2)),
        [A],
        np.full(n, B / n),
        p=p,
        epsilon=epsilon,
        reach=reach,
        tol=1e-12,
    )
    t = math.exp((rho * math.log(A * B) + epsilon * math.log(A * B)) / (2 * rho + epsilon))
    expected = sum(w * (t * math.log(t / m) - t + m) for w, m in ((rho, A), (rho, B), (epsilon, A * B)))
    assert value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("max_iter", [3, 100, 10**9])
def test_an_error_that_rounding_never_lets_go_ends_the_solve(
    monkeypatch: pytest.MonkeyPatch, max_iter: int
) -> None:
    # In a batch with ε of 1e-12 beside far points, what was iterated had no error and the potentials as float64 holds
    # them always had: goal after goal was reached, each a quarter of the one before, without end.
    def never(left: Any, problem: Any, index: torch.Tensor) -> None:
        left.error[index] = 0.5

    monkeypatch.setattr(compaction._Left, "verify", never)
    monkeypatch.setattr(compaction, "TUNING", dataclasses.replace(compaction.TUNING, legible=math.inf))
    x = np.array([[[0.0], [1.0]], [[0.0], [2.0]]])
    with limit(20, cpu=True):
        t = quiet(otgan.transport, x, x + 0.25, epsilon=0.01, max_iter=max_iter, backend="dense")
    np.testing.assert_array_equal(t.marginal_error, 0.5)
    assert otgan.Status.CONVERGED not in t.status


@pytest.mark.parametrize("backend", ["dense", "streamed"])
def test_the_error_told_is_that_of_the_potentials_returned_however_far_they_are_shifted(backend: str) -> None:
    # Beside a row 13 orders beyond ε the shift that centers potentials rounds exponents: the error before it was told.
    costs = np.array(
        [
            [2.4344759322588865e-151, 5.32254602064308e-153, 4.812011244698654e-151, 1.1629192261250668e-143],
            [8.662917761358217e-152, 7.070194805440875e-153, 1.6536470894282914e-154, 3.387699444726288e-156],
            [4.378301146271062e-153, 1.2331316606229023e-157, 5.254202609696931e-161, 5.018914294457556e-157],
            [
                2.2657733159269733e-143,
                7.782235931913707e-150,
                2.6684478761467673e-146,
                7.267669587356802e-140,
            ],
            [9.447242011223832e-140, 3.896986853947399e-151, 2.8100417867403892e-152, 5.296800443085773e-139],
        ]
    )
    b = np.array(
        [9.853375737589857e-301, 5.844918274526109e-301, 7.4521831429351694e-301, 9.261217565007425e-301]
    )
    options = {"epsilon": 4.016920611869462e-152, "max_iter": 1000, "cost": "precomputed", "backend": backend}
    t = quiet(otgan.transport, costs, None, None, b, **options)
    share = b / b.max() / (b / b.max()).sum()
    wide = [np.asarray(v, dtype=np.longdouble) for v in (t.f, t.g, costs)]
    plan = 0.2 * share * np.exp((wide[0][:, None] + wide[1] - wide[2]) / np.longdouble(t.epsilon))
    error = np.abs(plan.sum(1) - 0.2).sum() + np.abs(plan.sum(0) - share).sum()
    assert t.marginal_error == pytest.approx(float(error), abs=1e-8)


def test_a_distance_beyond_the_range_is_an_error_and_no_infinity():
    x = np.full((2, 17), 4.49e307)
    with pytest.raises(OverflowError, match="beyond the range of float64"):
        otgan.emd(x, -x)
    assert otgan.emd(x[:, :1], 0.5 * x[:, :1]) == pytest.approx(2.245e307)


@pytest.mark.parametrize("epsilon", [None, 1e-44])
def test_regularization_that_single_precision_cannot_hold_is_an_error(epsilon):
    x = torch.tensor([[4.878989e-15], [4.878989e-16]], dtype=torch.float32)
    with pytest.raises(OverflowError, match=r"epsilon.* is less than 1e-38, beyond which float32.*float64"):
        otgan.sinkhorn(x, 3 * x, p=3, epsilon=epsilon)
    t = otgan.transport(x.double(), 3 * x.double(), p=3, epsilon=1e-39 if epsilon is None else epsilon)
    assert t.converged


@pytest.mark.parametrize("backend", ["simplex", "pot"])
def test_bounds_hold_beside_potentials_of_points_that_are_nearly_weightless(backend: str) -> None:
    # The level of the potentials was that of a point of weight 1e-13, and all others lost their digits beside it.
    cost = np.array(
        [
            [4.755642223538619e-10, 1.2510398967116283e-09, 23055.76988027516],
            [0.21091556221283794, 5395710861.790065, 0.011768479692109167],
            [116737584098.94476, 8971271.526125848, 6.771623385666243e-07],
        ]
    )
    a = np.array([0.08153308611514493, 3.800805120953427e-08, 5.598277437505803e-13])
    b = np.array([0.00952510849582274, 8.104499929161516e-08, 1.7446354373929966e-09])
    t = otgan.transport(cost, None, a, b, cost="precomputed", backend=backend)
    best = 6.232300223485488503396547e-8  # by rational arithmetic
    assert t.value == pytest.approx(best, rel=1e-15)
    assert best * (1 - 1e-9) <= t.lower <= best <= t.upper <= best * (1 + 1e-12)


@pytest.mark.parametrize("options", [{"distance": "energy"}, {"distance": "mmd"}])
@pytest.mark.parametrize("biased", [False, True])
def test_splits_of_samples_of_very_different_weights_have_the_distances_of_their_sides(options, biased):
    # The lighter side came from a difference, in which the heavy sample of the other one left nothing of it.
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 2)), rng.normal(size=(7, 2)) + 0.3
    a, b = 10.0 ** -rng.uniform(0, 12, 6), 10.0 ** -rng.uniform(0, 12, 7)
    own = {"bandwidth": 1.0, "biased": biased} if options["distance"] == "mmd" else {}
    test = otgan.two_sample_test(x, y, a, b, permutations=200, seed=0, options=own, **options)
    pooled, weights = np.concatenate([x, y]), np.concatenate([6 * a / a.sum(), 7 * b / b.sum()])
    possible = []
    for chosen in itertools.combinations(range(13), 6):
        first = np.isin(np.arange(13), chosen)
        sides = pooled[first], pooled[~first], weights[first], weights[~first]
        possible.append(getattr(otgan, options["distance"])(*sides, **own))
    apart = np.abs(np.array(possible)[:, None] - np.asarray(test.null)).min(0)
    assert apart.max() <= 1e-9 * max(possible)


def test_second_derivatives_in_weights_of_zero_are_an_error_and_not_those_of_the_others():
    rng = torch.Generator().manual_seed(0)
    x, y = (torch.randn(n, 2, dtype=torch.float64, generator=rng) for n in (4, 3))
    a = torch.tensor([0.5, 0.0, 0.3, 0.2], dtype=torch.float64, requires_grad=True)
    for leaf in (a, x.requires_grad_()):
        (first,) = torch.autograd.grad(
            otgan.sinkhorn(x, y, a, epsilon=0.3, tol=1e-12), leaf, create_graph=True
        )
        with pytest.raises(RuntimeError, match="weights that are 0"):
            torch.autograd.grad(first[0].sum(), a, retain_graph=True)
    # In the points, of which one without weight moves nothing, there are all.
    (second,) = torch.autograd.grad(first.square().sum(), x)
    assert bool(second[0].any())
    assert not bool(second[1].any())


def test_gradients_that_half_precision_cannot_hold_are_an_error_and_no_infinity():
    x = torch.tensor([[40000.0]], dtype=torch.float16, requires_grad=True)
    with pytest.raises(OverflowError, match="beyond the range of float16"):
        otgan.transport(x, -x.detach()).value.backward()
    a = torch.full((2,), 0.5, dtype=torch.float16, requires_grad=True)
    points = torch.tensor([[0.0], [500.0]])
    otgan.sinkhorn(points, points + 400, a, epsilon=1e4).backward()
    assert bool(a.grad.isfinite().all())
    assert float(a.grad.abs().max()) == torch.finfo(torch.float16).max


def test_a_result_in_a_type_that_cannot_hold_it_says_what_it_is():
    x = torch.tensor([[0.0, 1.0], [1e5, 0.0]])
    t = otgan.transport(x, x + 300, epsilon=1e9).to(dtype=torch.float16)
    assert "epsilon=1e+09" in repr(t)
    with pytest.raises(ValueError, match="arcs belongs to exact problems"):
        t.arcs  # noqa: B018
    with pytest.raises(OverflowError, match="float16"):
        t.value  # noqa: B018


@pytest.mark.parametrize("epsilon", [1.0, 3.0])
def test_clusters_that_exchange_no_mass_have_their_value_and_its_gradients_in_points(epsilon):
    # Gradients in weights across them are not determined, which is said in the guarantees.
    x = torch.tensor([[0.0], [10.0]], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([[0.5], [10.2]], dtype=torch.float64)
    t = otgan.transport(x, y, epsilon=epsilon)
    assert t.converged
    t.value.backward()
    # Each to its own: the plan is diagonal to exp(-90 / 3), whose entropy beside the product is log 2.
    assert t.value.item() == pytest.approx(0.5 * (0.25 + 0.04) + epsilon * math.log(2), abs=1e-6)
    assert x.grad[:, 0].tolist() == pytest.approx([-0.5, -0.2], abs=1e-6)
