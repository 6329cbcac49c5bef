"""Entropic transport at ε far beyond the costs, where the plan is nearly the product of its marginals.

Exponents (f + g − C)/ε are so small that exp loses them beside 1, and with them every digit of value / ε. Here the sums
of weights are taken out first, log Σ b eᵗ = log Σ b + log1p(Σ b̄ expm1(t)), so that what is left keeps its accuracy at
every ε; and the steps, being contractions by about C/ε, arrive at once.
"""

from __future__ import annotations

import math

from otgan.entropic.problem import Limits, Problem, Solution
from otgan.entropic.tuning import TUNING
from otgan.namespace import Array, full, namespace

__all__ = ["is_diffuse", "solve"]


def is_diffuse(problem: Problem) -> Array:
    """Tell which problems have an ε far beyond their costs, shape (B,)."""
    return problem.epsilon >= TUNING.diffuse * problem.geometry.largest


def solve(problem: Problem, limits: Limits) -> Solution:
    """Solve a batch of problems, balanced or not."""
    a, b, epsilon = problem.a, problem.b, problem.epsilon
    steps, xp = _Steps(problem), namespace(a)
    f, g = xp.zeros_like(a), xp.zeros_like(b)
    count, change = 0, xp.full_like(epsilon, math.inf)
    while count < limits.max_iter and not (count and limits.deadline.passed):
        f_old, g_old, last = f, g, change
        f, g = steps.step(f, g)
        count += 1
        change = xp.max(xp.concat([abs(f - f_old), abs(g - g_old)], axis=1), axis=1)
        # Every step gains a digit: they go on to where only rounding moves the potentials.
        settled = (change >= 0.5 * last) | (change == 0)
        if bool((settled & (change <= limits.tol * epsilon)).all()):
            break
    error = steps.error(f, g) if problem.balanced else change / epsilon
    passes = full(a.shape[:1], count, a, xp.int64)
    return Solution(f, g, steps.excess(f, g), error, passes)


class _Steps:
    """Sinkhorn steps whose logarithms are taken of what differs from the total."""

    def __init__(self, problem: Problem) -> None:
        self.geometry, self.a, self.b = problem.geometry, problem.a, problem.b
        self.epsilon = problem.epsilon[:, None]
        self.mass_a, self.mass_b = self.a.sum(1)[:, None], self.b.sum(1)[:, None]
        self.rho = None if problem.rho is None else problem.rho[:, None]
        self.damping = 1.0 if self.rho is None else self.rho / (self.rho + self.epsilon)

    def step(self, f: Array, g: Array) -> tuple[Array, Array]:
        """Make the marginals right, first that of x, then that of y."""
        xp = namespace(f)
        rows, _ = self._means(xp.zeros_like(f), g)
        f = self._damped(rows, self.mass_b)
        _, columns = self._means(f, xp.zeros_like(g))
        g = self._damped(columns, self.mass_a)
        if self.rho is None:
            return f, g
        # The common shift that makes the dual largest, as in every unbalanced step.
        sides = [
            xp.log(mass) + xp.log1p((w * xp.expm1(-h / self.rho)).sum(1)[:, None] / mass)
            for h, w, mass in ((f, self.a, self.mass_a), (g, self.b, self.mass_b))
        ]
        shift = 0.5 * self.rho * (sides[0] - sides[1])
        return f + shift, g - shift

    def _damped(self, means: Array, mass: Array) -> Array:
        xp = namespace(means)
        logs = xp.log1p(means)
        if self.rho is not None:
            logs = logs + xp.log(mass)
        return -self.epsilon * self.damping * logs

    def _means(self, f: Array, g: Array) -> tuple[Array, Array]:
        """Means of expm1((f + g − C)/ε) over y for each x, and over x for each y, shapes (B, n) and (B, m)."""
        means = self.a / self.mass_a, self.b / self.mass_b
        return self.geometry.diffuse_means(self.epsilon[:, 0], f, g, *means)

    def error(self, f: Array, g: Array) -> Array:
        """L1 error of both marginals of a balanced problem."""
        rows, columns = self._means(f, g)
        return (self.a * abs(rows)).sum(1) + (self.b * abs(columns)).sum(1)

    def excess(self, f: Array, g: Array) -> Array:
        """Mass of the plan beyond that of the product of the weights."""
        rows, _ = self._means(f, g)
        return self.mass_b[:, 0] * (self.a * rows).sum(1)
