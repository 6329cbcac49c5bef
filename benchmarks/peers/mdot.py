"""MDOT-TNT: mirror descent with truncated Newton projections.

Its licence allows non-commercial research alone. It is therefore in no extra of this package, and measured only where
somebody has installed it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from benchmarks.costs import quickest
from benchmarks.peers.contender import FEW, TELLING, Attempt, Contender, finite, out_of_reach
from benchmarks.problems import Problem, marginal_error
from benchmarks.timing import LateError, at_most, timed

__all__ = ["Mdot"]


class Mdot(Contender):
    """`mdot_tnt.solve_OT` without its rounding, which would give another plan; it has no tolerance to turn."""

    name, package = "MDOT-TNT", "mdot-tnt"

    def __init__(self) -> None:
        self._took: dict[tuple[int, float], tuple[int, float]] = {}

    def attempt(self, problem: Problem, tol: float, limit: float) -> Attempt:
        """Solve once, on costs between 0 and 1."""
        import mdot_tnt

        del tol  # it stops at an error of its own
        costs, epsilon = quickest(problem), problem.epsilon

        def run() -> Tensor:
            cost = costs(problem)
            # A batch has one temperature: each matrix is in units of its ε, then all are scaled alike.
            if problem.batched:
                cost.div_(epsilon[:, None, None])
                top = float(cost.max())
                solve: Any = mdot_tnt.solve_OT_batched
            else:
                top, solve = float(cost.max()), mdot_tnt.solve_OT
            gamma = top if problem.batched else top / float(epsilon)
            return solve(problem.a, problem.b, cost.div_(top), gamma_f=gamma, return_plan=True, round=False)

        kind, n = (problem.x.shape[-1], problem.relative), problem.shape[0]
        before, took = self._took.get(kind, (n, 0.0))
        predicted = took * (n / before) ** 2
        if predicted > limit:
            return out_of_reach(predicted / FEW)
        try:
            with at_most(limit), torch.no_grad():
                seconds, plan = timed(run)
        except LateError:
            return Attempt(limit, math.inf, "", run, words="(stopped)")
        if n >= TELLING:
            self._took[kind] = (n, seconds)
        return Attempt(seconds, finite(marginal_error(problem, plan)), "", run)
