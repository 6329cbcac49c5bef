"""The Triton geometry: costs recomputed in fused kernels, or stored where reading them is cheaper."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from otgan.costs import Cost, Euclidean
from otgan.geometry.base import Geometry, rows_per_tile
from otgan.geometry.dense import DenseKernel
from otgan.geometry.kernel import Kernel, Turn
from otgan.geometry.triton import stream
from otgan.geometry.triton.device import require_device
from otgan.geometry.triton.points import DOUBLE, SINGLE, Points, Precision
from otgan.memory import free_memory

__all__ = ["TritonGeometry"]

_LOG2E = 1 / math.log(2)

_SQUARED = 2
"""The power at which a cost is the squared distance, which inner products give."""

_INNER = 16
"""Coordinates beyond which inner products on the tensor cores beat sums of differences."""

_REREAD = {"": 32, "tf32": 128, "bf16x3": 128, "tf32x3": 64}
"""Coordinates beyond which a stored kernel is read in less time than its costs are recomputed, by arithmetic."""

_CACHED = 2**22
"""Entries of a kernel that the second-level cache holds, so that reading it costs next to nothing."""

_HALVED = 1e-2
"""Marginal error from which on a kernel beyond the cache is stored in bfloat16."""

_DOUBLE = 64
"""Coordinates beyond which float64 costs come from torch's matrix product and not from our kernels."""

_LADDER = (
    (Precision(torch.float32, "tf32"), 2.0**-11),
    (Precision(torch.float32, "bf16x3"), 2.0**-16),
    (Precision(torch.float32, "tf32x3"), 2.0**-23),
)
"""Arithmetics for inner products from the fastest to the most accurate, with their rounding errors."""

_SHARE = 0.3
"""Marginal error that rounding leaves, as a share of rounding error times C/ε: about thrice what was measured."""


