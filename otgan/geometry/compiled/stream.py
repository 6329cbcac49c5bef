"""Compiled streaming: costs of norms in few dimensions formed row by row in every visit, and never stored."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otgan.costs import Cost
from otgan.costs.squares import SQUARES
from otgan.geometry.accuracy import ROUGH, ROUNDING, SINGLE
from otgan.geometry.compiled import products
from otgan.geometry.compiled.visited import FEW, NOTHING, Visited, exponents_of, go_through
from otgan.geometry.kernel import Kernel, Turn

__all__ = ["CompiledStream", "StreamKernel"]


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

    @cached_property
    def rough_source(self) -> tuple[Any, Any, Any, int, bool]:
        """The points about their origin, in float32."""
        _, x, y, order, root = self.source
        if self.origin is not None:
            origin = self.origin.numpy()
            x, y = x - origin, y - origin.swapaxes(1, 2)
        return NOTHING.astype(np.float32), x.astype(np.float32), y.astype(np.float32), order, root

    def kernel(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> Kernel:
        """Remember the potentials; every product forms the kernel anew, as accurately as `tol` asks."""
        dtype = torch.float32 if tol >= SINGLE else torch.float64
        rounding = math.inf if self.direct else ROUNDING * float((self.largest / epsilon).max())
        return StreamKernel(self, epsilon, f, g, dtype, coarse=max(rounding, SINGLE) <= tol)

    def kernels(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> tuple[Kernel, Kernel]:
        """Return the kernel at the accuracy that `tol` asks for, and a rough one for corrections."""
        return self.kernel(epsilon, f, g, tol), self.kernel(epsilon, f, g, max(tol, ROUGH))


class StreamKernel(Kernel):
    """exp((f + g − C)/ε), formed a few rows at a time at every product."""

    def __init__(
        self,
        geometry: CompiledStream,
        epsilon: Tensor,
        f: Tensor,
        g: Tensor,
        dtype: torch.dtype,
        *,
        coarse: bool,
    ) -> None:
        self.geometry, self.epsilon, self.f, self.g = geometry, epsilon, f, g
        self.dtype, self.coarse, self.exact = dtype, coarse, dtype == torch.float64
        exponents = exponents_of(epsilon, f, g)
        # Twice as fast where the exponents are in float32 as well.
        self.parts: tuple[Any, ...] = (geometry.source, *exponents)
        if coarse:
            self.parts = (geometry.rough_source, *(part.astype(np.float32) for part in exponents))

    def __call__(self, v: Tensor, axis: int) -> Tensor:
        """K v or Kᵀ v: the way there, or the way back of v in place of the sums."""
        if axis == 1:
            return self._go_through(v, torch.ones_like(self.f), products.TIMES)[0]
        return self._go_through(torch.ones_like(self.g), v, products.INSTEAD)[1]

    def through(self, v: Tensor, turn: Turn) -> tuple[Tensor, Tensor]:
        """K v, turned, and back in one visit: each row is formed once."""
        return self._go_through(v, turn.weights, products.OVER if turn.divides else products.TIMES)

    def _go_through(self, v: Tensor, weights: Tensor, how: int) -> tuple[Tensor, Tensor]:
        visit, shape = products.streamed_products, self.geometry.shape
        return go_through(visit, self.parts, shape, v, self.dtype, weights, how, 1)

    def take(self, keep: Tensor) -> StreamKernel:
        """Return the kernel of the problems `keep`."""
        some = (self.epsilon[keep], self.f[keep], self.g[keep], self.dtype)
        return StreamKernel(self.geometry.take(keep), *some, coarse=self.coarse)
