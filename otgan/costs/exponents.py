"""Exponents (f + g − C)/ε between two supports, tensors formed in blocks of rows: what kernels are the exponentials of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from otgan.namespace import Array, is_tensor

__all__ = ["BlockExponents", "Exponents", "exponents"]


def exponents(cost: Array, row: Array, column: Array, inverse: Array) -> Array:
    """row + column − cost · inverse, the exponents of a block of a kernel; `inverse` has shape (B, 1)."""
    if not is_tensor(cost):
        found = cost * -inverse[..., None]
        found += column[:, None]
    elif inverse.shape[0] == 1:
        found = column[:, None].sub(cost, alpha=float(inverse))
    else:
        found = column[:, None].addcmul(cost, inverse[..., None], value=-1)
    found += row[..., None]
    return found


class Exponents(ABC):
    """The exponents of one kernel between points of which only the blocks that are asked for are formed."""

    @abstractmethod
    def fill(self, rows: slice, out: Array) -> None:
        """Write the exponents of some rows into memory of shape (B, rows, m)."""


class BlockExponents(Exponents):
    """Exponents from costs that come as blocks in float64, as every cost has them.

    Parameters
    ----------
    block : callable
        Returns the costs of some rows, (B, rows, m), float64.
    row, column : Array, shapes (B, n) and (B, m)
    scale : Array, shape (B,)
    """

    def __init__(self, block: Callable[[slice], Array], row: Array, column: Array, scale: Array) -> None:
        self.block = block
        self.inverse = (1 / scale)[:, None]
        self.row, self.column = row * self.inverse, column * self.inverse

    def fill(self, rows: slice, out: Array) -> None:
        """Form the costs in float64, and round the exponents only."""
        out.copy_(exponents(self.block(rows), self.row[:, rows], self.column, self.inverse))
