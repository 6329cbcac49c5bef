"""Dense geometry of tensors: the cost matrix is stored, and iterations run on a stored kernel."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from otgan.costs import Cost
from otgan.costs.exponents import exponents
from otgan.geometry.base import rows_per_tile
from otgan.geometry.exponentials import exp2_
from otgan.geometry.kernel import LOG2E, Kernel, Turn
from otgan.geometry.stored import Stored
from otgan.memory import empty

__all__ = ["DenseGeometry", "DenseKernel"]

_CACHED = 2**20
"""Entries up to which a matrix stays in cache between a product with it and one with its transpose."""


class DenseKernel(Kernel):
    """A stored matrix exp((f + g − C)/ε)."""

    def __init__(self, matrix: Tensor) -> None:
        self.matrix, self.dtype = matrix, matrix.dtype
        self.exact = matrix.dtype == torch.float64

    def __call__(self, v: Tensor, axis: int) -> Tensor:
        """K v or Kᵀ v, accumulated in the type of the matrix and returned in that of v."""
        v_ = v.to(self.matrix.dtype)
        if v.shape[0] == 1:
            matrix = self.matrix[0] if axis == 1 else self.matrix[0].mT
            return torch.mv(matrix, v_[0])[None].to(v.dtype)
        # Many small problems: a row vector times a matrix is the batched product that torch does fastest.
        product = v_[:, None] @ (self.matrix.mT if axis == 1 else self.matrix)
        return product[:, 0].to(v.dtype)

    def through(self, v: Tensor, turn: Turn) -> tuple[Tensor, Tensor]:
        """K v, turned, and back, block by block where one large matrix would leave the cache in between."""
        n, m = self.matrix.shape[1:]
        if v.shape[0] > 1 or n * m <= _CACHED:
            return super().through(v, turn)
        v_, step = v[0].to(self.matrix.dtype), rows_per_tile(1, m, _CACHED)
        sums = torch.empty(1, n, dtype=v.dtype, device=v.device)
        back = torch.zeros(m, dtype=v.dtype, device=v.device)
        for start in range(0, n, step):
            rows = slice(start, start + step)
            block = self.matrix[0, rows]
            sums[0, rows] = torch.mv(block, v_)
            back += torch.mv(block.mT, turn(sums[:, rows], rows)[0].to(block.dtype))
        return sums, back[None]

    def take(self, keep: Tensor) -> DenseKernel:
        """Return the kernel of the problems `keep`."""
        return DenseKernel(self.matrix[keep])

    def gram(self, w: Tensor) -> Tensor:
        """Kᵀ diag(w) K of shape (B, m, m)."""
        root = w.sqrt().to(self.matrix.dtype)[..., None] * self.matrix
        return root.mT @ root


class DenseGeometry(Stored):
    """Costs stored as one (B, n, m) tensor, on any device; the reference for all others."""

    name = "dense"

    def __init__(self, x: Tensor, y: Tensor, rule: Cost, direct: bool = False) -> None:
        super().__init__(x, y, rule, direct)
        self._buffers: dict[torch.dtype, Tensor] = {}

    @cached_property
    def cost(self) -> Tensor:
        """The costs, shape (B, n, m), float64; of a ragged batch, solved in groups, the whole may never be needed."""
        return self.block(slice(None))

    def hold(self, cost: Tensor) -> None:
        """Take costs that are known already."""
        self.cost = cost

    def kernel(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> DenseKernel:
        """Store exp((f + g − C)/ε), in float32 where a marginal error of `tol` allows it."""
        matrix = self._buffer(torch.float32 if self.is_single(tol) else torch.float64)
        inverse = (LOG2E / epsilon)[:, None]
        row, column = f * inverse, g * inverse
        for rows, cost in self.tiles():
            part = matrix[:, rows]
            exp2_(part.copy_(exponents(cost, row[:, rows], column, inverse)))
        return DenseKernel(matrix)

    def kernels(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> tuple[DenseKernel, DenseKernel]:
        """Store the kernel in the type that `tol` asks for, and always in float32 for the corrections."""
        kernel = self.kernel(epsilon, f, g, tol)
        if self.is_single(tol) or not self.is_single(torch.inf):
            return kernel, kernel
        rough = self._buffer(torch.float32)
        return kernel, DenseKernel(rough.copy_(kernel.matrix))

    def _buffer(self, dtype: torch.dtype) -> Tensor:
        """Memory for a kernel: that of the one before, which it replaces."""
        if dtype not in self._buffers:
            self._buffers[dtype] = empty(self.cost.shape, dtype, self.cost.device)
        return self._buffers[dtype]
