"""Two clouds as Triton's kernels read them, and the arithmetic in which they are read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["DOUBLE", "SINGLE", "Points", "Precision"]


@dataclass(frozen=True)
class Precision:
    """How exponents are computed.

    Attributes
    ----------
    dtype : torch.dtype
        float32 or float64.
    dot : {"", "tf32", "bf16x3", "tf32x3", "ieee"}
        Arithmetic of the inner product; "" for sums of squared differences.
    """

    dtype: torch.dtype
    dot: str = ""


SINGLE = Precision(torch.float32)
DOUBLE = Precision(torch.float64)


@dataclass(frozen=True, eq=False)
class Points:
    """Two clouds laid out for a precision: (B, d, n) for differences, (B, n, d) with norms for inner products."""

    x: Tensor
    y: Tensor
    x_norms: Tensor
    y_norms: Tensor
    n: int
    m: int
    d: int
    p: float
    precision: Precision

    @classmethod
    def of(cls, x: Tensor, y: Tensor, p: float, precision: Precision, scale: Tensor | None = None) -> Points:
        """Lay out clouds of shape (B, n, d) and (B, m, d), float64, scaled per problem by `scale`."""
        if scale is not None:
            x, y = x * scale[:, None, None], y * scale[:, None, None]
        x, y = x.to(precision.dtype), y.to(precision.dtype)
        n, m, d = x.shape[1], y.shape[1], x.shape[2]
        if precision.dot:
            x, y = x.contiguous(), y.contiguous()
            return cls(x, y, x.square().sum(2), y.square().sum(2), n, m, d, p, precision)
        return cls(x.mT.contiguous(), y.mT.contiguous(), x, y, n, m, d, p, precision)

    @property
    def swapped(self) -> Points:
        """The same with x and y exchanged."""
        return Points(
            self.y, self.x, self.y_norms, self.x_norms, self.m, self.n, self.d, self.p, self.precision
        )

    def along(self, axis: int) -> Points:
        """The clouds with the one that is summed over, y for axis 1 and x for axis 0, in second place."""
        return self if axis == 1 else self.swapped

    def take(self, keep: Tensor | slice) -> Points:
        """The problems whose indices are in `keep`."""
        x, y, u, v = (t[keep] for t in (self.x, self.y, self.x_norms, self.y_norms))
        return Points(x, y, u, v, self.n, self.m, self.d, self.p, self.precision)

    @property
    def batch(self) -> int:
        """Number of problems."""
        return self.x.shape[0]
