"""The balanced solver: one loop over the geometry seam, for every backend.

It minimizes ⟨P, C⟩ + ε KL(P | a⊗b) over plans with marginals a and b through the potentials (f, g) of
P = a b exp((f + g − C)/ε):

1. begin at a start that is given, or that a whole-solve kernel makes, if it is near (what it solved to the tolerance is
   done); else at f = min C, g = 0;
2. anneal: lower ε stage by stage (:mod:`otgan.entropic.schedule`), each until its marginals are roughly right;
3. in each stage take a few plain Sinkhorn steps, and then Newton steps (:mod:`otgan.entropic.newton`), whose systems
   are solved by conjugate gradients on products with one stored kernel;
4. at ε itself finish each problem of the batch on its own (:mod:`otgan.entropic.compaction`), on errors recomputed in
   float64.

Sources: Cuturi 2013 (Sinkhorn); Kosowsky & Yuille 1994 (annealing); Schmitzer 2019 (absorbed kernels); Brauer et al.
2017 and Tang et al. 2024 (Newton).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from otgan.coupling import center
from otgan.entropic.compaction import finish
from otgan.entropic.gauge import leveled
from otgan.entropic.iterate import Iterate, least_of
from otgan.entropic.newton import Newton
from otgan.entropic.problem import Limits, Problem, Solution
from otgan.entropic.ragged import Assembly
from otgan.entropic.schedule import stages
from otgan.entropic.start import Start
from otgan.entropic.starters import start_of
from otgan.entropic.steps import run_stage
from otgan.entropic.tuning import TUNING
from otgan.geometry.accuracy import SINGLE
from otgan.namespace import Array, arange, namespace

__all__ = ["solve"]


def solve(problem: Problem, limits: Limits, first: Array, init: Array | None = None) -> Solution:
    """Solve a batch of balanced problems.

    Parameters
    ----------
    problem : Problem
    limits : Limits
    first : Array, shape (B,)
        ε of the first stage, usually a share of the mean cost.
    init : Array, shape (B, m), optional
        Potential g to start from at ε itself, without annealing.

    Returns
    -------
    Solution
        Where ``error > tol`` the problem did not converge within max_iter, or before the deadline.
    """
    if init is None and (start := start_of(problem, _largest(first, problem.epsilon), limits)):
        return _verified(problem, limits, first, start)
    return _solve(problem, limits, first, init)


def _verified(problem: Problem, limits: Limits, first: Array, start: Start) -> Solution:
    """Measure what a starter found, and go on where it is not solved."""
    if start.f is None:
        solution = _solve(problem, limits, first, start.g)
        return replace(solution, iterations=solution.iterations + start.passes)
    f, g = center(
        start.f, start.g, problem.a, problem.b
    )  # which rounds them: what is measured is then what is returned
    found = Solution(f, g, *problem.measured(f, g), start.passes + 1)
    open_ = ~(found.error <= limits.tol)
    if not bool(open_.any()):
        return found
    index = namespace(open_).nonzero(open_)[0]
    left = replace(limits, max_iter=max(1, limits.max_iter - int(start.passes[index].max())))
    rest = _solve(problem.take(index), left, first[index], start.g[index])
    assembly = Assembly(problem.a, problem.b)
    assembly.add(arange(len(open_), index), found)
    assembly.add(index, replace(rest, iterations=rest.iterations + found.iterations[index]))
    return assembly.solution()


def _solve(problem: Problem, limits: Limits, first: Array, init: Array | None) -> Solution:
    begin = _begin(problem, limits, first, init)
    f, g, count = begin.f, begin.g, begin.count
    newton = Newton(patient=True, deadline=limits.deadline)
    for stage in stages(begin.epsilon, problem.epsilon, limits.tol):
        if stage.annealing and (limits.deadline.passed or count >= limits.max_iter):
            continue
        least = None if stage.annealing else least_of(limits.tol)
        iterate = Iterate(problem.at(stage.epsilon), f, g, stage.goal, least)
        if iterate.parts:
            # As accurate as it needs to be, at the price of a rough one: there is no kernel to change to on the way.
            iterate.tol = limits.tol
            return finish(problem, limits, iterate, newton, count)
        method = Newton(patient=False, deadline=limits.deadline) if stage.annealing else newton
        passes = min(stage.passes, limits.max_iter - count)
        run_stage(iterate, method, stage.goal, passes, settle=stage.annealing)
        f, g = iterate.potentials()
        if stage.annealing and problem.geometry.direct:
            # The costs are large beside ε: so would be the rounding of these.
            f, g = leveled(problem.geometry, problem.a, problem.b, stage.epsilon, f, g)
        count += iterate.passes
    least = least_of(limits.tol) if limits.tol < SINGLE else None
    return finish(problem, limits, Iterate(problem, f, g, limits.tol, least), newton, count)


@dataclass(frozen=True, eq=False)
class _Begin:
    """Where a solve begins.

    Attributes
    ----------
    f, g : Array, shapes (B, n) and (B, m)
    epsilon : Array, shape (B,)
        ε of the first stage.
    count : float
        Passes that it took.
    """

    f: Array
    g: Array
    epsilon: Array
    count: float


def _begin(problem: Problem, limits: Limits, first: Array, init: Array | None) -> _Begin:
    count = 0.5
    if init is not None:
        # The hard minimum is as good to absorb as the soft one here, and cheaper.
        near = Iterate(problem, problem.hard_f(init), init, TUNING.stage_tol)
        # A start whose error at ε is large would be slower than annealing: it is dropped.
        warm = bool((near.sweep() < TUNING.warm).all())
        if warm:
            near.plain_step()
        count += near.passes + 0.5
        if warm:
            return _Begin(*near.potentials(), problem.epsilon, count)
    g = namespace(problem.b).zeros_like(problem.b)
    return _Begin(problem.hard_f(g), g, _largest(first, problem.epsilon), count)


def _largest(first: Array, epsilon: Array) -> Array:
    return namespace(epsilon).maximum(first, epsilon)
