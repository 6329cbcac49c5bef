"""The mean cost of a problem, which rounding is measured in."""

from __future__ import annotations

import numpy as np

from otgan.costs import Cost
from otgan.exact.sparse_plan import Floats

__all__ = ["mean_cost"]

_MANY, _FEW = 2**20, 500
"""Costs from which on the mean is that of so many points of either side."""

_LEAST = 0.1
"""Share of its bound that the mean is taken to be at least."""


def mean_cost(x: Floats, y: Floats, a: Floats, b: Floats, cost: Cost) -> float:
    """Return the mean cost of independent draws; between many points, at costs that are powers of a norm, about what it is.

    Parameters
    ----------
    x, y : ndarray, shapes (n, d) and (m, d)
    a, b : ndarray, shapes (n,) and (m,)
        Weights, each of total 1.
    cost : Cost
    """
    if not cost.has_moments and cost.sorts and len(x) * len(y) > _MANY:
        rng = np.random.default_rng(0)
        some_x, some_y = (side[rng.choice(len(side), _FEW, p=w)] for side, w in ((x, a), (y, b)))
        ones = np.ones((1, _FEW))
        drawn = float(cost.mean(some_x[None], some_y[None], ones, ones)[0])
        # Few points may carry most of it, and not be drawn.
        of_x, of_y = cost.majorant(x[None], y[None])
        return max(drawn, _LEAST * float(a @ of_x[0] + b @ of_y[0]))
    return float(cost.mean(x[None], y[None], a[None], b[None])[0])
