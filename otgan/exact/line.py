"""Exact transport on the line, by sorting."""

from __future__ import annotations

import numpy as np

from otgan.exact.arcs import Arcs, Floats, lasting

__all__ = ["solve_line"]


def solve_line(x: Floats, y: Floats, a: Floats, b: Floats, p: float) -> Arcs:
    """Couple two weighted sets on the line in sorted order, which is optimal for every cost |x − y|^p, p >= 1.

    Parameters
    ----------
    x, y : ndarray, shapes (n,) and (m,)
    a, b : ndarray, shapes (n,) and (m,)
        Weights, each of total 1.
    p : float

    Returns
    -------
    Arcs
        At most n + m − 1 arcs. Along the staircase of the sorted coupling fᵢ + gⱼ = Cᵢⱼ determines the
        potentials; they are feasible because the cost matrix of sorted points is Monge.
    """
    n, m = len(x), len(y)
    order_x, order_y = np.argsort(x, kind="stable"), np.argsort(y, kind="stable")
    ends_x, ends_y = np.cumsum(a[order_x])[:-1], np.cumsum(b[order_y])[:-1]
    # The staircase from (0, 0) to (n-1, m-1): at each inner quantile one side advances.
    quantiles = np.concatenate([ends_x, ends_y])
    sequence = np.argsort(quantiles, kind="stable")
    advance_x = sequence < n - 1
    i = np.concatenate([[0], np.cumsum(advance_x)])
    j = np.concatenate([[0], np.cumsum(~advance_x)])
    cuts = np.clip(np.concatenate([[0.0], quantiles[sequence], [1.0]]), 0.0, 1.0)
    mass = np.maximum(np.diff(cuts), 0.0)

    cost = np.abs(x[order_x[i]] - y[order_y[j]]) ** p
    steps = np.diff(cost)
    f, g = np.empty(n), np.empty(m)
    f[order_x] = np.concatenate([[cost[0]], cost[0] + np.cumsum(steps[advance_x])])
    g[order_y] = np.concatenate([[0.0], np.cumsum(steps[~advance_x])])
    i, j = order_x[i], order_y[j]
    keep = lasting(i, j, mass, a, b) & (mass > 0)
    return Arcs(i[keep], j[keep], mass[keep], f, g, "line")
