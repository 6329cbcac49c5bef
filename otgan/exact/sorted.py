"""A plan and potentials that are feasible, at once: what is known of a problem where there was no time to solve it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from otgan.costs import Cost
from otgan.exact.line import solve_line
from otgan.exact.sparse_plan import Floats, SparsePlan
from otgan.rounding import UNIT

__all__ = ["solve_roughly"]


def solve_roughly(x: Floats, y: Floats, a: Floats, b: Floats, cost: Cost) -> SparsePlan:
    """Couple two sets in the order of their projections, with the potentials of a translation.

    The direction is that of the difference v of the means. By convexity
    r^p >= p τ^(p−1) r − (p − 1) τ^p for τ = ‖v‖₂, and ‖x − y‖₂ >= ⟨v/τ, y − x⟩, so that linear potentials are feasible;
    their value is τ^p, that of the means. A cost that is at least s^p ‖x − y‖₂^p has s^p times these; for one of which
    nothing is known s is 0, and so are they.

    Parameters
    ----------
    x, y : ndarray, shapes (n, d) and (m, d)
        In normal form.
    a, b : ndarray, shapes (n,) and (m,)
        Weights, each of total 1.
    cost : Cost
    """
    p = cost.p
    between = b @ y - a @ x
    length = float(np.linalg.norm(between))
    direction = between / length if length > 0 else np.ones_like(between) / len(between) ** 0.5
    along_x, along_y = x @ direction, y @ direction
    arcs = solve_line(along_x, along_y, a, b, p)
    share = cost.share(len(between)) ** p
    slope = share * p * length ** (p - 1) if length > 0 else 0.0
    # What rounds: d products and sums of either projection, and the direction's own length.
    largest = max(float(np.linalg.norm(side, axis=1).max()) for side in (x, y))
    slack = slope * 8 * (len(between) + 8) * UNIT * largest
    f = -slope * along_x - share * (p - 1) * length**p - slack
    return replace(arcs, f=f, g=slope * along_y - slack, solver="sorted", optimal=False)
