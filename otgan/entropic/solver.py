"""The entropic solver: one loop over the geometry seam, for every backend.

It minimizes ⟨P, C⟩ + ε KL(P | a⊗b) over plans with marginals a and b through the potentials (f, g) of
P = a b exp((f + g − C)/ε). Annealing lowers ε stage by stage; each stage takes a few plain Sinkhorn steps and then
Newton steps (:mod:`otgan.entropic.newton`), whose systems are solved by conjugate gradients on products with one
stored kernel. Sources: Cuturi 2013 (Sinkhorn); Kosowsky & Yuille 1994 (annealing); Schmitzer 2019 (absorbed
kernels); Brauer et al. 2017 and Tang et al. 2024 (Newton).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from otgan.deadline import NEVER, Deadline
from otgan.entropic.annealing import FACTOR, levels
from otgan.entropic.gauge import leveled
from otgan.entropic.iterate import FAR, Iterate
from otgan.entropic.newton import Newton
from otgan.geometry.base import Geometry
from otgan.rounding import UNIT

__all__ = ["Solution", "solve"]

_STAGE_TOL = 0.02
"""Marginal error at which a stage that is not the last one ends."""

_COARSE = 3e-5
"""Marginal error to which the last stage first goes on a kernel of the lowest accuracy."""

_PLAIN = 3
"""Plain Sinkhorn steps before the first Newton step of a stage, and after one that gained little."""

_SOON = 8.0
"""Plain steps that are preferred to a Newton step, which takes a few passes and a search."""

_WARM = 0.7
"""Marginal error, of at most 2, below which a given start is better than annealing."""

_RESCUES = 4
"""Returns to the log-domain within one stage after which the problem is given up as not finite."""

_LEGIBLE = 1e-10
"""Marginal error below which the rounding of the potentials themselves shows."""

_STAGE_PASSES = 100
"""Passes after which a stage that is not the last one ends anyway: its result is only a start for the next."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Potentials of an entropic problem, batched, with what is known of them.

    Attributes
    ----------
    f, g : Tensor, shapes (B, n) and (B, m), float64
    excess : Tensor, shape (B,)
        Mass of the plan beyond the product of the totals of a and b: 0, to the accuracy of a balanced solution.
    error : Tensor, shape (B,)
        ‖P1 − a‖₁ + ‖Pᵀ1 − b‖₁ recomputed in float64 from f and g (the change of the potentials, relative to ε,
        where the problem is unbalanced).
    iterations : Tensor, shape (B,)
        Passes over the kernel, one pass being a product with K and one with Kᵀ.
    """

    f: Tensor
    g: Tensor
    excess: Tensor
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
    deadline: Deadline = NEVER,
) -> Solution:
    """Solve a batch of balanced entropic problems.

    Parameters
    ----------
    geometry : Geometry
        B problems of n times m points.
    a, b : Tensor, shapes (B, n) and (B, m), float64
        Weights, each row of total 1; 0 where a ragged problem is filled up.
    epsilon : Tensor, shape (B,), float64
    start : Tensor, shape (B,)
        ε of the first stage, usually the mean cost.
    tol : float
        Marginal error to reach, in L1.
    max_iter : int
        Passes over the kernel after which to stop.
    init : Tensor, shape (B, m), optional
        Potential g to start from at ε itself, without annealing.
    deadline : Deadline

    Returns
    -------
    Solution
        Where ``error > tol`` the problem did not converge within max_iter, or before the deadline.
    """
    batch = geometry.shape[0]
    passes = torch.zeros(batch, dtype=torch.int64, device=a.device)

    if init is None and (found := geometry.presolve(a, b, epsilon, torch.maximum(start, epsilon), tol)):
        init, passes = found
    g = torch.zeros_like(b)
    # One stage of annealing saves fewer passes than its kernel costs.
    first = epsilon if bool((start <= FACTOR * epsilon).all()) else torch.maximum(start, epsilon)
    count = 0.5
    f = None
    if init is not None:
        near = Iterate(geometry, a, b, epsilon, _anchor(geometry, b, init), init, _STAGE_TOL)
        # A start whose error at ε is large would be slower than annealing: it is dropped.
        if bool((near.sweep() < _WARM).all()):
            near.plain_step()
            first, (f, g) = epsilon, near.potentials()
        count += near.passes + 0.5
    if f is None:
        f = _anchor(geometry, b, g)
    for level in levels(first, epsilon):
        if deadline.passed or count >= max_iter:
            break
        iterate = Iterate(geometry, a, b, level, f, g, _STAGE_TOL)
        budget = min(_STAGE_PASSES, max_iter - count)
        _stage(iterate, Newton(patient=False, deadline=deadline), _STAGE_TOL, budget, last=False)
        f, g = iterate.potentials()
        if geometry.direct:  # the costs are large beside ε: so would be the rounding of these
            f, g = leveled(geometry, a, b, level, f, g)
        count += iterate.passes

    # Without annealing few passes are expected: they start on the kernel that they end on.
    easy = bool((first <= epsilon).all())
    aim = tol if easy else max(tol, _COARSE)
    iterate, newton = Iterate(geometry, a, b, epsilon, f, g, aim), Newton(patient=True, deadline=deadline)
    if aim > tol:
        _stage(iterate, newton, aim, max_iter - count)
        count += iterate.passes
        aim = tol
        iterate = Iterate(geometry, a, b, epsilon, *iterate.potentials(), aim)
    left = _Left.empty(a, b)
    index = torch.arange(batch, device=a.device)
    while True:
        certain = _is_verified(iterate)
        taken = _drain(iterate, newton, aim, max_iter - count, left, index)
        late = deadline.passed
        passes[index] += round(count) + taken.round().long() + (0 if certain else 1)
        gave_up = ~(left.error[index] <= aim)
        if not (certain and bool(torch.isfinite(left.error).all())):
            _verify(geometry, a, b, epsilon, left, index)
        error = left.error[index]
        wrong = (error > tol) & torch.isfinite(error) & ~gave_up & (passes[index] < max_iter)
        if late or aim < UNIT or not bool(wrong.any()):
            # What fills a ragged problem up has no weight, and was left out by a potential of −∞.
            f, g = left.f.masked_fill(a == 0, 0.0), left.g.masked_fill(b == 0, 0.0)
            return Solution(f, g, left.excess, left.error, passes)
        # Rounding in the stored kernel hid what is left of the error: go on with a tighter goal, as far as there is one.
        aim, index, newton = aim / 4, index[wrong], newton.take(wrong.nonzero()[:, 0])
        count = float(passes[index].max())
        passes[index] = 0
        iterate = Iterate(
            _part(geometry, index), a[index], b[index], epsilon[index], left.f[index], left.g[index], aim
        )


@dataclass(frozen=True, eq=False)
class _Left:
    """What the problems that have left the batch were left with."""

    f: Tensor
    g: Tensor
    excess: Tensor
    error: Tensor

    @classmethod
    def empty(cls, a: Tensor, b: Tensor) -> _Left:
        zero = torch.zeros_like(a[:, 0])
        return cls(torch.zeros_like(a), torch.zeros_like(b), zero, zero.clone())


def _drain(
    iterate: Iterate, newton: Newton, goal: float, budget: float, left: _Left, index: Tensor
) -> Tensor:
    """Step until every problem has reached `goal` or the budget is spent, smaller and smaller batches.

    What they end with goes to the rows `index` of `left`. Returns the passes that each of them took.
    """
    taken = torch.zeros(index.shape[0], dtype=torch.float64, device=index.device)
    active = torch.arange(index.shape[0], device=index.device)
    while True:
        _stage(iterate, newton, goal, budget, thin=active.shape[0] > 1)
        leave = iterate.error <= goal
        if iterate.passes >= budget or newton.deadline.passed:
            leave = torch.ones_like(leave)
        elif iterate.rescues >= _RESCUES:
            # Hopeless problems go; the others have their rescues again.
            leave, iterate.rescues = leave | iterate.broken(), 0
        to, (f, g) = index[active[leave]], iterate.potentials()
        left.f[to], left.g[to] = f[leave], g[leave]
        left.excess[to] = torch.linalg.vecdot(iterate.b, iterate.ratio - 1)[leave]
        left.error[to] = iterate.error.masked_fill(iterate.broken(), torch.inf)[leave]
        taken[active[leave]] = iterate.passes
        if bool(leave.all()):
            return taken
        keep = (~leave).nonzero()[:, 0]
        active, iterate, newton = active[keep], iterate.take(keep), newton.take(keep)


def _part(geometry: Geometry, index: Tensor) -> Geometry:
    return geometry if index.shape[0] == geometry.shape[0] else geometry.take(index)


def _anchor(geometry: Geometry, b: Tensor, g: Tensor) -> Tensor:
    """Potential f to absorb beside g: the hard minimum is as good as the soft one here, and cheaper."""
    return geometry.c_transform(g.masked_fill(b == 0, -torch.inf), 1)


def _is_verified(iterate: Iterate) -> bool:
    """Whether the iterate's own error is as good as one recomputed from its potentials."""
    return iterate.kernel.exact and iterate.tol >= _LEGIBLE


