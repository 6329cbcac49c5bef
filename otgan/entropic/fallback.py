"""Potentials at an ε that their own rounding exceeds: replaced by some whose plan can be formed.

An exponent (f + g − C)/ε is known to the rounding of f, g and C, in units of ε. Where that is much, the plan of the best
potentials that float64 holds may have any mass, up to infinity, and the value with it. Feasible potentials, lowered by
their own rounding, have a plan within the product of the weights, and a dual value that is below the optimum.
"""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.coupling import center
from otgan.entropic.problem import Problem
from otgan.geometry.base import Geometry
from otgan.rounding import UNIT

__all__ = ["legible"]

_FAINT = 0.05
"""Rounding of an exponent from which on the mass of the plan is looked at."""

_MASS = 2.0
"""Mass of a plan, relative to what its marginals allow, from which on it is rounding that made it."""

_MARGIN = 32 * UNIT
"""Share of a potential by which it is lowered, beyond the rounding of costs: that of shifts and of exponents."""


def legible(problem: Problem, f: Tensor, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Replace the potentials of the problems whose plan is lost to rounding.

    Returns
    -------
    tuple of Tensor, shapes (B, n), (B, m) and (B,)
        The potentials, and which problems have others than before. No pass over the costs where ε is legible.
    """
    a, b, epsilon, geometry = problem.a, problem.b, problem.epsilon, problem.geometry
    size = f.abs().amax(1) + g.abs().amax(1)
    faint = ~(UNIT * size < _FAINT * epsilon)  # NaN is faint as well
    if not bool(faint.any()):
        return f, g, faint
    mass = problem.marginals(f, g)[0].sum(1)
    totals = (a.sum(1), b.sum(1))
    allowed = torch.maximum(torch.maximum(*totals), totals[0] * totals[1])
    lost = faint & ~((mass <= _MASS * allowed) & torch.isfinite(size))
    if bool(lost.any()):
        feasible = (_feasible if problem.balanced else _nonnegative)(geometry, a, b, f, g)
        f, g = (torch.where(lost[:, None], h, old) for h, old in zip(feasible, (f, g), strict=True))
    return f, g, lost


def _feasible(geometry: Geometry, a: Tensor, b: Tensor, f: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Potentials with f + g <= C, by two hard minima from g, of equal parts in the dual value."""
    del f
    f = geometry.c_transform(g.nan_to_num(0.0, 0.0, 0.0).masked_fill(b == 0, -torch.inf), 1)
    g = geometry.c_transform(f.masked_fill(a == 0, -torch.inf), 0)
    f, g = f.masked_fill(a == 0, 0.0), g.masked_fill(b == 0, 0.0)
    centered = center(f, g, a, b)
    return _lowered(geometry, (centered[0], f), a), _lowered(geometry, (centered[1], g), b)


def _nonnegative(geometry: Geometry, a: Tensor, b: Tensor, f: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Potentials with f + g <= C and 0 <= f, g: f as it is as far as g = 0 allows it, and what that leaves of g."""
    f, g = (h.nan_to_num(0.0, 0.0, 0.0).clamp_min(0.0) for h in (f, g))
    zero = torch.zeros_like(g).masked_fill(b == 0, -torch.inf)
    f = torch.minimum(f, geometry.c_transform(zero, 1))
    g = torch.minimum(g, geometry.c_transform(f.masked_fill(a == 0, -torch.inf), 0)).clamp_min(0.0)
    return _lowered(geometry, (f, f), a), _lowered(geometry, (g, g), b)


def _lowered(geometry: Geometry, versions: tuple[Tensor, Tensor], weights: Tensor) -> Tensor:
    """A potential less what has been rounded in it, now and before it was shifted; 0 where there is no weight."""
    share = _MARGIN + geometry.cost_error.relative
    lowered = versions[0] - share * torch.maximum(versions[0].abs(), versions[1].abs())
    return lowered.masked_fill(weights == 0, 0.0)
