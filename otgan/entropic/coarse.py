"""A start for large problems: the potentials of a small sample of the points, extended to all of them."""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.entropic.solver import solve
from otgan.geometry.dense import DenseGeometry
from otgan.geometry.streamed import StreamedGeometry

__all__ = ["coarse_potential"]

_POINTS = 4000
"""Points of each side in the sample."""

_LARGE = 2**25
"""Costs from which on the sample, solved on one stored kernel, costs less than it saves."""

_TOL = 1e-2
"""Marginal error of the sample's solution: below that of the sampling itself."""


def coarse_potential(
    x: Tensor, y: Tensor, a: Tensor, b: Tensor, p: float, epsilon: Tensor, start: Tensor
) -> Tensor | None:
    """Return a potential of y, shape (B, m), near the solution's; None for problems too small to gain by it.

    The entropic potential is a soft minimum over the other side, so that of a sample extends to every point: one
    pass of 1/10 the size or less in place of the annealing. The sample is drawn with a seed of its own.
    """
    batch, n, m = len(x), x.shape[1], y.shape[1]
    if batch > 1 or n * m < _LARGE or min(n, m) <= _POINTS:
        return None
    generator = torch.Generator().manual_seed(0)
    rows, columns = (torch.randperm(size, generator=generator)[:_POINTS].to(x.device) for size in (n, m))
    part_a, part_b = a[:, rows], b[:, columns]
    if not bool((part_a.sum(1) > 0).all() and (part_b.sum(1) > 0).all()):
        return None
    part_a, part_b = (w / w.sum(1, keepdim=True) for w in (part_a, part_b))
    sample = DenseGeometry(x[:, rows], y[:, columns], p)
    solution = solve(sample, part_a, part_b, epsilon, start=start, tol=_TOL, max_iter=500)
    across = StreamedGeometry(x[:, rows], y, p)
    return across.softmin(epsilon, solution.f + epsilon[:, None] * part_a.log(), 0)
