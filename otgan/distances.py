"""Scalar distances: the exact earth mover's distance, entropic transport, and its debiased divergence."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from otgan.coupling import Coupling, value_of
from otgan.deadline import Deadline
from otgan.entropic.problems import Settings, divergence_of, solve_cross, solve_divergence
from otgan.exact.coupling import solve_exact
from otgan.form import Form
from otgan.measure import Pair, pair
from otgan.mistakes import OutOfRangeError
from otgan.normal_form import NormalForm
from otgan.options import check_on_failure, check_power, check_time_limit
from otgan.result import ConvergenceError, report_failures, root, statuses
from otgan.spelling import answer_misspelt

__all__ = ["emd", "sinkhorn", "sinkhorn_divergence"]


@answer_misspelt
def emd(
    x: Any, y: Any, a: Any = None, b: Any = None, *, p: float = 1, time_limit: float | None = None
) -> Any:
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
    time_limit : float, optional
        Seconds after which to give up.

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
    OverflowError
        If the differences that carry the distance vanish in float64 beside far larger ones.
    ConvergenceError
        If time ends first; it says between which bounds the distance is. A partial cost is never returned.
    SimplexError
        If the solver ends without an optimum.

    Examples
    --------
    >>> import otgan
    >>> otgan.emd([0.0, 1.0], [1.0, 3.0])
    1.5
    """
    p = check_power(p)
    deadline = Deadline.after(check_time_limit(time_limit))
    problem = pair(x, y, a, b)
    form = NormalForm.of(problem, p, rooted=True)
    inner = solve_exact(form.pair, p, deadline=deadline)
    if not all(arcs.optimal for arcs in inner.arcs):
        k = next(k for k, arcs in enumerate(inner.arcs) if not arcs.optimal)
        lower, upper = (float(form.unit[k]) * bound ** (1 / p) for bound in inner.interval(k))
        which = f"problem {k} was" if problem.batched else "the problem was"
        raise ConvergenceError(
            f"{which} not solved within time_limit={time_limit:g} s; its distance is between about {lower:.6g} and "
            f"{upper:.6g}: raise time_limit, or use otgan.transport, which returns those bounds"
        )
    if bool(inner.lost.any()):
        raise OutOfRangeError(
            "points that carry the distance are so near, beside others so far away, that their differences vanish in "
            "float64: leave out, or compare apart, the points that are far"
        )
    value = value_of(form.restore(inner), problem)
    return Form.of(problem).scalar(form.unit * root(value, p))


@answer_misspelt
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
    time_limit: float | None = None,
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
        and weights, whose error is of the order of the marginal error; those in the weights of light points, which
        are potentials, converge last.

    Examples
    --------
    >>> import otgan
    >>> round(otgan.sinkhorn([0.0, 1.0], [1.0, 3.0], epsilon=0.5), 6)
    2.837499
    """
    check_on_failure(on_failure)
    problem = pair(x, y, a, b)
    form = NormalForm.of(problem, check_power(p))
    settings = Settings.of(
        form,
        epsilon=epsilon,
        blur=blur,
        reach=reach,
        tol=tol,
        max_iter=max_iter,
        backend=backend,
        time_limit=time_limit,
    )
    coupling = solve_cross(form, settings)
    status = statuses(coupling, settings.tol, settings.deadline)
    value = Form.of(problem).scalar(value_of(coupling, problem))
    report_failures(status, coupling.error, settings.tol, on_failure)
    return value


@answer_misspelt
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
    time_limit: float | None = None,
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
    form = NormalForm.of(problem, p)
    settings = Settings.of(
        form,
        epsilon=epsilon,
        blur=blur,
        reach=reach,
        tol=tol,
        max_iter=max_iter,
        backend=backend,
        time_limit=time_limit,
    )
    terms = solve_divergence(form, settings)
    errors = torch.stack([term.error for term in terms]).amax(0)
    status = statuses(terms, settings.tol, settings.deadline)
    report_failures(status, errors, settings.tol, on_failure)
    divergence = _combined(terms, problem)
    if p > 2 and bool((divergence.detach() < 0).any()):
        warnings.warn(
            f"the Sinkhorn divergence is negative, which happens for p > 2 (p = {p:g}): its kernel is not positive "
            "definite, so it is no distance; use p <= 2",
            UserWarning,
            stacklevel=3,
        )
    return Form.of(problem).scalar(divergence)


def _combined(terms: tuple[Coupling, ...], problem: Pair) -> Tensor:
    """Put the terms together, with gradients; unbalanced problems add (ε/2) (mass(a) − mass(b))²."""
    x, y = problem.x, problem.y
    cross = value_of(terms[0], problem)
    return divergence_of(
        terms, cross, value_of(terms[1], Pair(x, x)), value_of(terms[2], Pair(y, y)), problem
    )
