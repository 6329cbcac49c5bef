"""The Sinkhorn divergence: entropic transport, debiased."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from otgan.coupling import Coupling, value_of
from otgan.distances.distance import Distance
from otgan.distances.entropic import Regularized
from otgan.distances.findings import Caveat, Findings, Stage
from otgan.distances.metric import arrays_of
from otgan.distances.sampling import standard_error
from otgan.distances.terms import Terms
from otgan.entropic.problems import Settings, divergence_of, solve_divergence
from otgan.form import Form
from otgan.measure import Pair, pair
from otgan.normal_form import NormalForm
from otgan.options import check_on_failure, check_power
from otgan.result import report_failures, statuses

__all__ = ["METRIC", "sinkhorn_divergence"]


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
            stacklevel=2,
        )
    return Form.of(problem).scalar(divergence)


def _combined(terms: tuple[Coupling, ...], problem: Pair) -> Tensor:
    """Put the terms together, with gradients; unbalanced problems add (ε/2) (mass(a) − mass(b))²."""
    x, y = problem.x, problem.y
    cross = value_of(terms[0], problem)
    return divergence_of(
        terms, cross, value_of(terms[1], Pair(x, x)), value_of(terms[2], Pair(y, y)), problem
    )


def _negative(found: Findings, mine: Sequence[Distance]) -> Iterator[str]:
    del found
    for each in mine:
        if each.converged and each.value < 0 and (each.p or 0) > 2:
            yield (
                f"the Sinkhorn divergence is negative, which happens for p > 2 (p = {each.p:g}): its kernel is not "
                "positive definite, so it is no distance; use p <= 2"
            )


class _SinkhornDivergence(Regularized):
    symbol = "S_ε"
    caveats = (Caveat(Stage.SETTING, _negative),)

    def title(self, p: float | None) -> str:
        del p
        return "Sinkhorn divergence"

    def label(self, p: float | None) -> str:
        del p
        return f"Sinkhorn {self.symbol}"

    def statistic(self, terms: Terms) -> Callable[[Pair], float]:
        return lambda both: float(
            _debiased(solve_divergence(NormalForm.of(both, terms.p), terms.settings(both)), both)
        )

    def measured(self, both: Pair, terms: Terms) -> Distance:
        start = time.perf_counter()
        settings = terms.settings(both)
        solved = solve_divergence(NormalForm.of(both, terms.p), settings)
        cross, self_x, self_y = solved
        value = _debiased(solved, both)
        error = torch.stack([term.error for term in solved]).amax(0)
        seconds = time.perf_counter() - start
        slopes = arrays_of(cross.f, self_x.f, cross.g, self_y.g, both.x.weights, both.y.weights)
        return self.distance(
            terms,
            float(value),
            "debiased",
            seconds,
            epsilon=float(settings.epsilon),
            status=statuses(solved, settings.tol, settings.deadline)[0],
            marginal_error=float(error),
            iterations=int(sum(term.iterations for term in solved)),
            backend=cross.backend,
            standard_error=standard_error(slopes[0] - slopes[1], slopes[2] - slopes[3], *slopes[4:]),
        )


def _debiased(terms: Sequence[Coupling], both: Pair) -> Tensor:
    cross, self_x, self_y = terms
    return divergence_of(terms, cross.value, self_x.value, self_y.value, both)


METRIC = _SinkhornDivergence(sinkhorn_divergence)