class TritonGeometry(Geometry):
    """Costs visited by Triton kernels on CUDA (or by Triton's interpreter), in O(n + m) memory unless it pays.

    Products and soft minima are computed in the cheapest arithmetic whose rounding stays below the tolerance asked
    for: TF32 while annealing, then bfloat16 in three parts, float32, and float64. Certificates are float64 always.

    Parameters
    ----------
    x, y : Tensor, shapes (B, n, d) and (B, m, d)
        The supports, detached, on a CUDA device.
    rule : Euclidean

    Raises
    ------
    ValueError
        If the samples are on a device for which there are no kernels.
    """

    name = "triton"

    def __init__(self, x: Tensor, y: Tensor, rule: Cost, direct: bool = False) -> None:
        require_device(x.device)
        super().__init__(x, y, rule, direct)
        self.p = rule.p
        x, y = x.double(), y.double()
        # Around their middle the coordinates lose least when they are rounded to float32.
        origin = 0.5 * (x.mean(1, keepdim=True) + y.mean(1, keepdim=True))
        self._x, self._y = x - origin, y - origin
        square = self._x.square().sum(2).mean(1) + self._y.square().sum(2).mean(1)
        self._spread = square.pow(self.p / 2)

    @classmethod
    def takes(cls, rule: Cost) -> bool:
        """The kernels form Euclidean distances."""
        return isinstance(rule, Euclidean)

    def tiles(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield freshly computed blocks of costs, float64; large ones on CUDA, where launches are what costs."""
        batch, n, m = self.shape
        step = rows_per_tile(batch, m, 2**25) if self.x.is_cuda else rows_per_tile(batch, m)
        for start in range(0, n, step):
            rows = slice(start, start + step)
            yield rows, self.block(rows)

    def kernel(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> Kernel:
        """Remember the potentials, or store exp((f + g − C)/ε) where that is cheaper, accurate enough for `tol`."""
        precision = self._precision(epsilon, tol)
        points, row, column = self._scaled(precision, epsilon), _in_bits(f, epsilon), _in_bits(g, epsilon)
        dtype = self._stored_type(precision, tol)
        if dtype is None:
            return StreamKernel(points, row, column)
        return StoredKernel(stream.fill(points, (row, column), dtype))

    def softmin(self, epsilon: Tensor, h: Tensor, axis: int, tol: float = 0.0) -> Tensor:
        """Soft minimum −ε log Σ exp((h − C)/ε) over one side, accurate to float64 unless a `tol` is given."""
        precision = self._precision(epsilon, tol)
        if precision == DOUBLE and not self._fits_double:
            return super().softmin(epsilon, h, axis)
        sums = stream.log_sums(self._scaled(precision, epsilon), _in_bits(h, epsilon), axis)
        return sums * (-epsilon / _LOG2E)[:, None]

    def c_transform(self, h: Tensor, axis: int) -> Tensor:
        """Minimum of C − h over one side, float64."""
        if not self._fits_double:
            return super().c_transform(h, axis)
        return stream.smallest(Points.of(self._x, self._y, self.p, DOUBLE), h, axis)

    def marginals(self, epsilon: Tensor, f: Tensor, g: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Row and column sums of the plan a b exp((f + g − C)/ε), float64."""
        if not self._fits_double:
            return super().marginals(epsilon, f, g, a, b)
        points, row, column = self._scaled(DOUBLE, epsilon), _in_bits(f, epsilon), _in_bits(g, epsilon)
        return (
            a * stream.product(points, row, column, b, 1),
            b * stream.product(points, row, column, a, 0),
        )

    def point_gradients(
        self, epsilon: Tensor, f: Tensor, g: Tensor, a: Tensor, b: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Gradients of ⟨P, C⟩ in the points at the fixed plan P; for float32 samples by float32 kernels."""
        if self.x.dtype != torch.float32 or self.x.shape[2] > _DOUBLE:
            return super().point_gradients(epsilon, f, g, a, b)
        points = self._scaled(self.single, epsilon)
        row, column = _in_bits(f, epsilon), _in_bits(g, epsilon)
        # The kernel measures distances in units of ε^(1/p): what is left of r^(p−2) is a factor a problem.
        unit = self.p * (_LOG2E / epsilon).pow((2 - self.p) / self.p)[:, None, None]
        pulls = []
        for axis, here, there, mine, other in ((1, self._x, self._y, a, b), (0, self._y, self._x, b, a)):
            rows = other[..., None] * torch.cat([there, torch.ones_like(there[..., :1])], 2)
            sums = stream.multiply(points, row, column, rows, axis, force=True).double() * mine[..., None]
            pulls.append(unit * (here * sums[..., -1:] - sums[..., :-1]))
        return pulls[0], pulls[1]

    @property
    def centered(self) -> tuple[Tensor, Tensor]:
        """The points about their middle, where they lose least in float32."""
        return self._x, self._y

    @property
    def single(self) -> Precision:
        """The most accurate arithmetic in float32."""
        return _LADDER[-1][0] if self._by_inner_products else SINGLE

    @property
    def _by_inner_products(self) -> bool:
        return self.p == _SQUARED and self.x.shape[2] > _INNER

    @property
    def _fits_double(self) -> bool:
        return self.x.shape[2] <= _DOUBLE

    def _scaled(self, precision: Precision, epsilon: Tensor) -> Points:
        return Points.of(self._x, self._y, self.p, precision, (_LOG2E / epsilon).pow(1 / self.p))

    def _precision(self, epsilon: Tensor, tol: float) -> Precision:
        """The cheapest arithmetic whose rounding leaves a marginal error well below `tol`."""
        if tol == 0:
            return DOUBLE
        exponent = float((self._spread / epsilon).amax())
        ladder = _LADDER if self._by_inner_products else ((SINGLE, 2.0**-23),)
        for precision, rounding in ladder:
            if _SHARE * rounding * exponent <= 0.5 * tol:
                return precision
        return DOUBLE

    def _stored_type(self, precision: Precision, tol: float) -> torch.dtype | None:
        """The type to store a kernel in, or None where recomputing it is cheaper or it would not fit."""
        batch, n, m = self.shape
        entries = batch * n * m
        if entries <= _CACHED:
            return precision.dtype
        if precision != DOUBLE and self.x.shape[2] < _REREAD[precision.dot]:
            return None
        dtype = torch.bfloat16 if tol >= _HALVED else precision.dtype
        return dtype if 3 * entries * dtype.itemsize <= free_memory(self.x.device) else None


def _in_bits(potential: Tensor, epsilon: Tensor) -> Tensor:
    """A potential in units of ε log 2, in which the kernels exponentiate."""
    return potential * (_LOG2E / epsilon)[:, None]


class StoredKernel(DenseKernel):
    """A stored matrix exp((f + g − C)/ε), in bfloat16 too."""

    def __call__(self, v: Tensor, axis: int) -> Tensor:
        """K v or Kᵀ v, accumulated in float32 at least and returned in the type of v."""
        if self.matrix.dtype == torch.bfloat16:
            return stream.stored_product(self.matrix, v, axis).to(v.dtype)
        return super().__call__(v, axis)

    def through(self, v: Tensor, turn: Turn) -> tuple[Tensor, Tensor]:
        """K v, turned, and back, in two launches: the blocks that suit a processor's cache are many launches here."""
        return Kernel.through(self, v, turn)

    def take(self, keep: Tensor) -> StoredKernel:
        """Return the kernel of the problems `keep`."""
        return StoredKernel(self.matrix[keep])


class StreamKernel(Kernel):
    """exp((f + g − C)/ε), recomputed from the points in every product."""

    dtype = torch.float64

    def __init__(self, points: Points, row: Tensor, column: Tensor) -> None:
        self.points, self.row, self.column = points, row, column

    def __call__(self, v: Tensor, axis: int) -> Tensor:
        """K v or Kᵀ v in one launch."""
        return stream.product(self.points, self.row, self.column, v, axis).to(v.dtype)

    def take(self, keep: Tensor) -> StreamKernel:
        """Return the kernel of the problems `keep`."""
        return StreamKernel(self.points.take(keep), self.row[keep], self.column[keep])

    def gram(self, w: Tensor) -> Tensor | None:
        """Kᵀ diag(w) K of shape (B, m, m), where K fits in memory for the moment that it takes."""
        entries = self.points.batch * self.points.n * self.points.m
        if 4 * entries * self.points.precision.dtype.itemsize > free_memory(w.device):
            return None
        matrix = stream.fill(self.points, (self.row, self.column), self.points.precision.dtype)
        return DenseKernel(matrix).gram(w)
