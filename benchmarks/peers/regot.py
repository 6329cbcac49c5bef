"""RegOT's solvers: Sinkhorn's, quasi-Newton and Newton steps on dense and on sparse Hessians, in C++."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.costs import quickest
from benchmarks.peers.contender import (
    FEW,
    TELLING,
    Attempt,
    Contender,
    Deadline,
    Trial,
    out_of_reach,
    tighten,
)
from benchmarks.problems import Problem, marginal_error
from benchmarks.timing import timed

__all__ = ["SOLVERS", "Regot"]

SOLVERS = ("lbfgs_dual", "ssns", "newton", "splr", "bcd", "sparse_newton", "apdagd")
"""Its solvers of entropic problems, those first that are often the fastest."""

_SPARSE = frozenset({"ssns", "sparse_newton", "splr"})
"""Solvers whose steps are cheaper where the plan is sparser."""

_CUBIC = frozenset({"ssns", "sparse_newton", "newton"})
"""Solvers whose steps factorize a matrix."""

_FIRST = 8
"""Iterations of the first run."""

_MORE = 4
"""How many times more iterations the next run may make."""

_PROBED, _PROBING = 500, 0.2
"""Points on which the length of an iteration is found out, where nothing is known, and share of the time for that."""

_SPARE = 1.25
"""How many times the iterations that were needed before a first run may make."""

_SAFE = 0.7
"""Share of the time left that a run is planned to take: later iterations may be longer."""


class Regot(Contender):
    """One of RegOT's solvers; the knob is ``tol``, an L2 error.

    Compiled code cannot be stopped from outside. Runs therefore grow from few iterations to as many as there is time
    for, and one is not started where iterations on fewer points tell that they would be too long.
    """

    package = "regot"

    def __init__(self, solver: str) -> None:
        self.solver, self.name, self.sparse = solver, f"RegOT {solver}", solver in _SPARSE
        self._power = 3 if solver in _CUBIC else 2
        self._pace: dict[tuple[int, float], dict[int, float]] = {}
        self._needed: dict[tuple[int, float], int] = {}

    def attempt(self, problem: Problem, tol: float, limit: float) -> Attempt:
        """Tighten the tolerance from what guarantees the L1 error of both marginals."""
        import regot

        costs, deadline, (n, m) = quickest(problem), Deadline(limit), problem.shape
        predicted = self.predicted(problem)
        if predicted is None and n > _PROBED:
            part = Problem(problem.x[:_PROBED], problem.y[:_PROBED], problem.relative)
            self.attempt(part, tol, limit * _PROBING)
            predicted = self.predicted(problem)
        if FEW * (predicted or 0.0) > deadline.left:
            return out_of_reach(predicted or 0.0)
        a, b, mean = problem.a.numpy(), problem.b.numpy(), float(problem.epsilon) / problem.relative
        solver = getattr(regot, f"sinkhorn_{self.solver}")

        # It takes matrices column by column: as such, those of the problem with its sides exchanged need no copy.
        exchanged = Problem(problem.y, problem.x, problem.relative)

        def solve(threshold: float, most: int) -> Any:
            cost = costs(exchanged).div_(mean).numpy().T
            return solver(cost, a, b, problem.relative, tol=threshold, max_iter=most)

        def error_of(result: Any) -> float:
            return marginal_error(problem, torch.from_numpy(np.array(result.plan)))

        def trial(threshold: float, left: float) -> Trial:
            tried = grown(solve, threshold, Deadline(left), self.first(problem, left))
            pace = tried.seconds / max(tried.answer.niter, 1)
            if n >= TELLING:
                self._pace.setdefault(_kind(problem), {})[n] = pace
            if not tried.cut:
                self._needed[_kind(problem)] = tried.answer.niter
            return tried

        first = tol / math.sqrt(2 * max(n, m))
        found = tighten(trial, error_of, "tol", first, tol, deadline, stop=False)
        return found or out_of_reach(limit / FEW)

    def predicted(self, problem: Problem) -> float | None:
        """Seconds of an iteration by what it took on no more points of the same kind, at the same ε; None: unknown."""
        n, _ = problem.shape
        known = self._pace.get(_kind(problem), {})
        fewer = max((size for size in known if size <= n), default=None)
        return None if fewer is None else known[fewer] * (n / fewer) ** self._power

    def first(self, problem: Problem, left: float) -> int:
        """Iterations of the first run: what problems of this kind have needed, if they are known to fit in the time."""
        needed, pace = self._needed.get(_kind(problem)), self.predicted(problem)
        if needed is None or not pace:
            return _FIRST
        return max(_FIRST, min(int(_SPARE * needed), int(_SAFE * left / pace)))


def grown(
    solve: Callable[[float, int], Any], threshold: float, deadline: Deadline, first: int = _FIRST
) -> Trial:
    """Run with ever more iterations until the solver stops by itself or the next run would be too long."""
    most = first
    while True:
        run = partial(solve, threshold, most)
        seconds, result = timed(run)
        affordable = int(most * _SAFE * deadline.left / seconds)
        if result.niter < most or affordable < 2 * most:
            return Trial(seconds, result, run, cut=result.niter >= most)
        most = min(_MORE * most, affordable)


def _kind(problem: Problem) -> tuple[int, float]:
    return problem.x.shape[-1], problem.relative
