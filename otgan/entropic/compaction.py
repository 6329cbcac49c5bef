"""The end of a solve: problems that are done leave the batch, which gets smaller; their errors are verified.

A stored kernel is rounded, and so is the error that is seen through it. What leaves is measured anew in float64, and goes
on with a tighter goal where rounding had hidden what was left.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from otgan.entropic.iterate import Iterate, least_of
from otgan.entropic.newton import Newton
from otgan.entropic.problem import Limits, Problem, Solution
from otgan.entropic.steps import run_stage
from otgan.entropic.tuning import TUNING
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
    left = _Left.of(problem)
    index = torch.arange(len(left.passes), device=left.passes.device)
    goal = limits.tol
    while True:
        certain = iterate.kernel.exact and iterate.tol >= TUNING.legible
        taken = round(count) + (0 if certain else 1)
        left.drain(iterate, newton, goal, limits.max_iter - count, index, taken)
        late = limits.deadline.passed
        gave_up = ~(left.error[index] <= goal)
        if not (certain and bool(torch.isfinite(left.error).all())):
            left.verify(problem, index)
        error = left.error[index]
        wrong = (
            (error > limits.tol) & torch.isfinite(error) & ~gave_up & (left.passes[index] < limits.max_iter)
        )
        # Below the rounding of sums no goal is tighter: what is left of the error is that of the potentials themselves.
        if late or goal < UNIT or not bool(wrong.any()):
            return left.solution(problem)
        goal, index, newton = goal / _TIGHTER, index[wrong], newton.take(wrong.nonzero()[:, 0])
        count = float(left.passes[index].max())
        left.passes[index] = 0
        iterate = Iterate(problem.take(index), left.f[index], left.g[index], goal, least_of(goal))


@dataclass(frozen=True, eq=False)
class _Left:
    """What the problems that have left the batch were left with."""

    f: Tensor
    g: Tensor
    excess: Tensor
    error: Tensor
    passes: Tensor

    @classmethod
    def of(cls, problem: Problem) -> _Left:
        zero = torch.zeros_like(problem.epsilon)
        passes = torch.zeros_like(zero, dtype=torch.int64)
        return cls(torch.zeros_like(problem.a), torch.zeros_like(problem.b), zero, zero.clone(), passes)

    def drain(
        self, iterate: Iterate, newton: Newton, goal: float, budget: float, index: Tensor, taken: int
    ) -> None:
        """Step until every problem has reached `goal` or the budget is spent, in smaller and smaller batches.

        What they end with goes to the rows `index`, and `taken` passes are added to what each of them takes.
        """
        active = torch.arange(index.shape[0], device=index.device)
        while True:
            run_stage(iterate, newton, goal, budget, compact=active.shape[0] > 1)
            leave = iterate.error <= goal
            if iterate.passes >= budget or newton.deadline.passed:
                leave = torch.ones_like(leave)
            elif iterate.rescues >= TUNING.rescues:
                # Hopeless problems go; the others have their rescues again.
                leave, iterate.rescues = leave | iterate.broken(), 0
            to, (f, g) = index[active[leave]], iterate.potentials()
            self.f[to], self.g[to] = f[leave], g[leave]
            self.excess[to] = torch.linalg.vecdot(iterate.b, iterate.ratio - 1)[leave]
            self.error[to] = iterate.error.masked_fill(iterate.broken(), torch.inf)[leave]
            self.passes[to] += taken + round(iterate.passes)
            if bool(leave.all()):
                return
            keep = (~leave).nonzero()[:, 0]
            active, iterate, newton = active[keep], iterate.take(keep), newton.take(keep)

    def verify(self, problem: Problem, index: Tensor) -> None:
        """Compute the plan's mass and the marginal error of the problems `index` anew, from the potentials."""
        self.excess[index], self.error[index] = problem.take(index).measured(self.f[index], self.g[index])

    def solution(self, problem: Problem) -> Solution:
        """Return the whole; what fills a ragged problem up was left out by a potential of −∞."""
        f, g = self.f.masked_fill(problem.a == 0, 0.0), self.g.masked_fill(problem.b == 0, 0.0)
        return Solution(f, g, self.excess, self.error, self.passes)
