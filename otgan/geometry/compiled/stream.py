"""Compiled streaming: costs of norms in few dimensions formed row by row in every visit, and never stored."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from otgan.costs import Cost
from otgan.costs.squares import SQUARES
from otgan.geometry.base import rows_per_tile
from otgan.geometry.compiled import products
from otgan.geometry.compiled.visited import FEW, NOTHING, Visited, exponents_of, go_through
from otgan.geometry.kernel import Kernel, Turn

__all__ = ["CompiledStream", "StreamKernel"]

_SINGLE = 1e-5
"""Marginal error from which on products in float32 serve, and that of a kernel to solve for corrections with."""


class CompiledStream(Visited):
    """Costs of norms in few dimensions, formed row by row in every visit and never stored."""

    name = "streamed"

    @classmethod
    def serves(cls, x: Tensor, rule: Cost) -> bool:
        """Whether costs are norms, or squares of Euclidean ones, in few dimensions: powers would take most of the time."""
        powers = {1, SQUARES} if rule.order == SQUARES else {1}
        return rule.order is not None and rule.p in powers and x.shape[2] < FEW

    @cached_property
    def source(self) -> tuple[Any, Any, Any, int, bool]:
        """The points."""
        return NOTHING, *self.norms

    def tiles(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield freshly computed blocks of costs, float64."""
        batch, n, m = self.shape
        step = rows_per_tile(batch, m)
        for start in range(0, n, step):
            rows = slice(start, start + step)
            yield rows, self.block(rows)

    def kernel(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> Kernel:
        """Remember the potentials; every product forms the kernel anew, its exponents in float64."""
        dtype = torch.float32 if tol >= _SINGLE else torch.float64
        return StreamKernel(self, epsilon, f, g, dtype)

    def kernels(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> tuple[Kernel, Kernel]:
        """Return the kernel at the accuracy that `tol` asks for, and a rough one for corrections."""
        return self.kernel(epsilon, f, g, tol), self.kernel(epsilon, f, g, _SINGLE)


class StreamKernel(Kernel):
    """exp((f + g − C)/ε), formed a few rows at a time at every product."""

    def __init__(
        self, geometry: CompiledStream, epsilon: Tensor, f: Tensor, g: Tensor, dtype: torch.dtype
    ) -> None:
        self.geometry, self.epsilon, self.f, self.g, self.dtype = geometry, epsilon, f, g, dtype
        self.exact = dtype == torch.float64
        self.exponents = exponents_of(epsilon, f, g)

    def __call__(self, v: Tensor, axis: int) -> Tensor:
        """K v or Kᵀ v: the way there, or the way back of v in place of the sums."""
        if axis == 1:
            return self._go_through(v, torch.ones_like(self.f), products.TIMES)[0]
        return self._go_through(torch.ones_like(self.g), v, products.INSTEAD)[1]

    def through(self, v: Tensor, turn: Turn) -> tuple[Tensor, Tensor]:
        """K v, turned, and back in one visit: each row is formed once."""
        return self._go_through(v, turn.weights, products.OVER if turn.divides else products.TIMES)

    def _go_through(self, v: Tensor, weights: Tensor, how: int) -> tuple[Tensor, Tensor]:
        kernel = (self.geometry.source, *self.exponents)
        return go_through(
            products.streamed_products, kernel, self.geometry.shape, v, self.dtype, weights, how, 1
        )

    def take(self, keep: Tensor) -> StreamKernel:
        """Return the kernel of the problems `keep`."""
        return StreamKernel(
            self.geometry.take(keep), self.epsilon[keep], self.f[keep], self.g[keep], self.dtype
        )
