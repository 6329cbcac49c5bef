"""The kernel of an entropic problem as a linear map, and exponentials as kernels need them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from otgan.namespace import Array, is_tensor, namespace

__all__ = ["LOG2E", "Kernel", "Turn", "log_sum_exp", "powers_"]

LOG2E = 1 / math.log(2)
"""Exponentials are taken to the base 2: torch's `exp` on CPU is up to fifty times slower where it underflows."""


def log_sum_exp(exponent: Array, axis: int) -> Array:
    """log Σ exp(exponent) along an axis, overwriting the exponents."""
    xp = namespace(exponent)
    largest = xp.max(exponent, axis=axis, keepdims=True)
    anchor = xp.where(largest == -math.inf, 0.0, largest)
    exponent -= anchor
    exponent *= LOG2E
    return xp.log(powers_(exponent).sum(axis)) + anchor.squeeze(axis)


def powers_(exponent: Array) -> Array:
    """2 to the power of the exponents, overwriting them."""
    return exponent.exp2_() if is_tensor(exponent) else np.exp2(exponent, out=exponent)


@dataclass(frozen=True, eq=False)
class Turn:
    """What is done with the sums s of the rows of a kernel before they go back through its columns.

    Attributes
    ----------
    weights : Array, shape (B, n)
        w.
    divides : bool
        Whether sums become w / s, and 0 where w is 0: a Sinkhorn pass. Else they become w s: the product with a Newton
        system.
    """

    weights: Array
    divides: bool

    def __call__(self, sums: Array, rows: slice) -> Array:
        """Turn the sums of some rows."""
        weights = self.weights[:, rows]
        if not self.divides:
            return weights * sums
        # Points without weight have a row of zeros.
        return namespace(sums).where(weights == 0, 0.0, weights / sums)


class Kernel(ABC):
    """The linear map K = exp((f + g − C)/ε) at fixed potentials: the solver's every iteration is one or two of it."""

    dtype: Any
    """Type of vectors that the kernel loses nothing of, of the library that it works with; others it takes as well."""

    exact: bool = False
    """Whether the products are those of the float64 kernel but for rounding in float64."""

    core: Any = None
    """The few entries that hold nearly all of the plan, as compressed rows, where the kernel has them apart."""

    @abstractmethod
    def __call__(self, v: Array, axis: int) -> Array:
        """K v over y for axis 1, (B, m) to (B, n); Kᵀ v over x for axis 0, (B, n) to (B, m)."""

    def through(self, v: Array, turn: Turn) -> tuple[Array, Array]:
        """Go over y, through x and back: s = K v, w = turn(s) and Kᵀ w, shapes (B, n) and (B, m).

        A Sinkhorn pass and the product with a Newton system have this form. The turn acts row by row, so that a backend
        can finish each block while it is in cache.
        """
        sums = self(v, 1)
        return sums, self(turn(sums, slice(None)), 0)

    @abstractmethod
    def take(self, keep: Array) -> Kernel:
        """Return the kernel of the problems whose indices are in `keep`."""

    def gram(self, w: Array) -> Array | None:
        """Kᵀ diag(w) K of shape (B, m, m), in the kernel's own type, or None where K is not stored."""
        return None
