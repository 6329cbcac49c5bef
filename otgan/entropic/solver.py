"""The entropic solver: one loop over the geometry seam, for every backend.

It minimizes ⟨P, C⟩ + ε KL(P | a⊗b) over plans with marginals a and b through the potentials (f, g) of
P = a b exp((f + g − C)/ε). Annealing lowers ε stage by stage; each stage takes a few plain Sinkhorn steps and then
Newton steps (:mod:`otgan.entropic.newton`), whose systems are solved by conjugate gradients on products with one
stored kernel. Sources: Cuturi 2013 (Sinkhorn); Kosowsky & Yuille 1994 (annealing); Schmitzer 2019 (absorbed
kernels); Brauer et al. 2017 and Tang et al. 2024 (Newton).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from otgan.entropic.iterate import Iterate
from otgan.entropic.newton import Newton
from otgan.geometry.base import Geometry

__all__ = ["Solution", "solve"]

_FACTOR = 4.0
"""ε falls by this factor from stage to stage."""

_STAGE_TOL = 0.02
"""Marginal error at which a stage that is not the last one ends."""

_COARSE = 3e-5
"""Marginal error to which the last stage first goes on a kernel of the lowest accuracy."""

_PLAIN = 3
"""Plain Sinkhorn steps before the first Newton step of a stage."""

_STAGE_PASSES = 100
"""Passes after which a stage that is not the last one ends anyway: its result is only a start for the next."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Potentials of an entropic problem, batched, with what is known of them.

    Attributes
    ----------
    f, g : Tensor, shapes (B, n) and (B, m), float64
    total : Tensor, shape (B,)
        Mass of the plan, 1 to the accuracy of the solution.
    error : Tensor, shape (B,)
        ‖P1 − a‖₁ + ‖Pᵀ1 − b‖₁ recomputed in float64 from f and g (the change of the potentials, relative to ε,
        where the problem is unbalanced).
    iterations : Tensor, shape (B,)
        Passes over the kernel, one pass being a product with K and one with Kᵀ.
    """

    f: Tensor
    g: Tensor
    total: Tensor
    error: Tensor
    iterations: Tensor


def solve(
    geometry: Geometry,
    a: Tensor,
    b: Tensor,
    epsilon: Tensor,
    *,
    start: Tensor,
    tol: float,
    max_iter: int,
    init: Tensor | None = None,
) -> Solution:
    """Solve a batch of balanced entropic problems.

    Parameters
    ----------
    geometry : Geometry
        B problems of n times m points.
    a, b : Tensor, shapes (B, n) and (B, m), float64
        Weights, each row of total 1; zeros are ordinary.
    epsilon : Tensor, shape (B,), float64
    start : Tensor, shape (B,)
        ε of the first stage, usually the mean cost.
    tol : float
        Marginal error to reach, in L1.
    max_iter : int
        Passes over the kernel after which to stop.
    init : Tensor, shape (B, m), optional
        Potential g to start from at ε itself, without annealing.

    Returns
    -------
    Solution
        Where ``error > tol`` the problem did not converge within max_iter.
    """
    batch, n, m = geometry.shape
    device = a.device
    result_f = torch.zeros(batch, n, dtype=torch.float64, device=device)
    result_g = torch.zeros(batch, m, dtype=torch.float64, device=device)
    result_total, result_error = torch.ones_like(epsilon), torch.full_like(epsilon, torch.inf)
    passes = torch.zeros(batch, dtype=torch.int64, device=device)
    active = torch.arange(batch, device=device)

    level = epsilon if init is not None else torch.maximum(start, epsilon)
    g = torch.zeros_like(b) if init is None else init
    f = geometry.softmin(level, g + level[:, None] * b.log(), 1)
    count = 0.5
    while not bool((level <= epsilon).all()) and count < max_iter:
        iterate = Iterate(geometry, a, b, level, f, g, _STAGE_TOL)
        f, g = _stage(
            iterate, Newton(patient=False), _STAGE_TOL, min(_STAGE_PASSES, max_iter - count), last=False
        )
        count += iterate.passes
        level = torch.maximum(level / _FACTOR, epsilon)

    newton = Newton(patient=True)
    aim = max(tol, _COARSE)
    while True:
        iterate = Iterate(geometry, a, b, epsilon, f, g, aim)
        f, g = _stage(iterate, newton, aim, max_iter - count)
        count += iterate.passes
        if aim > tol and count < max_iter:
            aim = tol
            continue
        f, g = _fill_zero_weights(geometry, a, b, epsilon, f, g)
        row_sums, column_sums = geometry.marginals(epsilon, f, g, a, b)
        error = (row_sums - a).abs().sum(1) + (column_sums - b).abs().sum(1)
        count += 1
        leave = (error <= tol) | ~torch.isfinite(error) | (count >= max_iter)
        result_f[active[leave]], result_g[active[leave]] = f[leave], g[leave]
        result_total[active[leave]], result_error[active[leave]] = column_sums.sum(1)[leave], error[leave]
        passes[active[leave]] = round(count)
        if bool(leave.all()):
            return Solution(result_f, result_g, result_total, result_error, passes)
        # Rounding in the stored kernel hid what is left of the error: go on with a tighter goal.
        keep = (~leave).nonzero()[:, 0]
        geometry, active, newton = geometry.take(keep), active[keep], Newton(patient=True)
        a, b, epsilon, f, g = (t[keep] for t in (a, b, epsilon, f, g))
        aim = aim / 4


def _stage(
    iterate: Iterate, newton: Newton, goal: float, budget: float, last: bool = True
) -> tuple[Tensor, Tensor]:
    """Step at one ε until every problem has a marginal error of `goal` or the budget of passes is spent."""
    step = 0
    error = iterate.sweep()
    while True:
        step += 1
        if not iterate.healthy():
            if iterate.rescues > 3:
                break
            iterate.rescue()
            error = iterate.sweep()
            continue
        if iterate.passes >= budget:
            break
        if bool((error <= goal).all()) and (last or iterate.balanced()):
            break
        if step <= _PLAIN or bool((error > 0.5).all()):
            iterate.plain_step()
            error = iterate.sweep()
        else:
            newton.step(iterate, goal)
            error = iterate.error
        if iterate.absorb_if_far():
            error = iterate.sweep()
    return iterate.potentials()


def _fill_zero_weights(
    geometry: Geometry, a: Tensor, b: Tensor, epsilon: Tensor, f: Tensor, g: Tensor
) -> tuple[Tensor, Tensor]:
    """Give points of weight 0, which the iteration leaves out, the potential of the soft minimum."""
    scale = epsilon[:, None]
    if bool((b == 0).any()):
        g = torch.where(b > 0, g, geometry.softmin(epsilon, f + scale * a.log(), 0))
    if bool((a == 0).any()):
        f = torch.where(a > 0, f, geometry.softmin(epsilon, g + scale * b.log(), 1))
    return f, g
