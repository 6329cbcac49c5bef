"""The level of potentials: what can be shifted in them without changing the plan.

One constant can always be added to f and taken from g. Where clusters exchange next to no mass each has a constant of its
own, which the iteration leaves at whatever it was when the exchange stopped: numbers of the size of the distances between
clusters, in which the potentials' own digits are lost. About each cluster's own level they are small.
"""

from __future__ import annotations

import numpy as np

from otgan.geometry.base import Geometry
from otgan.namespace import Array, as_numpy, beside, full, namespace

__all__ = ["leveled"]

_APART = 1e-20
"""Mass of a pair, relative to the lighter of its points, below which the pair does not hold its clusters together."""

_ENTRIES = 2**24
"""Costs up to which clusters are looked for."""

_WORSE = 1e-3
"""Marginal error up to which a shift that was not quite free is taken: the next steps mend it."""


def leveled(
    geometry: Geometry, a: Array, b: Array, epsilon: Array, f: Array, g: Array
) -> tuple[Array, Array]:
    """Shift the potentials of each cluster so that ⟨a, f⟩ = ⟨b, g⟩ within it, where that leaves the plan as it is.

    Parameters
    ----------
    geometry : Geometry
    a, b : Array, shapes (B, n) and (B, m)
    epsilon : Array, shape (B,)
    f, g : Array, shapes (B, n) and (B, m)

    Returns
    -------
    tuple of Array, shapes (B, n) and (B, m)
    """
    batch, n, m = geometry.shape
    if batch * n * m > _ENTRIES:
        return f, g
    xp = namespace(f)
    held = full((batch, n, m), False, f, xp.bool)
    for rows, plan, _ in geometry.plan_tiles(epsilon, f, g, a, b):
        least = xp.minimum(a[:, rows, None], b[:, None])
        held[:, rows] = (plan > _APART * least) & (least > 0)
    shift_x, shift_y = xp.zeros_like(f), xp.zeros_like(g)
    shifted = False
    for k in range(batch):
        if _is_connected(held[k], a[k] > 0, b[k] > 0):
            continue
        shifted = True
        shifts = _shifts(*(as_numpy(part[k]) for part in (held, a, b, f, g)))
        shift_x[k], shift_y[k] = (beside(shift, f) for shift in shifts)
    if not shifted:
        return f, g
    moved_f, moved_g = f + shift_x, g - shift_y
    row_sums, column_sums = geometry.marginals(epsilon, moved_f, moved_g, a, b)
    before = geometry.marginals(epsilon, f, g, a, b)
    error = abs(row_sums - a).sum(1) + abs(column_sums - b).sum(1)
    known = abs(before[0] - a).sum(1) + abs(before[1] - b).sum(1)
    free = (error <= 2 * known + _WORSE)[:, None]
    return xp.where(free, moved_f, f), xp.where(free, moved_g, g)


def _shifts(held: Array, a: Array, b: Array, f: Array, g: Array) -> tuple[Array, Array]:
    """By how much the potentials of one problem are shifted, for each point of either side; in NumPy."""
    from scipy.sparse import coo_matrix  # here: few problems have clusters far apart
    from scipy.sparse.csgraph import connected_components

    n, m = held.shape
    i, j = held.nonzero()
    graph = coo_matrix((np.ones(len(i)), (i, n + j)), shape=(n + m, n + m))
    count, label = connected_components(graph, directed=False)
    of_x, of_y = label[:n], label[n:]
    gap = np.bincount(of_y, b * g, count) - np.bincount(of_x, a * f, count)
    mass = np.bincount(of_y, b, count) + np.bincount(of_x, a, count)
    shift = np.divide(gap, mass, out=np.zeros(count), where=mass > 0)
    return shift[of_x], shift[of_y]


def _is_connected(held: Array, heavy_x: Array, heavy_y: Array) -> bool:
    """Whether the heaviest-linked row reaches all points with mass in two steps, as it does in most plans."""
    columns = held[int(held.sum(1).argmax())]
    rows = held[:, columns].any(1)
    columns = held[rows].any(0)
    return bool((rows | ~heavy_x).all()) and bool((columns | ~heavy_y).all())
