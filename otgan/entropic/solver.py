"""The choice among the entropic solvers: each problem goes to the one that suits it."""

from __future__ import annotations

from dataclasses import replace

from otgan.entropic import balanced, diffuse, symmetric, unbalanced
from otgan.entropic.problem import Limits, Problem, Solution
from otgan.entropic.ragged import Assembly
from otgan.entropic.tuning import TUNING
from otgan.namespace import Array, double, namespace

__all__ = ["solve"]


def solve(problem: Problem, limits: Limits, init: Array | None = None) -> Solution:
    """Solve a batch of problems of one size.

    Parameters
    ----------
    problem : Problem
    limits : Limits
    init : Array, shape (B, m), optional
        Potential g to start from, of balanced problems.
    """
    wide = diffuse.is_diffuse(problem)
    if bool(wide.all()):
        return diffuse.solve(problem, limits)
    if bool(wide.any()):
        assembly = Assembly(problem.a, problem.b)
        for which in (wide, ~wide):
            k = namespace(which).nonzero(which)[0]
            assembly.add(k, solve(problem.take(k), limits, None if init is None else init[k]))
        return assembly.solution()
    if problem.symmetric and problem.balanced:
        return symmetric.solve(problem, replace(limits, tol=TUNING.self_share * limits.tol))
    first = problem.epsilon if problem.symmetric else _first(problem)
    if not problem.balanced:
        return unbalanced.solve(problem, limits, first)
    return balanced.solve(problem, limits, first, init)


def _first(problem: Problem) -> Array:
    """ε of the first stage: a share of the mean over points, however light: each needs its potential annealed."""
    heavy = [double(weights > 0) for weights in (problem.a, problem.b)]
    return TUNING.first * problem.geometry.mean_cost(heavy[0], heavy[1])
