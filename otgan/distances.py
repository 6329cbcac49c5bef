"""Scalar distances: the exact earth mover's distance, entropic transport, and its debiased divergence."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from otgan.cost import check_power
from otgan.coupling import value_of
from otgan.entropic.coupling import EntropicCoupling
from otgan.entropic.problems import Settings, solve_cross, solve_self
from otgan.exact.coupling import solve_exact
from otgan.form import Form
from otgan.measure import Pair, pair
from otgan.result import check_on_failure, report_failures, root, statuses

__all__ = ["emd", "sinkhorn", "sinkhorn_divergence"]


def emd(x: Any, y: Any, a: Any = None, b: Any = None, *, p: float = 1) -> Any:
    """Exact Wasserstein distance W_p = (min ⟨P, C⟩)^(1/p) with C = ‖x − y‖₂^p; the earth mover's distance at p = 1.

    Points on the line are sorted; small unweighted sets of equal size are assigned; everything else is solved by
    POT's network simplex in float64, its result checked against its own dual: on all costs where they are few, and on
    those that suffice, proved over all, where they are many.

    Parameters
    ----------
    x, y : array-like
        Samples of shape (n, d) and (m, d), or (n,) and (m,) on the line; batches as for :func:`otgan.transport`.
    a, b : array-like, optional
        Weights, uniform if omitted; each side is normalized to total 1.
    p : float, default 1
        Power of the distance, p >= 1.

    Returns
    -------
    float, ndarray of B, or Tensor
        In the units of the samples. A tensor carries gradients in points and weights (envelope theorem); at
        coincident points and at distance 0 they are 0.

    Raises
    ------
    TypeError, ValueError
        If the input is not what is expected.
    MemoryError
        If the costs do not fit in memory.
    SimplexError
        If the solver ends without an optimum; a partial cost is never returned.

    Examples
    --------
    >>> import otgan
    >>> otgan.emd([0.0, 1.0], [1.0, 3.0])
    1.5
    """
    p = check_power(p)
    problem = pair(x, y, a, b)
    scaled, unit = _to_order_one(problem)
    value = value_of(solve_exact(scaled, p), scaled)
    return Form.of(problem).scalar(unit * root(value, p))


def sinkhorn(
    x: Any,
    y: Any,
    a: Any = None,
    b: Any = None,
    *,
    p: float = 2,
    epsilon: Any = None,
    blur: Any = None,
    reach: Any = None,
    tol: float | None = None,
    max_iter: int | None = None,
    backend: str = "auto",
    on_failure: str = "warn",
) -> Any:
    """Entropic transport cost OT_ε = min ⟨P, C⟩ + ε KL(P | a⊗b) with C = ‖x − y‖₂^p, not halved; no root is taken.

    Parameters and errors are those of :func:`otgan.transport`. Where neither `epsilon` nor `blur` is given, ε is
    a twentieth of the mean cost Σ aᵢ bⱼ Cᵢⱼ of each problem, taken as a constant by the gradients.

    Returns
    -------
    float, ndarray of B, or Tensor
        The dual value, whose error is of second order in the marginal error. A tensor carries gradients in points
        and weights, whose error is of the order of the marginal error.

    Examples
    --------
    >>> import otgan
    >>> round(otgan.sinkhorn([0.0, 1.0], [1.0, 3.0], epsilon=0.5), 6)
    2.837499
    """
    check_on_failure(on_failure)
    p = check_power(p)
    problem = pair(x, y, a, b)
    settings = Settings.of(
        problem, p, epsilon=epsilon, blur=blur, reach=reach, tol=tol, max_iter=max_iter, backend=backend
    )
    coupling = solve_cross(problem, settings)
    status = statuses(coupling.error, coupling.value, settings.tol)
    report_failures(status, coupling.error, settings.tol, on_failure)
    return Form.of(problem).scalar(value_of(coupling, problem))


def sinkhorn_divergence(
    x: Any,
    y: Any,
    a: Any = None,
    b: Any = None,
    *,
    p: float = 2,
    epsilon: Any = None,
    blur: Any = None,
    reach: Any = None,
    tol: float | None = None,
    max_iter: int | None = None,
    backend: str = "auto",
    on_failure: str = "warn",
) -> Any:
    """Debiased Sinkhorn divergence S_ε = OT_ε(x, y) − ½ OT_ε(x, x) − ½ OT_ε(y, y) with C = ‖x − y‖₂^p, not halved.

    Zero for equal measures, nonnegative for p <= 2 (Feydy et al. 2019); for p > 2 it can be negative, which is
    warned of. All three terms share one ε, by default that of :func:`otgan.sinkhorn` for the cross term.
    Parameters, returns and errors are those of :func:`otgan.sinkhorn`.

    Examples
    --------
    >>> import otgan
    >>> round(otgan.sinkhorn_divergence([0.0, 1.0], [0.0, 1.0]), 12) + 0.0
    0.0
    """
    check_on_failure(on_failure)
    p = check_power(p)
    problem = pair(x, y, a, b)
    settings = Settings.of(
        problem, p, epsilon=epsilon, blur=blur, reach=reach, tol=tol, max_iter=max_iter, backend=backend
    )
    terms = solve_divergence(problem, settings)
    errors = torch.stack([term.error for term in terms]).amax(0)
    status = statuses(errors, torch.stack([term.value for term in terms]).sum(0), settings.tol)
    report_failures(status, errors, settings.tol, on_failure)
    divergence = _combined(terms, problem)
    if p > 2 and bool((divergence.detach() < 0).any()):
        warnings.warn(
            f"the Sinkhorn divergence is negative, which happens for p > 2 (p = {p:g}): its kernel is not positive "
            "definite, so it is no distance; use p <= 2",
            UserWarning,
            stacklevel=2,
        )
    return Form.of(problem).scalar(divergence)


def solve_divergence(problem: Pair, settings: Settings) -> tuple[EntropicCoupling, ...]:
    """Solve x with y, x with itself and y with itself at one ε."""
    cross = solve_cross(problem, settings)
    self_x, self_y = (solve_self(side, settings) for side in (problem.x, problem.y))
    terms = (cross, self_x, self_y)
    if settings.p <= 2 and settings.rho is None:
        with torch.no_grad():
            if bool((_combined(terms, problem) < 0).any()):
                # Between nearly equal measures the error of the cross term shows. The potentials of the self
                # terms are nearly optimal there, and by convexity their dual value leaves nothing below 0.
                return cross.raised(self_y.f, settings.tol), self_x, self_y
    return terms


def _combined(terms: tuple[EntropicCoupling, ...], problem: Pair) -> Tensor:
    """Put the terms together, with gradients; unbalanced problems add (ε/2) (mass(a) − mass(b))²."""
    x, y = problem.x, problem.y
    cross = value_of(terms[0], problem)
    divergence = cross - 0.5 * (value_of(terms[1], Pair(x, x)) + value_of(terms[2], Pair(y, y)))
    epsilon = terms[0].epsilon
    if terms[0].balanced or epsilon is None:
        return divergence
    return divergence + 0.5 * epsilon * (x.mass - y.mass).square()


def _to_order_one(problem: Pair) -> tuple[Pair, Tensor]:
    """Divide each problem's points by a power of two near their largest coordinate, so that no cost overflows.

    Returns
    -------
    tuple of Pair and Tensor of shape (B,)
        The divided problem and the divisors. The division is exact, and distances scale with it.
    """
    sides = (problem.x, problem.y)
    both = torch.cat([side.points.detach() for side in sides], 1)
    largest = both.abs().amax((1, 2))
    spread = (both.amax(1) / 2 - both.amin(1) / 2).amax(1)
    # Points that agree but in digits below any coordinate's own keep those digits only about one of them.
    near = (spread < 1e-60 * largest)[:, None, None]
    if bool(near.any()):
        origin = torch.where(near, both[:, :1], 0.0)
        sides = (
            replace(problem.x, points=problem.x.points - origin),
            replace(problem.y, points=problem.y.points - origin),
        )
        largest = torch.where(near[:, 0, 0], 2 * spread, largest)
    # frexp's exponent less 1: twice it would overflow for the largest numbers.
    unit = torch.ldexp(torch.ones_like(largest), torch.frexp(largest).exponent - 1)
    x, y = (replace(side, points=side.points / unit[:, None, None]) for side in sides)
    return Pair(x, y), unit.double()
