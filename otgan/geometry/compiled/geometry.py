"""The compiled geometry: costs stored once, and every visit to them one loop of machine code, on threads that sleep."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from otgan.blas import own_threads
from otgan.costs import Cost
from otgan.geometry.compiled import products
from otgan.geometry.compiled.parted import PartedKernel, part
from otgan.geometry.compiled.visited import (
    Visited,
    exponents_of,
    fill_kernel,
    go_through,
    pieces_of,
    source_of,
)
from otgan.geometry.kernel import Kernel, Turn
from otgan.geometry.stored import Stored
from otgan.namespace import Array, of_type

__all__ = ["CompiledGeometry", "CompiledKernel"]


class CompiledGeometry(Visited, Stored):
    """Costs stored as one (B, n, m) array of float64, visited by compiled loops."""

    name = "compiled"

    def __init__(self, x: Array, y: Array, rule: Cost, direct: bool = False) -> None:
        super().__init__(x, y, rule, direct)
        self._buffers: dict[Any, Array] = {}

    @cached_property
    def cost(self) -> Array:
        """The costs, shape (B, n, m), float64."""
        return np.ascontiguousarray(self.block(slice(None)))

    def hold(self, cost: Array) -> None:
        """Take costs that are known already."""
        self.cost = cost

    @property
    def source(self) -> tuple[Any, Any, Any, int, bool]:
        """The stored costs."""
        return source_of(self.cost)

    def kernel(self, epsilon: Array, f: Array, g: Array, tol: float) -> CompiledKernel:
        """Store exp((f + g − C)/ε), in float32 where a marginal error of `tol` allows it."""
        matrix = self._buffer(np.float32 if self.is_single(tol) else np.float64)
        fill_kernel(self.source, exponents_of(epsilon, f, g), matrix, 0)
        return CompiledKernel(matrix)

    def kernels(
        self, epsilon: Array, f: Array, g: Array, tol: float
    ) -> tuple[CompiledKernel, CompiledKernel]:
        """Store the kernel in the type that `tol` asks for, and always in float32 for the corrections."""
        kernel = self.kernel(epsilon, f, g, tol)
        if self.is_single(tol) or not self.is_single(np.inf):
            return kernel, kernel
        rough = self._buffer(np.float32)
        np.copyto(rough, kernel.matrix, casting="same_kind")
        return kernel, CompiledKernel(rough)

    def parted(
        self, epsilon: Array, f: Array, g: Array, a: Array, b: Array, least: float
    ) -> PartedKernel | None:
        """Store the kernel of one problem in two parts: its few heavy entries, and the others in float32."""
        if self.shape[0] > 1 or not self.is_single(np.inf):
            return None
        rest, pieces = self._buffer(np.float32)[0], pieces_of(self.cost.size, 8)
        return part(self.source, exponents_of(epsilon, f, g), (a[0], b[0]), least, rest, pieces)

    def _buffer(self, dtype: Any) -> Array:
        """Memory for a kernel: that of the one before, which it replaces."""
        if dtype not in self._buffers:
            self._buffers[dtype] = np.empty(self.cost.shape, dtype)
        return self._buffers[dtype]


class CompiledKernel(Kernel):
    """A stored matrix exp((f + g − C)/ε), each row of which is read once on the way there and back."""

    def __init__(self, matrix: Array) -> None:
        self.matrix, self.dtype = matrix, matrix.dtype
        self.exact = matrix.dtype == np.float64

    def __call__(self, v: Array, axis: int) -> Array:
        """K v or Kᵀ v: the way there alone, or the way back of v in place of the sums."""
        batch, n, m = self.matrix.shape
        if axis == 1:
            return self._go_through(v, np.ones((batch, n)), products.ONLY)[0]
        return self._go_through(np.ones((batch, m)), v, products.INSTEAD)[1]

    def through(self, v: Array, turn: Turn) -> tuple[Array, Array]:
        """K v, turned, and back in one visit."""
        return self._go_through(v, turn.weights, products.OVER if turn.divides else products.TIMES)

    def _go_through(self, v: Array, weights: Array, how: int) -> tuple[Array, Array]:
        kernel, shape = (self.matrix,), self.matrix.shape
        return go_through(products.products_of, kernel, shape, v, self.dtype, weights, how, 8)

    def take(self, keep: Array) -> CompiledKernel:
        """Return the kernel of the problems `keep`."""
        return CompiledKernel(self.matrix[keep])

    def gram(self, w: Array) -> Array:
        """Kᵀ diag(w) K of shape (B, m, m)."""
        root = of_type(np.sqrt(w), self.dtype)[..., None] * self.matrix
        with own_threads():
            return root.mT @ root
