"""Streamed geometry: costs are recomputed block by block, so memory stays O(n + m)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from otgan.cost import cost_matrix, products
from otgan.geometry.base import LOG2E, Geometry, Kernel, exp2_, exponents, rows_per_tile
from otgan.memory import empty

__all__ = ["StreamedGeometry"]

_ROUNDING = 1e-7
"""Error that the rounding of float32 exponents leaves in the marginals, relative to the largest C/ε: an upper estimate,
fifty times what was seen, since roundings average out."""

_ROUGH = 1e-2
"""Relative accuracy that the kernel of a correction needs."""


class StreamedGeometry(Geometry):
    """Costs computed in blocks of rows whenever they are needed, and never stored.

    Blocks are formed in float32 where the exponents C/ε are then accurate enough, and in float64 elsewhere and for
    every certificate.
    """

    name = "streamed"

    def __init__(self, x: Tensor, y: Tensor, p: float, direct: bool = False) -> None:
        super().__init__(x, y, p, direct)
        self.reach = self._diameter() ** p

    def _diameter(self) -> Tensor:
        """Length, for every problem, that no distance between its points exceeds."""
        sides = (self.x.double() - self.origin, self.y.double() - self.origin)
        radii = [torch.linalg.vector_norm(side, dim=2).amax(1) for side in sides]
        return radii[0] + radii[1]

    def tiles(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield freshly computed blocks of costs, float64."""
        batch, n, m = self.shape
        step = rows_per_tile(batch, m)
        for start in range(0, n, step):
            rows = slice(start, start + step)
            yield rows, self.block(rows)

    def kernel(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> Kernel:
        """Remember the potentials; every product forms the kernel anew, as accurately as `tol` asks."""
        rounding = math.inf if self.direct else _ROUNDING * float((self.reach / epsilon).max())
        return StreamedKernel(self, epsilon, f, g, torch.float32 if rounding <= tol else torch.float64)

    def kernels(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> tuple[Kernel, Kernel]:
        """Return the kernel at the accuracy that `tol` asks for, and a rough one for corrections."""
        return self.kernel(epsilon, f, g, tol), self.kernel(epsilon, f, g, max(tol, _ROUGH))


class StreamedKernel(Kernel):
    """exp((f + g − C)/ε), formed in blocks of rows at every product.

    For p = 2 the exponent (f + g − ‖x‖² − ‖y‖² + 2⟨x, y⟩)/ε is one product of rows (x, f', 1) and (y, 1, g'), so
    that a block costs one matrix product and one exponential.
    """

    def __init__(self, geometry: Geometry, epsilon: Tensor, f: Tensor, g: Tensor, dtype: torch.dtype) -> None:
        self.geometry, self.epsilon, self.f, self.g, self.dtype = geometry, epsilon, f, g, dtype
        self.exact = dtype == torch.float64
        x, y = geometry.x.double() - geometry.origin, geometry.y.double() - geometry.origin
        scale = (epsilon / LOG2E)[:, None, None]
        row, column = (f[..., None] / scale), (g[..., None] / scale)
        self.expanded = geometry.p == 2 and not geometry.direct
        if self.expanded:
            row = row - x.square().sum(-1, keepdim=True) / scale
            column = column - y.square().sum(-1, keepdim=True) / scale
            left = torch.cat([2 * x / scale, row, torch.ones_like(row)], 2)
            right = torch.cat([y, torch.ones_like(column), column], 2)
        else:
            # The length that makes C/ε of C goes into the points.
            length = scale ** (1 / geometry.p)
            left, right = x / length, y / length
        self.left, self.right = left.to(dtype), right.to(dtype)
        self.row, self.column = row.to(dtype), column.to(dtype)

    def _blocks(self) -> Iterator[tuple[slice, Tensor]]:
        batch, n, m = self.geometry.shape
        step = min(n, rows_per_tile(batch, m))
        # All blocks are formed in the same memory, which stays in cache.
        memory = empty((batch, step, m), self.dtype, self.left.device)
        for start in range(0, n, step):
            rows = slice(start, start + step)
            block = memory[:, : min(step, n - start)]
            if self.expanded:
                products(self.left[:, rows], self.right, out=block)
            elif self.geometry.direct:
                inverse = (LOG2E / self.epsilon)[:, None]
                cost = self.geometry.block(rows)
                block.copy_(exponents(cost, self.row[:, rows, 0], self.column[..., 0], inverse))
            else:
                block.copy_(cost_matrix(self.left[:, rows], self.right, self.geometry.p).neg_())
                block.add_(self.row[:, rows]).add_(self.column.mT)
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

    def through(self, v: Tensor, turn: Callable[[Tensor, slice], Tensor]) -> tuple[Tensor, Tensor]:
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
