"""Self-transport OT_ε(x, x): one potential, a fixed point that every step brings at least half as near.

At the solution f = g = T f, where T is the softmin over x. The averaged step f <- ½ (f + T f) has the derivative
½ (I − M) with M a positive semidefinite Markov operator wherever the kernel exp(−C/ε) is positive semidefinite
(p <= 2), so its error falls by two or more a pass at every ε, without annealing. Source: Feydy et al. 2019.
"""

from __future__ import annotations

from dataclasses import replace

from otgan.entropic.problem import Limits, Problem, Solution
from otgan.entropic.starters import start_of_self
from otgan.namespace import Array, full, namespace

__all__ = ["solve"]


def solve(problem: Problem, limits: Limits) -> Solution:
    """Solve a batch of balanced problems between x and itself; the solution has g = f."""
    start = start_of_self(problem, limits)
    if start is None:
        return _solve(problem, limits)
    assert start.f is not None
    found = _measured(problem, start.f, start.passes + 1)
    if bool((found.error <= limits.tol).all()):
        return found
    # What a starter leaves open is rare, and begun again with all the others.
    again = _solve(problem, replace(limits, max_iter=max(1, limits.max_iter - int(start.passes.max()))))
    return replace(again, iterations=again.iterations + start.passes)


def _measured(problem: Problem, f: Array, passes: Array) -> Solution:
    row_sums, _ = problem.marginals(f, f)
    return Solution(f, f, (row_sums - problem.a).sum(1), 2 * abs(row_sums - problem.a).sum(1), passes)


def _solve(problem: Problem, limits: Limits) -> Solution:
    geometry, a, epsilon = problem.geometry, problem.a, problem.epsilon
    tol, max_iter, deadline = limits.tol, limits.max_iter, limits.deadline
    scale, xp = epsilon[:, None], namespace(a)
    zero, u = xp.zeros_like(a), xp.ones_like(a)
    aim, count = tol, 0
    while True:
        # C is 0 on the diagonal, so the kernel at potential 0 has entries between 0 and 1 and rows that count.
        kernel = geometry.kernel(epsilon, zero, zero, aim)
        while count < max_iter and not deadline.passed:
            sums = kernel(a * u, 1)
            count += 1
            error = 2 * (a * abs(u * sums - 1)).sum(1)
            if bool((error <= 0.5 * aim).all()):
                break
            u = xp.sqrt(u / sums)
        f = scale * xp.log(u)
        passes = full(a.shape[:1], count, a, xp.int64)
        found = _measured(problem, f, passes)
        solved = (found.error <= tol) | ~xp.isfinite(found.error)
        if bool(solved.all()) or count >= max_iter or deadline.passed:
            return found
        aim = aim / 4
