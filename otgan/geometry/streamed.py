"""Streamed geometry of tensors: costs are recomputed block by block, so memory stays O(n + m)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from otgan.geometry.accuracy import ROUGH, ROUNDING
from otgan.geometry.base import Geometry, rows_per_tile
from otgan.geometry.exponentials import exp2_
from otgan.geometry.kernel import LOG2E, Kernel, Turn
from otgan.memory import empty

__all__ = ["StreamedGeometry"]


class StreamedGeometry(Geometry):
    """Costs computed in blocks of rows whenever they are needed, and never stored.

    Blocks are formed in float32 where the exponents C/ε are then accurate enough, and in float64 elsewhere and for
    every certificate.
    """

    name = "streamed"

    def kernel(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> Kernel:
        """Remember the potentials; every product forms the kernel anew, as accurately as `tol` asks."""
        rounding = math.inf if self.direct else ROUNDING * float((self.largest / epsilon).max())
        return StreamedKernel(self, epsilon, f, g, torch.float32 if rounding <= tol else torch.float64)

    def kernels(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> tuple[Kernel, Kernel]:
        """Return the kernel at the accuracy that `tol` asks for, and a rough one for corrections."""
        return self.kernel(epsilon, f, g, tol), self.kernel(epsilon, f, g, max(tol, ROUGH))


class StreamedKernel(Kernel):
    """exp((f + g − C)/ε), formed in blocks of rows at every product.

    How exponents (f + g − C)/ε are formed fastest is the cost's own affair.
    """

    def __init__(self, geometry: Geometry, epsilon: Tensor, f: Tensor, g: Tensor, dtype: torch.dtype) -> None:
        self.geometry, self.epsilon, self.f, self.g, self.dtype = geometry, epsilon, f, g, dtype
        self.exact = dtype == torch.float64
        self.exponents = geometry.rule.exponents(
            geometry.x, geometry.y, f, g, epsilon / LOG2E, dtype, geometry.direct
        )

    def _blocks(self) -> Iterator[tuple[slice, Tensor]]:
        batch, n, m = self.geometry.shape
        step = min(n, rows_per_tile(batch, m))
        # All blocks are formed in the same memory, which stays in cache.
        memory = empty((batch, step, m), self.dtype, self.f.device)
        for start in range(0, n, step):
            rows = slice(start, start + step)
            block = memory[:, : min(step, n - start)]
            self.exponents.fill(rows, block)
            yield rows, exp2_(block)

    def __call__(self, v: Tensor, axis: int) -> Tensor:
        """K v or Kᵀ v in one sweep over the costs."""
        v_ = v.to(self.dtype)[..., None]
        if axis == 1:
            sums = v.new_empty(self.geometry.shape[:2])
            for rows, block in self._blocks():
                sums[:, rows] = (block @ v_)[..., 0]
            return sums
        total = torch.zeros_like(self.g)
        for rows, block in self._blocks():
            total += (block.mT @ v_[:, rows])[..., 0]
        return total

    def through(self, v: Tensor, turn: Turn) -> tuple[Tensor, Tensor]:
        """K v, turned, and back in one sweep: each block is formed once."""
        v_ = v.to(self.dtype)[..., None]
        sums, back = v.new_empty(self.geometry.shape[:2]), torch.zeros_like(self.g)
        for rows, block in self._blocks():
            sums[:, rows] = (block @ v_)[..., 0]
            back += (block.mT @ turn(sums[:, rows], rows).to(self.dtype)[..., None])[..., 0]
        return sums, back.to(v.dtype)

    def take(self, keep: Tensor) -> StreamedKernel:
        """Return the kernel of the problems `keep`."""
        return StreamedKernel(
            self.geometry.take(keep), self.epsilon[keep], self.f[keep], self.g[keep], self.dtype
        )
