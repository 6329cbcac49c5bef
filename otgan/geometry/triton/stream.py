# Kernels are typed by Triton when they are compiled.
# mypy: disallow-untyped-defs=False
"""Streaming kernels: softmin, kernel products and marginals of large clouds, without the n times m matrix.

A program owns a block of rows and walks over the columns in tiles; where there are few rows, the columns are split
among programs too and the parts are added on the host side, still without a synchronization. The kernel products
need no running maximum: the potentials absorbed in them keep exp((f + g − C)/ε) in range. Their costs are recomputed
at every product, which on a GPU is cheaper than reading them for some hundred coordinates or fewer (as in
FlashAttention, Dao et al. 2022; FlashSinkhorn, 2026).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from otgan.geometry.triton.tiles import PLAIN, SQUARED, cost_tile, load_vector

__all__ = [
    "DOUBLE",
    "SINGLE",
    "Points",
    "Precision",
    "fill",
    "log_sums",
    "multiply",
    "product",
    "smallest",
    "stored_product",
]

_ROWS, _COLUMNS, _COORDINATES = 64, 64, 32
"""Sides of a tile, and coordinates that an inner product takes at a time."""

_THIN = 16
"""Rows of a block of a stored matrix: few, so that there are enough programs to keep the memory busy."""

_WAVES = 8
"""Programs that every multiprocessor should get before the columns are left unsplit."""


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


@triton.jit
def _place(n, m, row_blocks, width, BLOCK_M: tl.constexpr):
    """Where a program works: its problem, its rows, and the range of its columns."""
    where = tl.program_id(0)
    problem = (where // row_blocks).to(tl.int64)
    rows = (where % row_blocks) * BLOCK_M + tl.arange(0, BLOCK_M)
    first = tl.program_id(1) * width
    return problem, rows, first, tl.minimum(first + width, m)


@triton.jit
def _log_sums_kernel(
    x,
    y,
    x_norms,
    y_norms,
    h,
    out,
    n,
    m,
    problems,
    row_blocks,
    width,
    D: tl.constexpr,
    P: tl.constexpr,
    DOT: tl.constexpr,
    DTYPE: tl.constexpr,
    HARD: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """log2 Σⱼ 2^(hⱼ − Cᵢⱼ) by an online maximum; the maximum alone where HARD."""
    problem, rows, first, end = _place(n, m, row_blocks, width, BLOCK_M)
    x += problem * n * D
    y += problem * m * D
    x_norms += problem * n
    y_norms += problem * m
    top = tl.full((BLOCK_M,), float("-inf"), dtype=DTYPE)
    total = tl.zeros((BLOCK_M,), dtype=DTYPE)
    for start in range(first, end, BLOCK_N):
        columns = start + tl.arange(0, BLOCK_N)
        cost, _ = cost_tile(x, y, x_norms, y_norms, rows, columns, n, m, D, P, DOT, DTYPE, BLOCK_D)
        bias = load_vector(h + problem * m, columns, end, float("-inf"))
        exponent = bias[None, :] - cost
        highest = tl.maximum(top, tl.max(exponent, 1))
        if not HARD:
            # −inf − (−inf) is no number: a row that has seen nothing yet is measured from 0.
            level = tl.where(highest == float("-inf"), 0.0, highest)
            total = total * tl.exp2(top - level) + tl.sum(tl.exp2(exponent - level[:, None]), 1)
        top = highest
    if not HARD:
        top = tl.where(total > 0, top + tl.log2(tl.where(total > 0, total, 1.0)), float("-inf"))
    part = tl.program_id(1) * problems + problem
    tl.store(out + part * n + rows, top, mask=rows < n)


@triton.jit
def _product_kernel(
    x,
    y,
    x_norms,
    y_norms,
    row_bias,
    column_bias,
    v,
    out,
    n,
    m,
    problems,
    row_blocks,
    width,
    D: tl.constexpr,
    P: tl.constexpr,
    DOT: tl.constexpr,
    DTYPE: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """Σⱼ 2^(rᵢ + hⱼ − Cᵢⱼ) vⱼ."""
    problem, rows, first, end = _place(n, m, row_blocks, width, BLOCK_M)
    x += problem * n * D
    y += problem * m * D
    x_norms += problem * n
    y_norms += problem * m
    bias = load_vector(row_bias + problem * n, rows, n, 0.0)
    total = tl.zeros((BLOCK_M,), dtype=DTYPE)
    for start in range(first, end, BLOCK_N):
        columns = start + tl.arange(0, BLOCK_N)
        cost, _ = cost_tile(x, y, x_norms, y_norms, rows, columns, n, m, D, P, DOT, DTYPE, BLOCK_D)
        side = load_vector(column_bias + problem * m, columns, end, float("-inf"))
        vector = load_vector(v + problem * m, columns, end, 0.0)
        total += tl.sum(tl.exp2((bias[:, None] - cost) + side[None, :]) * vector[None, :], 1)
    part = tl.program_id(1) * problems + problem
    tl.store(out + part * n + rows, total, mask=rows < n)


@triton.jit
def _multiply_kernel(
    x,
    y,
    x_norms,
    y_norms,
    row_bias,
    column_bias,
    v,
    out,
    n,
    m,
    k,
    row_blocks,
    D: tl.constexpr,
    P: tl.constexpr,
    DOT: tl.constexpr,
    FORCE: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Σⱼ 2^(rᵢ + hⱼ − Cᵢⱼ) wᵢⱼ Vⱼ for rows V of k entries; w = r^(P−2), and 0 at r = 0, where FORCE, else 1."""
    problem, rows, _, _ = _place(n, m, row_blocks, m, BLOCK_M)
    x += problem * n * D
    y += problem * m * D
    x_norms += problem * n
    y_norms += problem * m
    entries = tl.program_id(1) * BLOCK_K + tl.arange(0, BLOCK_K)
    bias = load_vector(row_bias + problem * n, rows, n, 0.0)
    total = tl.zeros((BLOCK_M, BLOCK_K), dtype=tl.float32)
    for start in range(0, m, BLOCK_N):
        columns = start + tl.arange(0, BLOCK_N)
        cost, square = cost_tile(x, y, x_norms, y_norms, rows, columns, n, m, D, P, DOT, tl.float32, BLOCK_D)
        side = load_vector(column_bias + problem * m, columns, m, float("-inf"))
        weight = tl.exp2((bias[:, None] - cost) + side[None, :])
        if FORCE:
            if P == PLAIN:
                weight = tl.where(square > 0, weight * tl.rsqrt(tl.where(square > 0, square, 1.0)), 0.0)
            elif P != SQUARED:
                power = tl.exp2(tl.log2(tl.where(square > 0, square, 1.0)) * (P / 2 - 1))
                weight = tl.where(square > 0, weight * power, 0.0)
        matrix = tl.load(
            v + problem * m * k + columns[:, None] * k + entries[None, :],
            mask=(columns < m)[:, None] & (entries < k)[None, :],
            other=0.0,
        )
        total = tl.dot(weight, matrix, total, input_precision="ieee")
    tl.store(
        out + problem * n * k + rows[:, None] * k + entries[None, :],
        total,
        mask=(rows < n)[:, None] & (entries < k)[None, :],
    )


