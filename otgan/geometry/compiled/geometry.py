"""The compiled geometry: costs stored once, and every visit to them one loop of machine code, on threads that sleep."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from otgan.costs import Cost
from otgan.geometry.base import Geometry
from otgan.geometry.compiled import products
from otgan.geometry.compiled.parted import PartedKernel, part
from otgan.geometry.compiled.visited import (
    NOTHING,
    Visited,
    exponents_of,
    fill_kernel,
    go_through,
    pieces_of,
)
from otgan.geometry.dense import SMALL, DenseGeometry, DenseKernel
from otgan.geometry.kernel import Turn
from otgan.mistakes import WrongValueError

__all__ = ["CompiledGeometry", "CompiledKernel"]


class CompiledGeometry(Visited, DenseGeometry):
    """Costs stored as one (B, n, m) matrix of float64, visited by compiled loops."""

    name = "compiled"

    @classmethod
    def suited(cls, x: Tensor, rule: Cost) -> type[Geometry]:
        """Itself, for samples on the CPU."""
        if x.device.type != "cpu":
            raise WrongValueError(
                f"backend 'compiled' takes samples on the CPU, got samples on {x.device}: use backend='auto', or move them"
            )
        return super().suited(x, rule)

    @cached_property
    def cost(self) -> Tensor:
        """The costs, shape (B, n, m), float64."""
        return self.block(slice(None)).contiguous()

    @property
    def source(self) -> tuple[Any, Any, Any, int, bool]:
        """The stored costs."""
        return self.cost.numpy(), NOTHING, NOTHING, 0, False

    def kernel(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> CompiledKernel:
        """Store exp((f + g − C)/ε), in float32 where a marginal error of `tol` allows it."""
        return CompiledKernel(self._fill(epsilon, f, g, self._type(tol)))

    def kernels(
        self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float
    ) -> tuple[CompiledKernel, CompiledKernel]:
        """Store the kernel in the type that `tol` asks for, and always in float32 for the corrections."""
        kernel, rough = super().kernels(epsilon, f, g, tol)
        found = CompiledKernel(kernel.matrix)
        return found, found if rough is kernel else CompiledKernel(rough.matrix)

    def parted(
        self, epsilon: Tensor, f: Tensor, g: Tensor, a: Tensor, b: Tensor, least: float
    ) -> PartedKernel | None:
        """Store the kernel of one problem in two parts: its few heavy entries, and the others in float32."""
        if self.shape[0] > 1 or self.cost.numel() <= SMALL:
            return None
        weights, rest = (a[0].numpy(), b[0].numpy()), self._buffer(torch.float32)[0].numpy()
        pieces = pieces_of(self.cost.numel(), 8)
        return part(self.source, exponents_of(epsilon, f, g), weights, least, rest, pieces)

    def _fill(self, epsilon: Tensor, f: Tensor, g: Tensor, dtype: torch.dtype) -> Tensor:
        matrix = self._buffer(dtype)
        fill_kernel(self.source, exponents_of(epsilon, f, g), matrix, 0)
        return matrix


class CompiledKernel(DenseKernel):
    """A stored matrix exp((f + g − C)/ε), each row of which is read once on the way there and back."""

    def through(self, v: Tensor, turn: Turn) -> tuple[Tensor, Tensor]:
        """K v, turned, and back in one visit."""
        how = products.OVER if turn.divides else products.TIMES
        kernel, shape = (self.matrix.numpy(),), self.matrix.shape
        return go_through(products.products_of, kernel, shape, v, self.dtype, turn.weights, how, 8)

    def take(self, keep: Tensor) -> CompiledKernel:
        """Return the kernel of the problems `keep`."""
        return CompiledKernel(self.matrix[keep])
