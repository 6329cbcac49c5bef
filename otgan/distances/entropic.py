"""The cost of entropic transport, OT_ε."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from otgan.distances.distance import Distance
from otgan.distances.findings import Caveat, Findings, Stage
from otgan.distances.metric import Metric, arrays_of
from otgan.distances.sampling import standard_error
from otgan.distances.terms import Terms
from otgan.distances.words import number
from otgan.entropic.posed import EntropicProblem
from otgan.entropic.terms import solve_cross
from otgan.namespace import as_numpy
from otgan.pair import Pair
from otgan.quiet import quiet
from otgan.solve import transport
from otgan.spelling import answer_misspelt
from otgan.status import Status

if TYPE_CHECKING:
    from otgan.distributed.parts import Parts

__all__ = ["METRIC", "Regularized", "sinkhorn"]


@quiet
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
    group: Any = None,
) -> Any:
    r"""Entropic transport cost OT_ε = min ⟨P, C⟩ + ε KL(P | a⊗b) with C = d(x, y)^p, not halved; no root is taken.

    Parameters and errors are those of :func:`otgan.transport`. Where neither `epsilon` nor `blur` is given, ε is
    a twentieth of the mean cost Σ aᵢ bⱼ Cᵢⱼ of each problem, taken as a constant by the gradients.

    Returns
    -------
    float, ndarray of B, or Tensor
        The dual value, whose error is of second order in the marginal error. A tensor carries gradients in points
        and weights, whose error is of the order of the marginal error; those in the weights of light points, which
        are potentials, converge last.

    See Also
    --------
    otgan.sinkhorn_divergence : The entropic cost without its bias at equal sets.
    otgan.transport : The plan and the potentials behind the number.
    otgan.SinkhornLoss : The same as a module of torch.

    Notes
    -----
    .. math::

        \mathrm{OT}_\varepsilon(\mu, \nu) = \min_P\ \langle P, C \rangle
        + \varepsilon\, \mathrm{KL}(P \mid a \otimes b), \qquad C_{ij} = d(x_i, y_j)^p

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
        group=group,
    )
    with problem.together():
        coupling = problem.known(solve_cross(problem.form, problem.settings))
        value = problem.scalar(problem.value(coupling))
    problem.report(coupling)
    return value


def _blur(found: Findings, mine: Sequence[Distance]) -> Iterator[str]:
    for each in mine:
        solved = each.transport
        if not each.converged or solved is None or each.upper is None or found.identical:
            continue
        x, y = found.both.x, found.both.y
        independent = found.cost.mean(x.points, y.points, x.weights, y.weights).item()
        least = each.lower or 0.0
        if solved.value_linear - least > 0.75 * (independent - least):
            yield (
                f"epsilon = {number(each.epsilon, 3)} is so large that the plan nearly ignores the costs: "
                "Sinkhorn is close to the mean distance of independent draws; lower epsilon or blur"
            )
        elif each.value > 1.1 * each.upper:
            yield (
                f"Sinkhorn is no estimate of {each.bounded}, which is at most {number(each.upper, 4)}: the rest is "
                "its regularizer, which a smaller epsilon shrinks"
            )


class Regularized(Metric):
    """What entropic metrics have in common."""

    uses_p = uses_cost = True

    def unit(self, p: float | None) -> str:
        """Units of the cost."""
        return "units of the samples" if p == 1 else f"units of the samples, to the power {p:g}"

    def power(self, p: float | None) -> float:
        """That of the cost."""
        return 1.0 if p is None else p

    def certificate(self, distance: Distance) -> str:
        """Return how far the marginals are from those asked for."""
        trouble = "" if distance.converged else f"{distance.status}, "
        return f"{trouble}marginals {number(distance.marginal_error, 1)}"


class _Sinkhorn(Regularized):
    symbol = "OT_ε"
    vanishes = False
    caveats = (Caveat(Stage.SETTING, _blur),)

    def title(self, p: float | None) -> str:
        del p
        return "Sinkhorn"

    def label(self, p: float | None) -> str:
        return f"{self.title(p)} {self.symbol}"

    def values(self, both: Pair, terms: Terms) -> NDArray[np.float64]:
        found = sinkhorn(both.x, both.y, on_failure=terms.on_failure, **terms.entropic_options())
        return np.atleast_1d(np.asarray(as_numpy(found), dtype=np.float64))

    def measured(self, both: Pair, terms: Terms) -> Distance:
        p = terms.p
        start = time.perf_counter()
        # Without epsilon and blur transport is exact, and sinkhorn chooses an ε: so it is chosen here as well.
        options = terms.entropic_options() | {
            "epsilon": float(terms.entropic(both)[1].epsilon[0]),
            "blur": None,
        }
        solved = transport(both.x, both.y, on_failure="ignore", **options)
        lower, upper = solved.lower, solved.upper
        seconds = time.perf_counter() - start
        assert isinstance(solved.status, Status)
        return self.distance(
            terms,
            solved.value,
            "entropic",
            seconds,
            epsilon=solved.epsilon,
            status=solved.status,
            lower=lower,
            upper=upper,
            bounded=_bounded(p),
            marginal_error=solved.marginal_error,
            iterations=solved.iterations,
            backend=solved.backend,
            standard_error=standard_error(solved.f, solved.g, *arrays_of(both.x.weights, both.y.weights)),
            transport=solved,
        )

    def shared(self, parts: Parts, terms: Terms) -> Distance:
        start = time.perf_counter()
        problem = parts.posed(terms, selves=False)
        with problem.together():
            coupling = problem.known(solve_cross(problem.form, problem.settings))
            bounds, potentials = coupling.bounds(), (coupling.f, coupling.g)
        seconds, p, both = time.perf_counter() - start, terms.p, problem.pair
        return self.distance(
            terms,
            float(coupling.value[0]),
            "entropic",
            seconds,
            epsilon=float(problem.settings.epsilon[0]),
            status=problem.statuses(coupling)[0],
            lower=float(bounds[0][0]),
            upper=float(bounds[1][0]),
            bounded=_bounded(p),
            marginal_error=float(coupling.error[0]),
            iterations=int(coupling.iterations[0]),
            backend=coupling.backend,
            standard_error=standard_error(*arrays_of(*potentials, both.x.weights, both.y.weights)),
        )


def _bounded(p: float) -> str:
    return "W_1" if p == 1 else f"W_{p:g}^{p:g}"


METRIC = _Sinkhorn(sinkhorn)