@triton.jit
def _fill_kernel(
    x,
    y,
    x_norms,
    y_norms,
    row_bias,
    column_bias,
    out,
    n,
    m,
    height,
    width,
    row_blocks,
    D: tl.constexpr,
    P: tl.constexpr,
    DOT: tl.constexpr,
    DTYPE: tl.constexpr,
    EXP: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """Store 2^(rᵢ + hⱼ − Cᵢⱼ) where EXP, else Cᵢⱼ, in the type of `out`; finite numbers outside the problem."""
    problem, rows, first, end = _place(height, width, row_blocks, BLOCK_N, BLOCK_M)
    x += problem * n * D
    y += problem * m * D
    columns = first + tl.arange(0, BLOCK_N)
    value, _ = cost_tile(
        x, y, x_norms + problem * n, y_norms + problem * m, rows, columns, n, m, D, P, DOT, DTYPE, BLOCK_D
    )
    if EXP:
        bias = load_vector(row_bias + problem * n, rows, n, 0.0)
        side = load_vector(column_bias + problem * m, columns, m, 0.0)
        value = tl.exp2((bias[:, None] - value) + side[None, :])
    place = (problem * height + rows)[:, None] * width + columns[None, :]
    inside = (rows < height)[:, None] & (columns < end)[None, :]
    tl.store(out + place, value.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _stored_product_kernel(
    matrix, v, out, n, m, row_stride, column_stride, row_blocks, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr
):
    """Σⱼ Kᵢⱼ vⱼ of a stored matrix, or of its transpose by the strides, accumulated in float32."""
    problem, rows, _, _ = _place(n, m, row_blocks, m, BLOCK_M)
    matrix += problem * n * m
    total = tl.zeros((BLOCK_M,), dtype=tl.float32)
    for start in range(0, m, BLOCK_N):
        columns = start + tl.arange(0, BLOCK_N)
        tile = tl.load(
            matrix + rows[:, None].to(tl.int64) * row_stride + columns[None, :].to(tl.int64) * column_stride,
            mask=(rows < n)[:, None] & (columns < m)[None, :],
            other=0.0,
        )
        total += tl.sum(tile.to(tl.float32) * load_vector(v + problem * m, columns, m, 0.0)[None, :], 1)
    tl.store(out + problem * n + rows, total, mask=rows < n)


def log_sums(points: Points, h: Tensor, axis: int) -> Tensor:
    """log2 Σⱼ 2^(hⱼ − Cᵢⱼ) over y for axis 1, over x for axis 0; float64, shape (B, n) or (B, m)."""
    parts = _split(_log_sums_kernel, points.along(axis), [h], {"HARD": False})
    if len(parts) == 1:
        return parts[0].double()
    return torch.logsumexp(parts.double() * _LN2, 0) / _LN2


def smallest(points: Points, h: Tensor, axis: int) -> Tensor:
    """Minimum of Cᵢⱼ − hⱼ over y for axis 1, over x for axis 0; shape (B, n) or (B, m)."""
    return -_split(_log_sums_kernel, points.along(axis), [h], {"HARD": True}).amax(0)


def product(points: Points, row: Tensor, column: Tensor, v: Tensor, axis: int) -> Tensor:
    """K v for axis 1 and Kᵀ v for axis 0, with K = 2^(row + column − C), in the type of the points."""
    if axis == 0:
        row, column = column, row
    return _split(_product_kernel, points.along(axis), [row, column, v], {}).sum(0)


def multiply(
    points: Points, row: Tensor, column: Tensor, v: Tensor, axis: int, *, force: bool = False
) -> Tensor:
    """K V for axis 1 and Kᵀ V for axis 0 of rows V, shape (B, m or n, k), in float32.

    With `force` the entries of K are multiplied by r^(p−2), r the distance of the scaled points, and by 0 at r = 0.
    """
    if axis == 0:
        row, column = column, row
    side = points.along(axis)
    k = v.shape[2]
    out = torch.empty(side.batch, side.n, k, dtype=torch.float32, device=v.device)
    width = max(16, min(64, triton.next_power_of_2(k)))
    blocks = triton.cdiv(side.n, _ROWS)
    _multiply_kernel[(blocks * side.batch, triton.cdiv(k, width))](
        side.x,
        side.y,
        side.x_norms,
        side.y_norms,
        *_ready(torch.float32, row, column, v),
        out,
        side.n,
        side.m,
        k,
        blocks,
        D=side.d,
        P=side.p,
        DOT=side.precision.dot,
        FORCE=force,
        BLOCK_M=_ROWS,
        BLOCK_N=_COLUMNS,
        BLOCK_D=_COORDINATES,
        BLOCK_K=width,
    )
    return out


def fill(
    points: Points,
    potentials: tuple[Tensor, Tensor] | None,
    dtype: torch.dtype,
    padded: tuple[int, int] | None = None,
) -> Tensor:
    """The matrix 2^(row + column − C), or C where no potentials are given; shape (B, n, m).

    With `padded` the matrices are stored at that size, larger than n times m, for aligned access; what stands
    outside the problem is finite and means nothing.
    """
    height, width = padded or (points.n, points.m)
    out = torch.empty(points.batch, height, width, dtype=dtype, device=points.x.device)
    bias = (points.x, points.y) if potentials is None else _ready(points.precision.dtype, *potentials)
    blocks = triton.cdiv(height, _ROWS)
    _fill_kernel[(blocks * points.batch, triton.cdiv(width, _COLUMNS))](
        points.x,
        points.y,
        points.x_norms,
        points.y_norms,
        *bias,
        out,
        points.n,
        points.m,
        height,
        width,
        blocks,
        D=points.d,
        P=points.p,
        DOT=points.precision.dot,
        DTYPE=_TYPES[points.precision.dtype],
        EXP=potentials is not None,
        BLOCK_M=_ROWS,
        BLOCK_N=_COLUMNS,
        BLOCK_D=_COORDINATES,
    )
    return out


def stored_product(matrix: Tensor, v: Tensor, axis: int) -> Tensor:
    """K v for axis 1 and Kᵀ v for axis 0 of a stored K of any type, shape (B, n, m), in float32."""
    batch, n, m = matrix.shape
    strides = (m, 1)
    if axis == 0:
        n, m, strides = m, n, (1, m)
    out = torch.empty(batch, n, dtype=torch.float32, device=matrix.device)
    blocks = triton.cdiv(n, _THIN)
    _stored_product_kernel[(blocks * batch,)](
        matrix, *_ready(torch.float32, v), out, n, m, *strides, blocks, BLOCK_M=_THIN, BLOCK_N=2048 // _THIN
    )
    return out


_LN2 = 0.6931471805599453
_TYPES = {torch.float32: tl.float32, torch.float64: tl.float64}


def _ready(dtype: torch.dtype, *tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(tensor.to(dtype).contiguous() for tensor in tensors)


def _split(
    kernel: triton.JITFunction, points: Points, vectors: list[Tensor], flags: dict[str, bool]
) -> Tensor:
    """Launch a reduction over columns; return its parts, shape (splits, B, n)."""
    blocks = triton.cdiv(points.n, _ROWS)
    tiles = triton.cdiv(points.m, _COLUMNS)
    splits = min(tiles, triton.cdiv(_WAVES * _multiprocessors(points.x.device), blocks * points.batch))
    width = triton.cdiv(tiles, splits) * _COLUMNS
    splits = triton.cdiv(points.m, width)
    dtype = points.precision.dtype
    out = torch.empty(splits, points.batch, points.n, dtype=dtype, device=points.x.device)
    kernel[(blocks * points.batch, splits)](
        points.x,
        points.y,
        points.x_norms,
        points.y_norms,
        *_ready(dtype, *vectors),
        out,
        points.n,
        points.m,
        points.batch,
        blocks,
        width,
        D=points.d,
        P=points.p,
        DOT=points.precision.dot,
        DTYPE=_TYPES[dtype],
        **flags,
        BLOCK_M=_ROWS,
        BLOCK_N=_COLUMNS,
        BLOCK_D=_COORDINATES,
    )
    return out


def _multiprocessors(device: torch.device) -> int:
    if device.type != "cuda":
        return 1
    return int(torch.cuda.get_device_properties(device).multi_processor_count)
