"""Scalar distances: the exact earth mover's distance, entropic transport, and its debiased divergence."""

from __future__ import annotations

import warnings
from typing import Any

from torch import Tensor

from otgan.costs import Cost
from otgan.coupling import Coupling
from otgan.deadline import Deadline
from otgan.entropic.problems import divergence_of, solve_cross, solve_divergence
from otgan.exact.coupling import solve_exact
from otgan.measure import Pair
from otgan.mistakes import OutOfRangeError
from otgan.options import check_time_limit
from otgan.problem import EntropicProblem, Problem
from otgan.result import ConvergenceError, root
from otgan.spelling import answer_misspelt

__all__ = ["emd", "sinkhorn", "sinkhorn_divergence"]


@answer_misspelt
def emd(
    x: Any,
    y: Any = None,
    a: Any = None,
    b: Any = None,
    *,
    cost: Any = "euclidean",
    p: float | None = None,
    time_limit: float | None = None,
) -> Any:
    """Exact Wasserstein distance W_p = (min ⟨P, C⟩)^(1/p) with C = d(x, y)^p; the earth mover's distance at p = 1.

    Points on the line are sorted; small unweighted sets of equal size are assigned; everything else is solved by
    POT's network simplex in float64, its result checked against its own dual: on all costs where they are few, and on
    those that suffice, proved over all, where they are many.

    Parameters
    ----------
    x, y : array-like
        Samples of shape (n, d) and (m, d), or (n,) and (m,) on the line; batches as for :func:`otgan.transport`.
    a, b : array-like, optional
        Weights, uniform if omitted; each side is normalized to total 1.
    cost : str or callable, default "euclidean"
        The distance d, as for :func:`otgan.transport`.
    p : float, default 1
        Power of the distance, p >= 1.
    time_limit : float, optional
        Seconds after which to give up.

    Returns
    -------
    float, ndarray of B, or Tensor
        In the units of the distance d, which for a norm are those of the samples. A tensor carries gradients in points and weights (envelope theorem); at
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
    deadline = Deadline.after(check_time_limit(time_limit))
    problem = Problem.of(x, y, a, b, cost, p, power=1, rooted=True)
    form, power = problem.form, problem.cost.p
    inner = solve_exact(form.pair, form.cost, deadline=deadline)
    if not all(arcs.optimal for arcs in inner.arcs):
        k = next(k for k, arcs in enumerate(inner.arcs) if not arcs.optimal)
        lower, upper = (float(form.length[k]) * bound ** (1 / power) for bound in inner.interval(k))
        which = f"problem {k} was" if problem.pair.batched else "the problem was"
        raise ConvergenceError(
            f"{which} not solved within time_limit={time_limit:g} s; its distance is between about {lower:.6g} and "
            f"{upper:.6g}: raise time_limit, or use otgan.transport, which returns those bounds"
        )
    if bool(inner.lost.any()):
        raise OutOfRangeError(
            "points that carry the distance are so near, beside others so far away, that their differences vanish in "
            "float64: leave out, or compare apart, the points that are far"
        )
    value = problem.value(form.restore(inner))
    return problem.scalar(form.length * root(value, power))


@answer_misspelt
def sinkhorn(
    x: Any,
    y: Any = None,
    a: Any = None,
    b: Any = None,
    *,
    cost: Any = "euclidean",
    p: float | None = None,
    epsilon: Any = None,
    blur: Any = None,
    reach: Any = None,
    tol: float | None = None,
    max_iter: int | None = None,
    time_limit: float | None = None,
    backend: str = "auto",
    on_failure: str = "warn",
) -> Any:
    """Entropic transport cost OT_ε = min ⟨P, C⟩ + ε KL(P | a⊗b) with C = d(x, y)^p, not halved; no root is taken.

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
    problem = EntropicProblem.posed(
        x,
        y,
        a,
        b,
        cost=cost,
        p=p,
        epsilon=epsilon,
        blur=blur,
        reach=reach,
        tol=tol,
        max_iter=max_iter,
        time_limit=time_limit,
        backend=backend,
        on_failure=on_failure,
    )
    coupling = solve_cross(problem.form, problem.settings)
    value = problem.scalar(problem.value(coupling))
    problem.report(coupling)
    return value


@answer_misspelt
def sinkhorn_divergence(
    x: Any,
    y: Any = None,
    a: Any = None,
    b: Any = None,
    *,
    cost: Any = "euclidean",
    p: float | None = None,
    epsilon: Any = None,
    blur: Any = None,
    reach: Any = None,
    tol: float | None = None,
    max_iter: int | None = None,
    time_limit: float | None = None,
    backend: str = "auto",
    on_failure: str = "warn",
) -> Any:
    """Debiased Sinkhorn divergence S_ε = OT_ε(x, y) − ½ OT_ε(x, x) − ½ OT_ε(y, y) with C = d(x, y)^p, not halved.

    Zero for equal measures, and nonnegative where exp(−C/ε) is positive definite (Feydy et al. 2019): Euclidean
    distances to the power p <= 2; cityblock, cosine and great-circle distances at p = 1. Elsewhere it can be negative,
    which is warned of. With precomputed costs x is (Cxy, Cxx, Cyy). All three terms share one ε, by default that of :func:`otgan.sinkhorn` for the cross term.
    Parameters, returns and errors are those of :func:`otgan.sinkhorn`.

    Examples
    --------
    >>> import otgan
    >>> round(otgan.sinkhorn_divergence([0.0, 1.0], [0.0, 1.0]), 12) + 0.0
    0.0
    """
    problem = EntropicProblem.posed(
        x,
        y,
        a,
        b,
        cost=cost,
        p=p,
        epsilon=epsilon,
        blur=blur,
        reach=reach,
        tol=tol,
        max_iter=max_iter,
        time_limit=time_limit,
        backend=backend,
        on_failure=on_failure,
        selves=True,
    )
    terms = solve_divergence(problem.form, problem.settings)
    problem.report(*terms)
    divergence = _combined(terms, problem)
    # What the marginals' error may leave of 0 is not worth a word.
    noise = problem.settings.tol * terms[0].value.abs()
    if not problem.cost.definite and bool((divergence.detach() < -noise).any()):
        warnings.warn(negative(problem.cost), UserWarning, stacklevel=2)
    return problem.scalar(divergence)


def negative(cost: Cost) -> str:
    """What to know of a divergence below 0."""
    return (
        f"the Sinkhorn divergence is negative, which happens for cost={cost.name!r} at p = {cost.p:g}: its kernel is "
        "not positive definite, so it is no distance; use p <= 2 for 'euclidean', p = 1 for 'cityblock', 'cosine' and "
        "'haversine'"
    )


def _combined(terms: tuple[Coupling, ...], problem: Problem) -> Tensor:
    """Put the terms together, with gradients; unbalanced problems add (ε/2) (mass(a) − mass(b))²."""
    x, y = problem.pair.x, problem.pair.y
    own = problem.cost.of_selves()
    values = (
        problem.value(terms[0]),
        problem.value_between(terms[1], Pair(x, x), own[0]),
        problem.value_between(terms[2], Pair(y, y), own[1]),
    )
    return divergence_of(terms, values, problem.pair, problem.cost)
