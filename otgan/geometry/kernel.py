"""The kernel of an entropic problem as a linear map, and exponentials as kernels need them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["LOG2E", "Kernel", "Turn", "exp2_", "log_sum_exp"]

_FLOOR = -100.0
"""Powers of two below it are 0 in float32."""

LOG2E = 1 / math.log(2)
"""Exponentials are taken to the base 2: torch's `exp` on CPU is up to fifty times slower where it underflows."""


def exp2_(exponent: Tensor) -> Tensor:
    """2 to the power of the exponents, overwriting them; float32 results below 2^-100 become 0.

    Where results underflow torch takes three times as long to form them, and the processor to multiply what is nearly
    0: in a kernel at small ε that is most of them.
    """
    if exponent.dtype != torch.float32:
        return exponent.exp2_()
    return torch.threshold_(exponent.clamp_min_(_FLOOR - 1).exp2_(), 2.0**_FLOOR, 0.0)


def log_sum_exp(exponent: Tensor, axis: int) -> Tensor:
    """log Σ exp(exponent) along an axis, overwriting the exponents."""
    largest = exponent.amax(axis, keepdim=True)
    anchor = largest.masked_fill(largest == -torch.inf, 0.0)
    return exponent.sub_(anchor).mul_(LOG2E).exp2_().sum(axis).log_().add_(anchor.squeeze(axis))


@dataclass(frozen=True, eq=False)
class Turn:
    """What is done with the sums s of the rows of a kernel before they go back through its columns.

    Attributes
    ----------
    weights : Tensor, shape (B, n)
        w.
    divides : bool
        Whether sums become w / s, and 0 where w is 0: a Sinkhorn pass. Else they become w s: the product with a Newton
        system.
    """

    weights: Tensor
    divides: bool

    def __call__(self, sums: Tensor, rows: slice) -> Tensor:
        """Turn the sums of some rows."""
        weights = self.weights[:, rows]
        if not self.divides:
            return weights * sums
        # Points without weight have a row of zeros.
        return (weights / sums).masked_fill_(weights == 0, 0.0)


class Kernel(ABC):
    """The linear map K = exp((f + g − C)/ε) at fixed potentials: the solver's every iteration is one or two of it."""

    dtype: torch.dtype = torch.float64
    """Type of vectors that the kernel loses nothing of; others it takes as well."""

    exact: bool = False
    """Whether the products are those of the float64 kernel but for rounding in float64."""

    core: Any = None
    """The few entries that hold nearly all of the plan, as compressed rows, where the kernel has them apart."""

    @abstractmethod
    def __call__(self, v: Tensor, axis: int) -> Tensor:
        """K v over y for axis 1, (B, m) to (B, n); Kᵀ v over x for axis 0, (B, n) to (B, m)."""

    def through(self, v: Tensor, turn: Turn) -> tuple[Tensor, Tensor]:
        """Go over y, through x and back: s = K v, w = turn(s) and Kᵀ w, shapes (B, n) and (B, m).

        A Sinkhorn pass and the product with a Newton system have this form. The turn acts row by row, so that a backend
        can finish each block while it is in cache.
        """
        sums = self(v, 1)
        return sums, self(turn(sums, slice(None)), 0)

    @abstractmethod
    def take(self, keep: Tensor) -> Kernel:
        """Return the kernel of the problems whose indices are in `keep`."""

    def gram(self, w: Tensor) -> Tensor | None:
        """Kᵀ diag(w) K of shape (B, m, m), in the kernel's own type, or None where K is not stored."""
        return None
