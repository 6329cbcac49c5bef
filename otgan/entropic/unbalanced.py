"""Unbalanced entropic transport: the marginals are penalties ρ KL(P1 | a) + ρ KL(Pᵀ1 | b).

The dual is −ρ ⟨a, e^(−f/ρ) − 1⟩ − ρ ⟨b, e^(−g/ρ) − 1⟩ − ε (mass(P) − mass(a) mass(b)). Each step is a soft minimum
damped by ρ/(ρ + ε) (Chizat et al. 2018), followed by the best common shift of both potentials, which is closed-form
and takes out the slowest direction (Séjourné, Vialard & Peyré 2022).
"""

from __future__ import annotations

import math

from otgan.deadline import Deadline
from otgan.entropic.problem import Limits, Problem, Solution
from otgan.entropic.schedule import levels
from otgan.entropic.tuning import TUNING
from otgan.geometry.kernel import Kernel, log_sum_exp
from otgan.namespace import Array, full, namespace

__all__ = ["solve"]

_STAGE_CHANGE = 0.1
"""Change of the potentials, in units of ε, at which a stage that is not the last one ends."""

_STAGE_ACCURACY = 1e-3
"""Marginal error that the kernel of such a stage must be good for."""

_STAGE_STEPS = 20
"""Steps after which a stage that is not the last one ends anyway."""

_LOST = 1e-30
"""Sum over a kernel below which its terms are lost to underflow, in float32 or soon."""

_Absorbed = tuple[Kernel, Array, Array]
"""A kernel and the potentials absorbed in it, −inf at points of weight 0."""


def solve(problem: Problem, limits: Limits, first: Array) -> Solution:
    """Solve a batch of problems whose marginals are penalties.

    Parameters
    ----------
    problem : Problem
        With a ρ. Where it is symmetric f = g, and averaged steps converge fast at every ε.
    limits : Limits
    first : Array, shape (B,)
        ε of the first stage.

    Returns
    -------
    Solution
        Its ``error`` is the change of the potentials in the last step, in units of ε.
    """
    state, most = _State(problem, limits.deadline), limits.max_iter
    for level in [] if problem.symmetric else levels(first, problem.epsilon):
        if state.passes >= most - 1 or limits.deadline.passed:
            break
        # One pass is kept for ε itself, whose change tells how far the result is from the solution.
        state.run(level, _STAGE_CHANGE, min(state.passes + _STAGE_STEPS, most - 1), _STAGE_ACCURACY)
    change = state.run(problem.epsilon, limits.tol, most, limits.tol)
    excess, _ = problem.measured(state.f, state.g)
    passes = full(change.shape, round(state.passes), change, namespace(change).int64)
    return Solution(state.f, state.g, excess, change, passes)


class _State:
    """Potentials f and g, held relative to an absorbed kernel while one ε is iterated."""

    def __init__(self, problem: Problem, deadline: Deadline) -> None:
        assert problem.rho is not None
        self.deadline, self.symmetric = deadline, problem.symmetric
        self.geometry, self.a, self.b, self.rho = problem.geometry, problem.a, problem.b, problem.rho[:, None]
        self.xp = namespace(self.a)
        self.f, self.g = self.xp.zeros_like(self.a), self.xp.zeros_like(self.b)
        self.passes = 0.0

    def run(self, epsilon: Array, tol: float, limit: float, accuracy: float) -> Array:
        """Step at one ε until the potentials change by less than `tol` ε; return the last change."""
        scale = epsilon[:, None]
        damping = self.rho / (self.rho + scale)
        absorbed: _Absorbed | None = None
        deep = False
        change = self.xp.full_like(epsilon, math.inf)
        begun = self.passes  # one step at least is taken at this ε, which tells how far the potentials are
        while self.passes < limit and not (self.passes > begun and self.deadline.passed):
            step = None
            if absorbed is not None and not self._far(absorbed, scale):
                step = self._kernel_step(absorbed, scale, damping)
                # Points beyond each other's reach exchange masses that no kernel holds: log-domain from now on.
                deep = step is None
            if step is None:
                step = self._log_step(epsilon, damping)
                absorbed = None if deep else self._absorb(epsilon, step, accuracy)
            f, g = step
            self.passes += 1
            change = self._largest(self._moved(f, self.f, self.a), self._moved(g, self.g, self.b)) / epsilon
            self.f, self.g = f, g
            if bool(((change <= tol) | ~self.xp.isfinite(change)).all()):
                break
        return change

    def _log_step(self, epsilon: Array, damping: Array) -> tuple[Array, Array]:
        scale = epsilon[:, None]
        f = damping * self.geometry.softmin(epsilon, self.g + scale * self.xp.log(self.b), 1)
        if self.symmetric:
            return self._averaged(f)
        f, g = self._shifted(f, self.g)
        g = damping * self.geometry.softmin(epsilon, f + scale * self.xp.log(self.a), 0)
        return self._shifted(f, g)

    def _absorb(self, epsilon: Array, step: tuple[Array, Array], accuracy: float) -> _Absorbed:
        f, g = (self.xp.where(w == 0, -math.inf, h) for h, w in zip(step, (self.a, self.b), strict=True))
        return self.geometry.kernel(epsilon, f, g, accuracy), f, g

    def _kernel_step(self, absorbed: _Absorbed, scale: Array, damping: Array) -> tuple[Array, Array] | None:
        """Take the step of :meth:`_log_step` by products with the kernel; None where they leave its range."""
        (kernel, f0, g0), xp = absorbed, self.xp
        light_x, light_y = self.a == 0, self.b == 0
        v = xp.exp(xp.where(light_y, 0.0, (self.g - g0) / scale))
        sums = xp.where(light_x, 1.0, kernel(self.b * v, 1))
        if not _in_range(sums):
            return None
        f = damping * xp.where(light_x, 0.0, f0 - scale * xp.log(sums))
        if self.symmetric:
            return self._averaged(f)
        f, g = self._shifted(f, self.g)
        u = xp.exp(xp.where(light_x, 0.0, (f - f0) / scale))
        sums = xp.where(light_y, 1.0, kernel(self.a * u, 0))
        if not _in_range(sums):
            return None
        g = damping * xp.where(light_y, 0.0, g0 - scale * xp.log(sums))
        return self._shifted(f, g)

    def _averaged(self, f: Array) -> tuple[Array, Array]:
        f = 0.5 * (self.f + f)
        return f, f

    def _shifted(self, f: Array, g: Array) -> tuple[Array, Array]:
        """Add to f and take from g the constant that makes the dual largest."""
        sides = [
            log_sum_exp(h / -self.rho + self.xp.log(w), 1)[:, None] for h, w in ((f, self.a), (g, self.b))
        ]
        shift = 0.5 * self.rho * (sides[0] - sides[1])
        return f + shift, g - shift

    def _far(self, absorbed: _Absorbed, scale: Array) -> bool:
        _, f0, g0 = absorbed
        moved = [self._moved(self.f, f0, self.a) / scale, self._moved(self.g, g0, self.b) / scale]
        return float(self._largest(*moved).max()) > TUNING.far

    def _moved(self, new: Array, old: Array, weights: Array) -> Array:
        return self.xp.where(weights == 0, 0.0, abs(new - old))

    def _largest(self, *parts: Array) -> Array:
        """The largest number of each problem, shape (B,)."""
        return self.xp.max(self.xp.concat(parts, axis=1), axis=1)


def _in_range(sums: Array) -> bool:
    return bool(((sums > _LOST) & (sums < math.inf)).all())
