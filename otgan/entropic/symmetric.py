"""Self-transport OT_ε(x, x): one potential, a fixed point that every step brings at least half as near.

At the solution f = g = T f, where T is the softmin over x. The averaged step f <- ½ (f + T f) has the derivative
½ (I − M) with M a positive semidefinite Markov operator wherever the kernel exp(−C/ε) is positive semidefinite
(p <= 2), so its error falls by two or more a pass at every ε, without annealing. Source: Feydy et al. 2019.
"""

from __future__ import annotations

import torch

from otgan.entropic.problem import Limits, Problem, Solution

__all__ = ["solve"]


def solve(problem: Problem, limits: Limits) -> Solution:
    """Solve a batch of balanced problems between x and itself; the solution has g = f."""
    geometry, a, epsilon = problem.geometry, problem.a, problem.epsilon
    tol, max_iter, deadline = limits.tol, limits.max_iter, limits.deadline
    scale = epsilon[:, None]
    zero = torch.zeros_like(a)
    aim, count = tol, 0
    u = torch.ones_like(a)
    while True:
        # C is 0 on the diagonal, so the kernel at potential 0 has entries between 0 and 1 and rows that count.
        kernel = geometry.kernel(epsilon, zero, zero, aim)
        while count < max_iter and not deadline.passed:
            sums = kernel(a * u, 1)
            count += 1
            error = 2 * (a * (u * sums - 1).abs()).sum(1)
            if bool((error <= 0.5 * aim).all()):
                break
            u = (u / sums).sqrt()
        f = scale * u.log()
        row_sums, _ = geometry.marginals(epsilon, f, f, a, a)
        error = 2 * (row_sums - a).abs().sum(1)
        if bool(((error <= tol) | ~torch.isfinite(error)).all()) or count >= max_iter or deadline.passed:
            passes = torch.full(a.shape[:1], count, dtype=torch.int64, device=a.device)
            return Solution(f, f, (row_sums - a).sum(1), error, passes)
        aim = aim / 4
