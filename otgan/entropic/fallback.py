"""Potentials at an ε that their own rounding exceeds: replaced by some whose plan can be formed.

An exponent (f + g − C)/ε is known to the rounding of f, g and C, in units of ε. Where that is much, the plan of the best
potentials that float64 holds may have any mass, up to infinity, and the value with it. Feasible potentials, lowered by
their own rounding, have a plan within the product of the weights, and a dual value that is below the optimum.
"""

from __future__ import annotations

import math

from otgan.coupling import center
from otgan.entropic.problem import Problem
from otgan.geometry.base import Geometry
from otgan.namespace import Array, at_least, namespace
from otgan.rounding import UNIT

__all__ = ["legible"]

_FAINT = 0.05
"""Rounding of an exponent from which on the mass of the plan is looked at."""

_MASS = 2.0
"""Mass of a plan, relative to what its marginals allow, from which on it is rounding that made it."""

_MARGIN = 32 * UNIT
"""Share of a potential by which it is lowered, beyond the rounding of costs: that of shifts and of exponents."""


def legible(problem: Problem, f: Array, g: Array) -> tuple[Array, Array, Array]:
    """Replace the potentials of the problems whose plan is lost to rounding.

    Returns
    -------
    tuple of Array, shapes (B, n), (B, m) and (B,)
        The potentials, and which problems have others than before. No pass over the costs where ε is legible.
    """
    a, b, epsilon, geometry = problem.a, problem.b, problem.epsilon, problem.geometry
    xp = namespace(f)
    size = xp.max(abs(f), axis=1) + xp.max(abs(g), axis=1)
    faint = ~(UNIT * size < _FAINT * epsilon)  # NaN is faint as well
    if not bool(faint.any()):
        return f, g, faint
    mass = problem.marginals(f, g)[0].sum(1)
    totals = (a.sum(1), b.sum(1))
    allowed = xp.maximum(xp.maximum(*totals), totals[0] * totals[1])
    lost = faint & ~((mass <= _MASS * allowed) & xp.isfinite(size))
    if bool(lost.any()):
        feasible = (_feasible if problem.balanced else _nonnegative)(geometry, a, b, f, g)
        f, g = (xp.where(lost[:, None], h, old) for h, old in zip(feasible, (f, g), strict=True))
    return f, g, lost


def _feasible(geometry: Geometry, a: Array, b: Array, f: Array, g: Array) -> tuple[Array, Array]:
    """Potentials with f + g <= C, by two hard minima from g, of equal parts in the dual value."""
    del f
    xp = namespace(g)
    f = geometry.c_transform(xp.where(b == 0, -math.inf, _finite(g)), 1)
    g = geometry.c_transform(xp.where(a == 0, -math.inf, f), 0)
    f, g = xp.where(a == 0, 0.0, f), xp.where(b == 0, 0.0, g)
    centered = center(f, g, a, b)
    return _lowered(geometry, (centered[0], f), a), _lowered(geometry, (centered[1], g), b)


def _nonnegative(geometry: Geometry, a: Array, b: Array, f: Array, g: Array) -> tuple[Array, Array]:
    """Potentials with f + g <= C and 0 <= f, g: f as it is as far as g = 0 allows it, and what that leaves of g."""
    xp = namespace(f)
    f, g = (at_least(_finite(h), 0.0) for h in (f, g))
    zero = xp.where(b == 0, -math.inf, xp.zeros_like(g))
    f = xp.minimum(f, geometry.c_transform(zero, 1))
    g = at_least(xp.minimum(g, geometry.c_transform(xp.where(a == 0, -math.inf, f), 0)), 0.0)
    return _lowered(geometry, (f, f), a), _lowered(geometry, (g, g), b)


def _lowered(geometry: Geometry, versions: tuple[Array, Array], weights: Array) -> Array:
    """A potential less what has been rounded in it, now and before it was shifted; 0 where there is no weight."""
    share = _MARGIN + geometry.cost_error.relative
    xp = namespace(weights)
    lowered = versions[0] - share * xp.maximum(abs(versions[0]), abs(versions[1]))
    return xp.where(weights == 0, 0.0, lowered)


def _finite(potential: Array) -> Array:
    """A potential with 0 for what is no finite number."""
    xp = namespace(potential)
    return xp.where(xp.isfinite(potential), potential, 0.0)
