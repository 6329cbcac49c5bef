"""The end of a solve: problems that are done leave the batch, which gets smaller; their errors are verified.

A stored kernel is rounded, and so is the error that is seen through it. What leaves is measured anew in float64, and goes
on with a tighter goal where rounding had hidden what was left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from otgan.entropic.iterate import Iterate, least_of
from otgan.entropic.newton import Newton
from otgan.entropic.problem import Limits, Problem, Solution
from otgan.entropic.steps import run_stage
from otgan.entropic.tuning import TUNING
from otgan.namespace import Array, arange, namespace
from otgan.rounding import UNIT

__all__ = ["finish"]

_TIGHTER = 4.0
"""By how much the goal is tightened where an error was more than it seemed."""


def finish(
    problem: Problem,
    limits: Limits,
    iterate: Iterate,
    newton: Newton,
    count: float,
) -> Solution:
    """Bring every problem of a batch to the tolerance, at ε itself.

    Parameters
    ----------
    problem : Problem
    limits : Limits
    iterate : Iterate
        At ε, on a kernel that is accurate enough for the tolerance.
    newton : Newton
    count : float
        Passes taken so far by all problems.
    """
    left, xp = _Left.of(problem), namespace(problem.a)
    index = arange(len(left.passes), left.passes)
    goal = limits.tol
    while True:
        certain = iterate.kernel.exact and iterate.tol >= TUNING.legible
        taken = round(count) + (0 if certain else 1)
        left.drain(iterate, newton, goal, limits.max_iter - count, index, taken)
        late = limits.deadline.passed
        gave_up = ~(left.error[index] <= goal)
        if not (certain and bool(xp.isfinite(left.error).all())):
            left.verify(problem, index)
        error = left.error[index]
        wrong = (error > limits.tol) & xp.isfinite(error) & ~gave_up & (left.passes[index] < limits.max_iter)
        # Below the rounding of sums no goal is tighter: what is left of the error is that of the potentials themselves.
        if late or goal < UNIT or not bool(wrong.any()):
            return left.solution(problem)
        goal, index, newton = goal / _TIGHTER, index[wrong], newton.take(xp.nonzero(wrong)[0])
        count = float(left.passes[index].max())
        left.passes[index] = 0
        iterate = Iterate(problem.take(index), left.f[index], left.g[index], goal, least_of(goal))


@dataclass(frozen=True, eq=False)
class _Left:
    """What the problems that have left the batch were left with."""

    f: Array
    g: Array
    excess: Array
    error: Array
    passes: Array

    @classmethod
    def of(cls, problem: Problem) -> _Left:
        xp = namespace(problem.a)
        f, g, excess, error = map(xp.zeros_like, (problem.a, problem.b, problem.epsilon, problem.epsilon))
        return cls(f, g, excess, error, xp.zeros_like(error, dtype=xp.int64))

    def drain(
        self, iterate: Iterate, newton: Newton, goal: float, budget: float, index: Array, taken: int
    ) -> None:
        """Step until every problem has reached `goal` or the budget is spent, in smaller and smaller batches.

        What they end with goes to the rows `index`, and `taken` passes are added to what each of them takes.
        """
        active, xp = arange(index.shape[0], index), namespace(iterate.a)
        while True:
            run_stage(iterate, newton, goal, budget, compact=active.shape[0] > 1)
            leave = iterate.error <= goal
            if iterate.passes >= budget or newton.deadline.passed:
                leave = xp.ones_like(leave)
            elif iterate.rescues >= TUNING.rescues:
                # Hopeless problems go; the others have their rescues again.
                leave, iterate.rescues = leave | iterate.broken(), 0
            to, (f, g) = index[active[leave]], iterate.potentials()
            self.f[to], self.g[to] = f[leave], g[leave]
            self.excess[to] = xp.linalg.vecdot(iterate.b, iterate.ratio - 1)[leave]
            self.error[to] = xp.where(iterate.broken(), math.inf, iterate.error)[leave]
            self.passes[to] += taken + round(iterate.passes)
            if bool(leave.all()):
                return
            keep = xp.nonzero(~leave)[0]
            active, iterate, newton = active[keep], iterate.take(keep), newton.take(keep)

    def verify(self, problem: Problem, index: Array) -> None:
        """Compute the plan's mass and the marginal error of the problems `index` anew, from the potentials."""
        self.excess[index], self.error[index] = problem.take(index).measured(self.f[index], self.g[index])

    def solution(self, problem: Problem) -> Solution:
        """Return the whole; what fills a ragged problem up was left out by a potential of −∞."""
        xp = namespace(self.f)
        f, g = xp.where(problem.a == 0, 0.0, self.f), xp.where(problem.b == 0, 0.0, self.g)
        return Solution(f, g, self.excess, self.error, self.passes)
