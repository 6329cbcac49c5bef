"""transport(): one verb over exact and entropic problems."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from otgan.cost import RELATIVE_EPSILON, check_power, mean_cost, resolve_epsilon
from otgan.coupling import Coupling, differentiable_value
from otgan.entropic.coupling import EntropicCoupling
from otgan.entropic.solver import solve
from otgan.exact.coupling import EXACT_BACKENDS, solve_exact
from otgan.form import Form
from otgan.geometry import BACKENDS, make_geometry
from otgan.measure import Measure, Pair, pair
from otgan.result import Status, Transport, check_on_failure, report_failures, statuses

__all__ = ["transport"]

MAX_ITER = 5000
"""Passes over the kernel after which an entropic solve stops, unless told otherwise."""


def transport(
    x: Any,
    y: Any,
    a: Any = None,
    b: Any = None,
    *,
    p: float = 2,
    epsilon: Any = None,
    blur: Any = None,
    reach: Any = None,
    init: Transport | None = None,
    tol: float | None = None,
    max_iter: int | None = None,
    backend: str = "auto",
    on_failure: str = "warn",
) -> Transport:
    """Solve min ⟨P, C⟩ + ε KL(P | a⊗b) over plans P with marginals a and b, where C = ‖x − y‖₂^p.

    The cost is never halved. Without `epsilon` and `blur` the problem is exact, ε = 0.

    Parameters
    ----------
    x, y : array-like
        Samples of shape (n, d) and (m, d), or (n,) on the line; a batch is (B, n, d) and (B, m, d), or two lists
        of B arrays of two dimensions. See :meth:`otgan.Measure.of`.
    a, b : array-like, optional
        Nonnegative weights, one a sample; uniform if omitted. Each side is normalized to total 1 (not with
        `reach`), and the totals are kept in ``mass``.
    p : float, default 2
        Power of the distance, p >= 1.
    epsilon : float or (B,), optional
        Regularization in units of the cost.
    blur : float or (B,), optional
        Regularization as a length: ε = p · blur^p. Give `epsilon` or `blur`, not both.
    reach : float, optional
        Length beyond which mass is rather made and destroyed than moved: the marginals become penalties
        ρ KL(P1 | a) + ρ KL(Pᵀ1 | b) with ρ = p · reach^p.
    init : Transport, optional
        An entropic solution to start from, of the same or of other points of the same dimension.
    tol : float, optional
        L1 error of the marginals to reach; 1e-6, or 1e-4 for float32 samples.
    max_iter : int, optional
        Passes over the kernel (exact: pivots) after which to stop.
    backend : str, default "auto"
        "dense", "streamed"; exact: "line", "assignment", "simplex".
    on_failure : {"warn", "raise", "ignore"}
        What happens where the solve stops before `tol`.

    Returns
    -------
    Transport

    Raises
    ------
    TypeError, ValueError
        If the input is not what is expected; the message says what to do.
    MemoryError
        If the problem cannot fit in memory with the backend asked for.
    ConvergenceError
        If the solve stops before `tol` under ``on_failure="raise"``.

    Examples
    --------
    >>> import otgan
    >>> t = otgan.transport([0.0, 1.0], [1.0, 3.0], p=1)
    >>> t.value, str(t.status)
    (1.5, 'CONVERGED')
    """
    check_on_failure(on_failure)
    p = check_power(p)
    strength = resolve_epsilon(epsilon, blur, p)
    problem = pair(x, y, a, b)
    if strength is None:
        if reach is not None or init is not None:
            given = "reach" if reach is not None else "init"
            raise ValueError(f"{given} belongs to entropic problems: give epsilon or blur with it")
        check_backend(backend, EXACT_BACKENDS)
        check_tol(tol, problem.x.points.dtype)
        limit = None if max_iter is None else check_max_iter(max_iter)
        exact = solve_exact(problem, p, backend=backend, max_iter=limit)
        return _result(exact, problem, p, (Status.CONVERGED,) * len(exact.arcs))
    coupling, tol = solve_entropic(
        problem, p, strength, reach=reach, tol=tol, max_iter=max_iter, backend=backend, init=init
    )
    status = statuses(coupling.error, coupling.value, tol)
    report_failures(status, coupling.error, tol, on_failure)
    return _result(coupling, problem, p, status)


def solve_entropic(
    problem: Pair,
    p: float,
    epsilon: Tensor,
    *,
    reach: Any,
    tol: float | None,
    max_iter: int | None,
    backend: str,
    init: Transport | None = None,
) -> tuple[EntropicCoupling, float]:
    """Solve a pair of measures with regularization; return the coupling and the tolerance that was meant."""
    check_backend(backend, tuple(BACKENDS))
    tol = check_tol(tol, problem.x.points.dtype)
    limit = MAX_ITER if max_iter is None else check_max_iter(max_iter)
    x, y = problem.x.points.detach(), problem.y.points.detach()
    a, b = problem.x.weights.detach(), problem.y.weights.detach()
    strength = spread(epsilon, x)
    geometry = make_geometry(backend, x, y, p)
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        # The mean over points, however light: a light point needs its potential annealed like any other.
        start = 0.25 * mean_cost(x, y, (a > 0).double(), (b > 0).double(), p)
        solution = solve(geometry, a, b, strength, start=start, tol=tol, max_iter=limit)
        return EntropicCoupling(geometry, a, b, strength, solution), tol


def default_epsilon(problem: Pair, p: float) -> Tensor:
    """ε where none is given: a twentieth of the mean cost, and 1 where that is 0; shape (B,), detached."""
    with torch.no_grad():
        mean = mean_cost(
            problem.x.points.detach(),
            problem.y.points.detach(),
            problem.x.weights.detach(),
            problem.y.weights.detach(),
            p,
        )
    return torch.where(mean > 0, RELATIVE_EPSILON * mean, 1.0)


def spread(value: Tensor, x: Tensor) -> Tensor:
    """Give every problem of the batch its own copy of a number, or check that there is one a problem."""
    value = value.to(x.device)
    if value.ndim == 1 and len(value) != len(x):
        raise ValueError(
            f"epsilon (or blur) must be one number or one a problem ({len(x)}), got {len(value)}"
        )
    return value.expand(len(x)).contiguous()


def check_tol(tol: float | None, dtype: torch.dtype) -> float:
    """Return the tolerance on the L1 marginal error, by default 1e-6 in float64 and 1e-4 in float32."""
    if tol is None:
        return 1e-6 if dtype == torch.float64 else 1e-4
    if not 0 < tol < float("inf"):
        raise ValueError(f"tol must be a positive number (the L1 error of the marginals), got {tol!r}")
    return float(tol)


def check_max_iter(max_iter: int) -> int:
    """Return max_iter, or raise where it is no positive number."""
    if isinstance(max_iter, bool) or int(max_iter) != max_iter or max_iter < 1:
        raise ValueError(f"max_iter must be a whole number >= 1, got {max_iter!r}")
    return int(max_iter)


def check_backend(backend: str, known: tuple[str, ...]) -> None:
    """Raise unless the backend is "auto" or among those known."""
    if backend != "auto" and backend not in known:
        raise ValueError(
            f"backend must be 'auto' or one of {', '.join(map(repr, known))} here, got {backend!r}"
        )


def _result(coupling: Coupling, problem: Pair, p: float, status: tuple[Status, ...]) -> Transport:
    x, y = problem.x, problem.y
    value = differentiable_value(coupling, x.points, y.points, x.weights, y.weights)
    return Transport(
        p=p,
        status=status if problem.batched else status[0],
        _coupling=coupling,
        _form=Form.of(problem),
        _value=value,
        _mass=(x.mass.detach(), y.mass.detach()),
    )


def measure_of(side: Measure) -> tuple[Tensor, Tensor]:
    """Points and weights of a measure, detached."""
    return side.points.detach(), side.weights.detach()
