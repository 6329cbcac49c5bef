"""Streamed geometry: costs are recomputed block by block, so memory stays O(n + m)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from otgan.cost import cost_matrix
from otgan.geometry.base import Geometry, Kernel, rows_per_tile

__all__ = ["StreamedGeometry"]


class StreamedGeometry(Geometry):
    """Costs computed in blocks of rows whenever they are needed, and never stored."""

    name = "streamed"

    def tiles(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield freshly computed blocks of costs, float64."""
        batch, n, m = self.shape
        step = rows_per_tile(batch, m)
        y = self.y.double()
        for start in range(0, n, step):
            rows = slice(start, start + step)
            yield rows, cost_matrix(self.x[:, rows].double(), y, self.p)

    def take(self, keep: Tensor) -> StreamedGeometry:
        """Return the geometry of the problems `keep`."""
        return StreamedGeometry(self.x[keep], self.y[keep], self.p)

    def kernel(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> StreamedKernel:
        """Remember the potentials; every product forms the kernel anew."""
        del tol
        return StreamedKernel(self, epsilon, f, g)


class StreamedKernel(Kernel):
    """exp((f + g − C)/ε), formed in blocks at every product."""

    def __init__(self, geometry: Geometry, epsilon: Tensor, f: Tensor, g: Tensor) -> None:
        self.geometry, self.epsilon, self.f, self.g = geometry, epsilon, f, g

    def __call__(self, v: Tensor, axis: int) -> Tensor:
        """K v or Kᵀ v in one sweep over the costs."""
        ones_x, ones_y = torch.ones_like(self.f), torch.ones_like(self.g)
        return self.geometry.apply(self.epsilon, self.f, self.g, ones_x, ones_y, v[..., None], axis)[..., 0]

    def take(self, keep: Tensor) -> StreamedKernel:
        """Return the kernel of the problems `keep`."""
        return StreamedKernel(self.geometry.take(keep), self.epsilon[keep], self.f[keep], self.g[keep])
