"""Unbalanced entropic transport: the marginals are penalties ρ KL(P1 | a) + ρ KL(Pᵀ1 | b).

The dual is −ρ ⟨a, e^(−f/ρ) − 1⟩ − ρ ⟨b, e^(−g/ρ) − 1⟩ − ε (mass(P) − mass(a) mass(b)). Each step is a soft minimum
damped by ρ/(ρ + ε) (Chizat et al. 2018), followed by the best common shift of both potentials, which is closed-form
and takes out the slowest direction (Séjourné, Vialard & Peyré 2022).
"""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.deadline import NEVER, Deadline
from otgan.entropic.annealing import levels
from otgan.entropic.solver import Solution
from otgan.geometry.base import Geometry
from otgan.geometry.kernel import Kernel

__all__ = ["solve_unbalanced"]

_STAGE_CHANGE = 0.1
"""Change of the potentials, in units of ε, at which a stage that is not the last one ends."""

_STAGE_STEPS = 20
"""Steps after which a stage that is not the last one ends anyway."""

_FAR = 30.0
"""Exponent by which the potentials may leave the absorbed ones."""

_LOST = 1e-30
"""Sum over a kernel below which its terms are lost to underflow, in float32 or soon."""

_Absorbed = tuple[Kernel, Tensor, Tensor]
"""A kernel and the potentials absorbed in it, −inf at points of weight 0."""


def solve_unbalanced(
    geometry: Geometry,
    a: Tensor,
    b: Tensor,
    epsilon: Tensor,
    rho: Tensor,
    *,
    start: Tensor,
    tol: float,
    max_iter: int,
    symmetric: bool = False,
    deadline: Deadline = NEVER,
) -> Solution:
    """Solve a batch of unbalanced problems.

    Parameters
    ----------
    geometry : Geometry
    a, b : Tensor, shapes (B, n) and (B, m), float64
        Weights of any total.
    epsilon, rho : Tensor, shape (B,), float64
    start : Tensor, shape (B,)
        ε of the first stage.
    tol : float
        Change of the potentials in one step, in units of ε, at which to stop.
    max_iter : int
        Passes over the kernel after which to stop.
    symmetric : bool
        Whether x and y are the same measure: then f = g, and averaged steps converge fast at every ε.
    deadline : Deadline

    Returns
    -------
    Solution
        Its ``error`` is the change of the potentials in the last step, in units of ε.
    """
    state = _State(geometry, a, b, rho, symmetric, deadline)
    if not symmetric:
        for level in levels(start, epsilon):
            if state.passes >= max_iter - 1 or deadline.passed:
                break
            # One pass is kept for ε itself, whose change tells how far the result is from the solution.
            state.run(level, _STAGE_CHANGE, min(state.passes + _STAGE_STEPS, max_iter - 1), 1e-3)
    change = state.run(epsilon, tol, max_iter, tol)
    f, g = state.f, state.g
    row_sums, _ = geometry.marginals(epsilon, f, g, a, b)
    passes = torch.full(a.shape[:1], round(state.passes), dtype=torch.int64, device=a.device)
    return Solution(f, g, row_sums.sum(1) - a.sum(1) * b.sum(1), change, passes)


class _State:
    """Potentials f and g, held relative to an absorbed kernel while one ε is iterated."""

    def __init__(
        self, geometry: Geometry, a: Tensor, b: Tensor, rho: Tensor, symmetric: bool, deadline: Deadline
    ) -> None:
        self.deadline = deadline
        self.geometry, self.a, self.b, self.rho, self.symmetric = geometry, a, b, rho[:, None], symmetric
        self.f, self.g = torch.zeros_like(a), torch.zeros_like(b)
        self.passes = 0.0

    def run(self, epsilon: Tensor, tol: float, limit: float, accuracy: float) -> Tensor:
        """Step at one ε until the potentials change by less than `tol` ε; return the last change."""
        scale = epsilon[:, None]
        damping = self.rho / (self.rho + scale)
        absorbed: _Absorbed | None = None
        deep = False
        change = torch.full_like(epsilon, torch.inf)
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
            moved = torch.cat([self._moved(f, self.f, self.a), self._moved(g, self.g, self.b)], 1)
            change = moved.amax(1) / epsilon
            self.f, self.g = f, g
            if bool(((change <= tol) | ~torch.isfinite(change)).all()):
                break
        return change

    def _log_step(self, epsilon: Tensor, damping: Tensor) -> tuple[Tensor, Tensor]:
        scale = epsilon[:, None]
        f = damping * self.geometry.softmin(epsilon, self.g + scale * self.b.log(), 1)
        if self.symmetric:
            return self._averaged(f)
        f, g = self._shifted(f, self.g)
        g = damping * self.geometry.softmin(epsilon, f + scale * self.a.log(), 0)
        return self._shifted(f, g)

    def _absorb(self, epsilon: Tensor, step: tuple[Tensor, Tensor], accuracy: float) -> _Absorbed:
        f, g = (h.masked_fill(w == 0, -torch.inf) for h, w in zip(step, (self.a, self.b), strict=True))
        return self.geometry.kernel(epsilon, f, g, accuracy), f, g

    def _kernel_step(
        self, absorbed: _Absorbed, scale: Tensor, damping: Tensor
    ) -> tuple[Tensor, Tensor] | None:
        """Take the step of :meth:`_log_step` by products with the kernel; None where they leave its range."""
        kernel, f0, g0 = absorbed
        light_x, light_y = self.a == 0, self.b == 0
        v = ((self.g - g0) / scale).masked_fill(light_y, 0.0).exp()
        sums = kernel(self.b * v, 1).masked_fill(light_x, 1.0)
        if not _in_range(sums):
            return None
        f = damping * (f0 - scale * sums.log()).masked_fill(light_x, 0.0)
        if self.symmetric:
            return self._averaged(f)
        f, g = self._shifted(f, self.g)
        u = ((f - f0) / scale).masked_fill(light_x, 0.0).exp()
        sums = kernel(self.a * u, 0).masked_fill(light_y, 1.0)
        if not _in_range(sums):
            return None
        g = damping * (g0 - scale * sums.log()).masked_fill(light_y, 0.0)
        return self._shifted(f, g)

    def _averaged(self, f: Tensor) -> tuple[Tensor, Tensor]:
        f = 0.5 * (self.f + f)
        return f, f

    def _shifted(self, f: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """Add to f and take from g the constant that makes the dual largest."""
        sides = [(h / -self.rho + w.log()).logsumexp(1, keepdim=True) for h, w in ((f, self.a), (g, self.b))]
        shift = 0.5 * self.rho * (sides[0] - sides[1])
        return f + shift, g - shift

    def _far(self, absorbed: _Absorbed, scale: Tensor) -> bool:
        _, f0, g0 = absorbed
        moved = [self._moved(self.f, f0, self.a) / scale, self._moved(self.g, g0, self.b) / scale]
        return float(torch.cat(moved, 1).amax()) > _FAR

    @staticmethod
    def _moved(new: Tensor, old: Tensor, weights: Tensor) -> Tensor:
        return (new - old).abs().masked_fill(weights == 0, 0.0)


def _in_range(sums: Tensor) -> bool:
    return bool(((sums > _LOST) & (sums < torch.inf)).all())
