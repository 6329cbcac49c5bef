"""The Sinkhorn divergence: entropic transport, debiased."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from otgan.costs import COSTS, Cost, resolve
from otgan.coupling import Coupling
from otgan.distances.distance import Distance
from otgan.distances.entropic import Regularized
from otgan.distances.findings import Caveat, Findings, Stage
from otgan.distances.metric import arrays_of
from otgan.distances.sampling import standard_error
from otgan.distances.splits import Pool
from otgan.distances.terms import Terms
from otgan.entropic.posed import EntropicProblem
from otgan.entropic.settings import Settings
from otgan.entropic.terms import divergence_of, solve_cross, solve_divergence, solve_self
from otgan.measure import Measure
from otgan.namespace import Array, as_numpy
from otgan.pair import Pair
from otgan.problem import Problem
from otgan.quiet import quiet
from otgan.spelling import answer_misspelt
from otgan.status import report_failures, statuses

if TYPE_CHECKING:
    from otgan.distributed.parts import Parts

__all__ = ["METRIC", "sinkhorn_divergence"]


@quiet
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
    group: Any = None,
) -> Any:
    r"""Debiased Sinkhorn divergence S_ε = OT_ε(x, y) − ½ OT_ε(x, x) − ½ OT_ε(y, y) with C = d(x, y)^p, not halved.

    Zero for equal measures, and nonnegative where exp(−C/ε) is positive definite (Feydy et al. 2019): Euclidean
    distances to the power p <= 2; cityblock, cosine and great-circle distances at p = 1. Elsewhere it can be negative,
    which is warned of. With precomputed costs x is (Cxy, Cxx, Cyy). All three terms share one ε, by default that of :func:`otgan.sinkhorn` for the cross term.
    Parameters, returns and errors are those of :func:`otgan.sinkhorn`.

    See Also
    --------
    otgan.sinkhorn : The entropic cost.
    otgan.SinkhornLoss : The same as a module of torch.
    otgan.energy : A mean over pairs, for which nothing is solved.
    otgan.emd : Exact transport, as a length.

    Notes
    -----
    .. math::

        S_\varepsilon(\mu, \nu) = \mathrm{OT}_\varepsilon(\mu, \nu)
        - \tfrac12 \mathrm{OT}_\varepsilon(\mu, \mu) - \tfrac12 \mathrm{OT}_\varepsilon(\nu, \nu)

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
        group=group,
    )
    with problem.together():
        solved = solve_divergence(problem.form, problem.settings)
        terms = problem.known(solved[0]), problem.known(solved[1]), problem.known(solved[2])
    problem.report(*terms)
    divergence = _combined(terms, problem)
    # What the marginals' error may leave of 0 is not worth a word.
    noise = problem.settings.tol * abs(terms[0].value)
    if not problem.cost.definite and bool((as_numpy(divergence) < -as_numpy(noise)).any()):
        warnings.warn(_below(problem.cost), UserWarning, stacklevel=4)  # past the wrappers
    return problem.scalar(divergence)


def _below(cost: Cost) -> str:
    """What to know of a divergence below 0."""
    squares = _definite(2)
    lengths = [name for name in _definite(1) if name not in squares]
    return (
        f"the Sinkhorn divergence is negative, which happens for cost={cost.name!r} at p = {cost.p:g}: its kernel is "
        f"not positive definite, so it is no distance; use p <= 2 for {', '.join(squares)}, p = 1 for {', '.join(lengths)}"
    )


def _definite(p: float) -> list[str]:
    """The costs by name whose kernels are positive definite at this power."""
    return [repr(name) for name in COSTS if name != "precomputed" and resolve(name, p, p).definite]


def _combined(terms: tuple[Coupling, ...], problem: Problem) -> Array:
    """Put the terms together, with gradients; unbalanced problems add (ε/2) (mass(a) − mass(b))²."""
    x, y = problem.pair.x, problem.pair.y
    own = problem.cost.of_selves()
    values = (
        problem.value(terms[0]),
        problem.value_between(terms[1], Pair(x, x), own[0]),
        problem.value_between(terms[2], Pair(y, y), own[1]),
    )
    return divergence_of(terms, values, problem.pair, problem.cost)


def _negative(found: Findings, mine: Sequence[Distance]) -> Iterator[str]:
    for each in mine:
        if each.converged and each.value < 0 and not found.cost.definite:
            yield _below(found.cost)


