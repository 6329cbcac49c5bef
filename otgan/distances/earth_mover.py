"""The earth mover's distance, exact, and its powers: the Wasserstein distances W_p."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from otgan.distances.distance import Distance
from otgan.distances.metric import Length, arrays_of
from otgan.distances.sampling import rooted, standard_error
from otgan.distances.scaled import lengths
from otgan.distances.terms import Terms
from otgan.distances.words import number
from otgan.exact.plan import ExactPlan
from otgan.exact.solver import solve_exact
from otgan.mistakes import OutOfRangeError
from otgan.namespace import as_numpy
from otgan.options import check_time_limit
from otgan.pair import Pair
from otgan.problem import Problem
from otgan.quiet import quiet
from otgan.result import Transport
from otgan.rooted import Rooted
from otgan.solve import transport
from otgan.spelling import answer_misspelt
from otgan.status import ConvergenceError, Status, report_failures

if TYPE_CHECKING:
    from otgan.distributed.parts import Parts

__all__ = ["METRIC", "emd"]


@quiet
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
    group: Any = None,
) -> Any:
    r"""Exact Wasserstein distance W_p = (min ⟨P, C⟩)^(1/p) with C = d(x, y)^p; the earth mover's distance at p = 1.

    Points on the line and on a circle are sorted; small unweighted sets of equal size are assigned; everything else is solved by
    a network simplex, its result checked against its own dual: on all costs where they are few, and on those that suffice,
    proved over all, where they are many.

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
    group : ProcessGroup, True or "world", optional
        Processes of torch.distributed that solve one problem together, each giving rows of x and y, as for :func:`otgan.transport`.

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
    RankError
        If a process of the group ends, does not answer in the group's timeout, or makes another call.

    Warns
    -----
    ConvergenceWarning
        If rounding leaves bounds that are farther apart than 1e-9 of the cost and 1e-12 of the mean one (2e-4 where a
        function computes costs in float32), so that they do not prove the distance.

    See Also
    --------
    otgan.transport : The plan and the potentials behind the number.
    otgan.sinkhorn_divergence : The entropic cost without its bias at equal sets.
    otgan.sliced : Transport along random directions.
    otgan.compare : Several distances at once, in a report.

    Notes
    -----
    .. math::

        W_p(\mu, \nu) = \Bigl(\min_{P \ge 0} \sum_{ij} P_{ij}\, d(x_i, y_j)^p
        \;:\; P \mathbf 1 = a,\ P^\top \mathbf 1 = b\Bigr)^{1/p}

    Examples
    --------
    >>> import otgan
    >>> otgan.emd([0.0, 1.0], [1.0, 3.0])
    1.5
    """
    problem = Problem.posed(
        x, y, a, b, cost=cost, p=p, power=1, rooted=True, group=group, time_limit=time_limit
    )
    return _distance(problem, time_limit, "warn")


def _distance(problem: Problem, time_limit: float | None, on_failure: str) -> Any:
    """Solve and take the root; bounds that do not prove the distance are reported as `on_failure` has it."""
    with problem.together():
        form, processes = problem.form, problem.processes
        deadline = problem.deadline(check_time_limit(time_limit))
        inner = solve_exact(form.pair, form.cost, deadline=deadline, processes=processes)
        lost, unproved = processes.told(lambda: [bool(inner.lost.any()), inner.unproved.tolist()])
        value = problem.value(problem.known(Rooted(inner, form, None)))
    _check_solved(problem, inner, time_limit)
    if lost:
        raise OutOfRangeError(
            "points that carry the distance are so near, beside others so far away, that their differences vanish in "
            "float64: leave out, or compare apart, the points that are far"
        )
    if on_failure != "ignore":
        proof = [Status.UNCERTIFIED if open_ else Status.CONVERGED for open_ in unproved]
        report_failures(proof, inner.error, 0.0, on_failure)
    return problem.scalar(lengths(value, problem.pair.x.dtype))


def _check_solved(problem: Problem, inner: ExactPlan, time_limit: float | None) -> None:
    """Raise where time ended first."""
    form, power = problem.form, problem.cost.p
    if not all(arcs.optimal for arcs in inner.arcs):
        k = next(k for k, arcs in enumerate(inner.arcs) if not arcs.optimal)
        lower, upper = (float(form.length[k]) * bound ** (1 / power) for bound in inner.interval(k))
        which = f"problem {k} was" if problem.pair.batched else "the problem was"
        raise ConvergenceError(
            f"{which} not solved within time_limit={time_limit:g} s; its distance is between about {lower:.6g} and "
            f"{upper:.6g}: raise time_limit, or use otgan.transport, which returns those bounds"
        )


class _EarthMover(Length):
    symbol = "W_p"
    intervals = ("bracket", "subsampling")
    uses_p = uses_cost = True
    suffers_dimension = True

    def title(self, p: float | None) -> str:
        return "EM" if p == 1 else f"W_{p:g}"

    def label(self, p: float | None) -> str:
        return "EM (W_1)" if p == 1 else f"W_{p:g}"

    def values(self, both: Pair, terms: Terms) -> NDArray[np.float64]:
        problem = Problem.of(both.x, both.y, None, None, terms.cost, None, power=1, rooted=True)
        found = _distance(problem, terms.time_limit, terms.on_failure)
        return np.atleast_1d(np.asarray(as_numpy(found), dtype=np.float64))

    def measured(self, both: Pair, terms: Terms) -> Distance:
        p = terms.p

        def tell(lower: float, upper: float, seconds: float) -> None:
            del seconds
            if terms.progress is not None:
                terms.progress(lower ** (1 / p), upper ** (1 / p))

        start = time.perf_counter()
        solved = transport(
            both.x,
            both.y,
            cost=terms.cost,
            time_limit=terms.time_limit,
            on_failure="ignore",
            progress=None if terms.progress is None else tell,
        )
        found = self._of(solved, terms, start)
        error = standard_error(solved.f, solved.g, *arrays_of(both.x.weights, both.y.weights))
        return replace(found, standard_error=rooted(error, solved.value, p))

    def shared(self, parts: Parts, terms: Terms) -> Distance:
        start = time.perf_counter()
        solved = transport(
            *parts.given,
            cost=terms.cost,
            time_limit=terms.time_limit,
            on_failure="ignore",
            group=parts.ranks.group,
        )
        found = self._of(solved, terms, start)
        error = parts.standard_error(
            *(part.heavy(h) for part, h in ((parts.x, solved.f), (parts.y, solved.g)))
        )
        return replace(
            found, standard_error=None if error is None else rooted(error, float(solved.value), terms.p)
        )

    def _of(self, solved: Transport, terms: Terms, start: float) -> Distance:
        """Return the distance of a solution, without its standard error."""
        p, lower, upper = terms.p, float(solved.lower), float(solved.upper)
        seconds = time.perf_counter() - start
        assert isinstance(solved.status, Status)
        return self.distance(
            terms,
            float(solved.distance),
            "exact",
            seconds,
            status=solved.status,
            lower=max(lower, 0.0) ** (1 / p),
            upper=max(upper, 0.0) ** (1 / p),
            bounded=f"W_{p:g}",
            marginal_error=float(solved.marginal_error),
            iterations=int(solved.iterations),
            backend=solved.backend,
            transport=solved,
        )

    def certificate(self, distance: Distance) -> str:
        trouble = "" if distance.converged else f"{distance.status}, "
        return f"{distance.backend}: {trouble}gap {number(distance.gap, 1)}"

    def comparable(self, distance: Distance) -> bool:
        return distance.converged


METRIC = _EarthMover(emd)
