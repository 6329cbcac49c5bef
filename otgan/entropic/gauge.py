"""The level of potentials: what can be shifted in them without changing the plan.

One constant can always be added to f and taken from g. Where clusters exchange next to no mass each has a constant of its
own, which the iteration leaves at whatever it was when the exchange stopped: numbers of the size of the distances between
clusters, in which the potentials' own digits are lost. About each cluster's own level they are small.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from otgan.geometry.base import Geometry

__all__ = ["leveled"]

_APART = 1e-20
"""Mass of a pair, relative to the lighter of its points, below which the pair does not hold its clusters together."""

_ENTRIES = 2**24
"""Costs up to which clusters are looked for."""

_WORSE = 1e-3
"""Marginal error up to which a shift that was not quite free is taken: the next steps mend it."""


def leveled(
    geometry: Geometry, a: Tensor, b: Tensor, epsilon: Tensor, f: Tensor, g: Tensor
) -> tuple[Tensor, Tensor]:
    """Shift the potentials of each cluster so that ⟨a, f⟩ = ⟨b, g⟩ within it, where that leaves the plan as it is.

    Parameters
    ----------
    geometry : Geometry
    a, b : Tensor, shapes (B, n) and (B, m)
    epsilon : Tensor, shape (B,)
    f, g : Tensor, shapes (B, n) and (B, m)

    Returns
    -------
    tuple of Tensor, shapes (B, n) and (B, m)
    """
    batch, n, m = geometry.shape
    if batch * n * m > _ENTRIES:
        return f, g
    held = torch.empty(batch, n, m, dtype=torch.bool, device=f.device)
    for rows, plan, _ in geometry.plan_tiles(epsilon, f, g, a, b):
        least = torch.minimum(a[:, rows, None], b[:, None])
        held[:, rows] = (plan > _APART * least) & (least > 0)
    shift_x, shift_y = torch.zeros_like(f), torch.zeros_like(g)
    shifted = False
    for k in range(batch):
        if _is_connected(held[k], a[k] > 0, b[k] > 0):
            continue
        i, j = (index.numpy(force=True) for index in held[k].nonzero(as_tuple=True))
        graph = coo_matrix((np.ones(len(i)), (i, n + j)), shape=(n + m, n + m))
        count, label = connected_components(graph, directed=False)
        shifted = True
        of_x, of_y = (torch.from_numpy(part).long().to(f.device) for part in (label[:n], label[n:]))
        zero = torch.zeros(count, dtype=f.dtype, device=f.device)
        gap = zero.index_add(0, of_y, b[k] * g[k]) - zero.index_add(0, of_x, a[k] * f[k])
        mass = zero.index_add(0, of_y, b[k]) + zero.index_add(0, of_x, a[k])
        shift = torch.where(mass > 0, gap / mass, 0.0)
        shift_x[k], shift_y[k] = shift[of_x], shift[of_y]
    if not shifted:
        return f, g
    moved_f, moved_g = f + shift_x, g - shift_y
    row_sums, column_sums = geometry.marginals(epsilon, moved_f, moved_g, a, b)
    before = geometry.marginals(epsilon, f, g, a, b)
    error = (row_sums - a).abs().sum(1) + (column_sums - b).abs().sum(1)
    known = (before[0] - a).abs().sum(1) + (before[1] - b).abs().sum(1)
    free = (error <= 2 * known + _WORSE)[:, None]
    return torch.where(free, moved_f, f), torch.where(free, moved_g, g)


def _is_connected(held: Tensor, heavy_x: Tensor, heavy_y: Tensor) -> bool:
    """Whether the heaviest-linked row reaches all points with mass in two steps, as it does in most plans."""
    columns = held[int(held.sum(1).argmax())]
    rows = held[:, columns].any(1)
    columns = held[rows].any(0)
    return bool((rows | ~heavy_x).all()) and bool((columns | ~heavy_y).all())