_HALVINGS = 8
"""Halvings of the samples by which the bias of few of them is estimated."""


class _SinkhornDivergence(Regularized):
    symbol = "S_ε"
    intervals = ("normal",)
    caveats = (Caveat(Stage.SETTING, _negative),)

    def title(self, p: float | None) -> str:
        del p
        return "Sinkhorn divergence"

    def label(self, p: float | None) -> str:
        del p
        return f"Sinkhorn {self.symbol}"

    def values(self, both: Pair, terms: Terms) -> NDArray[np.float64]:
        form, settings = terms.entropic(both)
        return as_numpy(_reported(solve_divergence(form, settings), both, settings, terms))

    def unbiased(
        self, both: Pair, terms: Terms, value: float, rng: np.random.Generator
    ) -> tuple[float, float]:
        # The bias falls like 1/n, in the end: what halves have more of it is what all samples have. Where ε is small for the
        # dimension it falls more slowly, and as much again may be left.
        terms = replace(terms, epsilon=float(terms.entropic(both)[1].epsilon[0]), blur=None)
        pools = [Pool.of_one(side) for side in (both.x, both.y)]
        sides = [np.argsort(rng.random((_HALVINGS, len(pool)))) < len(pool) // 2 for pool in pools]
        halves = [pool.split(chosen) for pool, chosen in zip(pools, sides, strict=True)]
        parts = Pair(halves[0].x, halves[1].x), Pair(halves[0].y, halves[1].y)
        bias = float(np.mean([self.values(part, terms) for part in parts])) - value
        return value - bias, max(bias, 0.0)

    def fixed(self, x: Measure, terms: Terms) -> Terms:
        epsilon = float(terms.entropic(Pair(x, x))[1].epsilon[0])
        return replace(terms, epsilon=epsilon, blur=None)

    def against(self, x: Measure, terms: Terms) -> Callable[[Measure], float]:
        terms = self.fixed(x, terms)
        self_x = solve_self(*terms.entropic(Pair(x, x)))

        def value(y: Measure) -> float:
            both = Pair(x, y)
            form, settings = terms.entropic(both)
            solved = solve_cross(form, settings), self_x, solve_self(*terms.entropic(Pair(y, y)))
            return float(_reported(solved, both, settings, terms)[0])

        return value

    def measured(self, both: Pair, terms: Terms) -> Distance:
        start = time.perf_counter()
        form, settings = terms.entropic(both)
        solved = solve_divergence(form, settings)
        return self._of_terms(solved, both, settings, terms, start)

    def shared(self, parts: Parts, terms: Terms) -> Distance:
        start = time.perf_counter()
        problem = parts.posed(terms, selves=True)
        with problem.together():
            solved = [problem.known(each) for each in solve_divergence(problem.form, problem.settings)]
            return self._of_terms(solved, problem.pair, problem.settings, terms, start)

    def _of_terms(
        self, solved: Sequence[Coupling], both: Pair, settings: Settings, terms: Terms, start: float
    ) -> Distance:
        """Return the divergence that three solutions make."""
        cross, self_x, self_y = solved
        value = _debiased(solved, both, terms.cost)
        error = max(float(term.error[0]) for term in solved)
        seconds = time.perf_counter() - start
        slopes = arrays_of(cross.f, self_x.f, cross.g, self_y.g, both.x.weights, both.y.weights)
        return self.distance(
            terms,
            float(value[0]),
            "debiased",
            seconds,
            epsilon=float(settings.epsilon[0]),
            status=statuses(solved, settings.tol, settings.deadline)[0],
            marginal_error=error,
            iterations=sum(int(term.iterations[0]) for term in solved),
            backend=cross.backend,
            standard_error=standard_error(slopes[0] - slopes[1], slopes[2] - slopes[3], *slopes[4:]),
        )


def _reported(solved: Sequence[Coupling], both: Pair, settings: Settings, terms: Terms) -> Array:
    """Return the values, and say where a solve fell short as the terms have it."""
    errors = np.max([as_numpy(term.error) for term in solved], axis=0)
    report_failures(statuses(solved, settings.tol, settings.deadline), errors, settings.tol, terms.on_failure)
    return _debiased(solved, both, terms.cost)


def _debiased(terms: Sequence[Coupling], both: Pair, cost: Cost) -> Array:
    return divergence_of(terms, [term.value for term in terms], both, cost)


METRIC = _SinkhornDivergence(sinkhorn_divergence)
