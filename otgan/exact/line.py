"""Exact transport on the line, by sorting."""

from __future__ import annotations

import numpy as np

from otgan.exact.flows import whole_weights
from otgan.exact.sparse_plan import Floats, SparsePlan, lasting

__all__ = ["solve_line"]


_WHOLE = 20_000
"""Points up to which weights are added up in whole numbers of Python."""


def solve_line(
    x: Floats,
    y: Floats,
    a: Floats,
    b: Floats,
    p: float,
    given: tuple[Floats | None, Floats | None] | None = None,
) -> SparsePlan:
    """Couple two weighted sets on the line in sorted order, which is optimal for every cost |x − y|^p, p >= 1.

    Parameters
    ----------
    x, y : ndarray, shapes (n,) and (m,)
    a, b : ndarray, shapes (n,) and (m,)
        Weights, each of total 1.
    p : float
    given : tuple of ndarray or None, optional
        The weights of either side as they were given, None where all are equal: then masses are exact to the last digit,
        however light a point is and far away.

    Returns
    -------
    SparsePlan
        At most n + m − 1 arcs. Along the staircase of the sorted coupling fᵢ + gⱼ = Cᵢⱼ determines the
        potentials; they are feasible because the cost matrix of sorted points is Monge.
    """
    n, m = len(x), len(y)
    order_x, order_y = np.argsort(x, kind="stable"), np.argsort(y, kind="stable")
    # The staircase from (0, 0) to (n-1, m-1): at each inner quantile one side advances.
    whole = given is not None and (all(w is None for w in given) or n + m <= _WHOLE)
    if given is not None and whole:
        supply, demand = (whole_weights(w, k) for w, k in zip(given, (n, m), strict=True))
        if supply.dtype != demand.dtype:  # Python's whole numbers have no end, NumPy's do
            supply, demand = supply.astype(object), demand.astype(object)
        sides = (supply[order_x] * demand.sum(), demand[order_y] * supply.sum())
        total = supply.sum() * demand.sum()
    else:
        sides, total = (a[order_x], b[order_y]), 1.0
    quantiles = np.concatenate([np.cumsum(side)[:-1] for side in sides])
    sequence = np.argsort(quantiles, kind="stable")
    advance_x = sequence < n - 1
    i = np.concatenate([[0], np.cumsum(advance_x)])
    j = np.concatenate([[0], np.cumsum(~advance_x)])
    ends = np.array([0, total], dtype=quantiles.dtype)
    cuts = np.clip(np.concatenate([ends[:1], quantiles[sequence], ends[1:]]), 0, total)
    mass = np.maximum((np.diff(cuts) / total).astype(np.float64), 0.0)

    cost = np.abs(x[order_x[i]] - y[order_y[j]]) ** p
    steps = np.diff(cost)
    f, g = np.empty(n), np.empty(m)
    f[order_x] = np.concatenate([[cost[0]], cost[0] + np.cumsum(steps[advance_x])])
    g[order_y] = np.concatenate([[0.0], np.cumsum(steps[~advance_x])])
    i, j = order_x[i], order_y[j]
    keep = (mass > 0) if whole else lasting(i, j, mass, a, b) & (mass > 0)
    return SparsePlan(i[keep], j[keep], mass[keep], f, g, "line")
