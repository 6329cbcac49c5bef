"""Compiled streaming: costs that are formed anew in every visit, and never stored."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from otgan.costs import Cost
from otgan.costs.squares import SQUARES
from otgan.geometry.accuracy import ROUGH, ROUNDING, SINGLE
from otgan.geometry.base import Geometry
from otgan.geometry.compiled import products
from otgan.geometry.compiled.visited import (
    FEW,
    NOTHING,
    Visited,
    exponents_of,
    fill_kernel,
    go_through,
    source_of,
)
from otgan.geometry.kernel import Kernel, Turn
from otgan.namespace import Array

__all__ = ["BlockStream", "CompiledStream", "StreamKernel"]


class BlockStream(Visited):
    """Costs formed by a block of rows at a time, as every cost has them."""

    name = "streamed"

    @classmethod
    def suited(cls, x: Array, rule: Cost) -> type[Geometry]:
        """Loops that form the costs themselves, where these are norms in few dimensions."""
        return CompiledStream if CompiledStream.serves(x, rule) else cls

    def kernel(self, epsilon: Array, f: Array, g: Array, tol: float) -> Kernel:
        """Remember the potentials; every product forms the kernel anew, in float32 where `tol` allows it."""
        return BlockKernel(self, epsilon, f, g, np.float32 if tol >= SINGLE else np.float64)

    def kernels(self, epsilon: Array, f: Array, g: Array, tol: float) -> tuple[Kernel, Kernel]:
        """Return the kernel at the accuracy that `tol` asks for, and a rough one for corrections."""
        return self.kernel(epsilon, f, g, tol), self.kernel(epsilon, f, g, max(tol, ROUGH))


class CompiledStream(BlockStream):
    """Costs of norms in few dimensions, formed row by row inside of every visit."""

    @classmethod
    def serves(cls, x: Array, rule: Cost) -> bool:
        """Whether costs are norms, or squares of Euclidean ones, in few dimensions: powers would take most of the time."""
        powers = {1, SQUARES} if rule.order == SQUARES else {1}
        return rule.order is not None and rule.p in powers and x.shape[2] < FEW

    @cached_property
    def source(self) -> tuple[Any, Any, Any, int, bool]:
        """The points."""
        return NOTHING, *self.norms

    @cached_property
    def rough_source(self) -> tuple[Any, Any, Any, int, bool]:
        """The points about their origin, in float32."""
        _, x, y, order, root = self.source
        if self.origin is not None:
            x, y = x - self.origin, y - self.origin.swapaxes(1, 2)
        return NOTHING.astype(np.float32), x.astype(np.float32), y.astype(np.float32), order, root

    def kernel(self, epsilon: Array, f: Array, g: Array, tol: float) -> Kernel:
        """Remember the potentials; every product forms the kernel anew, as accurately as `tol` asks."""
        dtype = np.float32 if tol >= SINGLE else np.float64
        rounding = math.inf if self.direct else ROUNDING * float((self.largest / epsilon).max())
        return StreamKernel(self, epsilon, f, g, dtype, coarse=max(rounding, SINGLE) <= tol)


class _Streaming(Kernel):
    """exp((f + g − C)/ε), formed at every product."""

    def __init__(self, geometry: BlockStream, epsilon: Array, f: Array, g: Array, dtype: Any) -> None:
        self.geometry, self.epsilon, self.f, self.g = geometry, epsilon, f, g
        self.dtype, self.exact = np.dtype(dtype), dtype == np.float64

    def __call__(self, v: Array, axis: int) -> Array:
        """K v or Kᵀ v: the way there alone, or the way back of v in place of the sums."""
        if axis == 1:
            return self._go_through(v, np.ones_like(self.f), products.ONLY)[0]
        return self._go_through(np.ones_like(self.g), v, products.INSTEAD)[1]

    def through(self, v: Array, turn: Turn) -> tuple[Array, Array]:
        """K v, turned, and back in one visit: each row is formed once."""
        return self._go_through(v, turn.weights, products.OVER if turn.divides else products.TIMES)

    @abstractmethod
    def _go_through(self, v: Array, weights: Array, how: int) -> tuple[Array, Array]:
        """Visit the kernel on the way there and back."""


class BlockKernel(_Streaming):
    """A kernel formed from blocks of costs."""

    def _blocks(self) -> Iterator[tuple[slice, Array]]:
        row, column, inverse = exponents_of(self.epsilon, self.f, self.g)
        for rows, cost in self.geometry.tiles():
            block = np.empty(cost.shape, self.dtype)
            part = np.ascontiguousarray(row[:, rows])
            fill_kernel(source_of(np.ascontiguousarray(cost)), (part, column, inverse), block, 0)
            yield rows, block

    def _go_through(self, v: Array, weights: Array, how: int) -> tuple[Array, Array]:
        sums, back = np.empty_like(self.f, dtype=v.dtype), np.zeros_like(self.g, dtype=v.dtype)
        for rows, block in self._blocks():
            kernel, part = (block,), weights[:, rows]
            sums[:, rows], more = go_through(
                products.products_of, kernel, block.shape, v, self.dtype, part, how, 8
            )
            back += more
        return sums, back

    def take(self, keep: Array) -> BlockKernel:
        """Return the kernel of the problems `keep`."""
        return BlockKernel(
            self.geometry.take(keep), self.epsilon[keep], self.f[keep], self.g[keep], self.dtype
        )


class StreamKernel(_Streaming):
    """A kernel formed a few rows at a time, in the loop that multiplies with it."""

    def __init__(
        self,
        geometry: CompiledStream,
        epsilon: Array,
        f: Array,
        g: Array,
        dtype: Any,
        *,
        coarse: bool,
    ) -> None:
        super().__init__(geometry, epsilon, f, g, dtype)
        self.coarse = coarse
        exponents = exponents_of(epsilon, f, g)
        # Twice as fast where the exponents are in float32 as well.
        self.parts: tuple[Any, ...] = (geometry.source, *exponents)
        if coarse:
            self.parts = (geometry.rough_source, *(part.astype(np.float32) for part in exponents))

    def _go_through(self, v: Array, weights: Array, how: int) -> tuple[Array, Array]:
        visit, shape = products.streamed_products, self.geometry.shape
        return go_through(visit, self.parts, shape, v, self.dtype, weights, how, 1)

    def take(self, keep: Array) -> StreamKernel:
        """Return the kernel of the problems `keep`."""
        geometry = self.geometry.take(keep)
        assert isinstance(geometry, CompiledStream)
        some = (self.epsilon[keep], self.f[keep], self.g[keep], self.dtype)
        return StreamKernel(geometry, *some, coarse=self.coarse)