def _verify(geometry: Geometry, a: Tensor, b: Tensor, epsilon: Tensor, left: _Left, index: Tensor) -> None:
    """Compute the plan's mass and the marginal error of the problems `index` anew, in float64, from the potentials."""
    part, a, b = _part(geometry, index), a[index], b[index]
    row_sums, column_sums = part.marginals(epsilon[index], left.f[index], left.g[index], a, b)
    left.error[index] = (row_sums - a).abs().sum(1) + (column_sums - b).abs().sum(1)
    left.excess[index] = (column_sums - b).sum(1)


def _stage(
    iterate: Iterate, newton: Newton, goal: float, budget: float, *, last: bool = True, thin: bool = False
) -> None:
    """Step at one ε until every problem has a marginal error of `goal` or the budget of passes is spent.

    With `last` False, light points must also have received their mass roughly. With `thin`, return as soon as half
    of the problems are done, so that they can leave the batch.
    """
    plain = _PLAIN
    iterate.sweep()
    while True:
        extent = iterate.extent()
        if not math.isfinite(extent):
            if iterate.rescues >= _RESCUES:
                return
            iterate.rescue()
            iterate.sweep()
            continue
        if extent > FAR:
            iterate.absorb()
            iterate.sweep()
        done = iterate.error <= goal
        if iterate.passes >= budget or newton.deadline.passed or (thin and 2 * int(done.sum()) >= len(done)):
            return
        if bool(done.all()) and (last or iterate.balanced()):
            return
        before = iterate.error
        if plain > 0 or bool((before > 0.5).all()):
            plain -= 1
            iterate.plain_step()
            iterate.sweep()
            # Where plain steps alone arrive soon, they are cheaper than a system to solve.
            if plain == 0 and _plain_steps(before, iterate.error, goal) <= _SOON:
                plain = 1
        else:
            newton.step(iterate, goal, budget - iterate.passes)
            if bool(((iterate.error > 0.9 * before) & ~done).any()):
                plain = _PLAIN


def _plain_steps(before: Tensor, error: Tensor, goal: float) -> float:
    """Steps to come until every error is `goal`, if each shrinks as in the step before."""
    rate = (error / before).clamp(1e-9, 1 - 1e-9)
    return float((math.log(goal) - error.clamp_min(goal).log()).div(rate.log()).amax())
