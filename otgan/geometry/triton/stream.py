"""Streaming kernels: softmin, kernel products and marginals of large clouds, without the n times m matrix.

A program owns a block of rows and walks over the columns in tiles; where there are few rows, the columns are split
among programs too and the parts are added on the host side, still without a synchronization. The kernel products
need no running maximum: the potentials absorbed in them keep exp((f + g − C)/ε) in range. Their costs are recomputed
at every product, which on a GPU is cheaper than reading them for some hundred coordinates or fewer (as in
FlashAttention, Dao et al. 2022; FlashSinkhorn, 2026).
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from otgan.geometry.triton.kernels import (
    fill_kernel,
    log_sums_kernel,
    multiply_kernel,
    product_kernel,
    stored_product_kernel,
)
from otgan.geometry.triton.points import Points

__all__ = ["fill", "log_sums", "multiply", "product", "smallest", "stored_product"]

_ROWS, _COLUMNS, _COORDINATES = 64, 64, 32
"""Sides of a tile, and coordinates that an inner product takes at a time."""

_THIN = 16
"""Rows of a block of a stored matrix: few, so that there are enough programs to keep the memory busy."""

_WAVES = 8
"""Programs that every multiprocessor should get before the columns are left unsplit."""

_LN2 = 0.6931471805599453
_TYPES = {torch.float32: tl.float32, torch.float64: tl.float64}


def log_sums(points: Points, h: Tensor, axis: int) -> Tensor:
    """log2 Σⱼ 2^(hⱼ − Cᵢⱼ) over y for axis 1, over x for axis 0; float64, shape (B, n) or (B, m)."""
    parts = _split(log_sums_kernel, points.along(axis), [h], {"HARD": False})
    if len(parts) == 1:
        return parts[0].double()
    return torch.logsumexp(parts.double() * _LN2, 0) / _LN2


def smallest(points: Points, h: Tensor, axis: int) -> Tensor:
    """Minimum of Cᵢⱼ − hⱼ over y for axis 1, over x for axis 0; shape (B, n) or (B, m)."""
    return -_split(log_sums_kernel, points.along(axis), [h], {"HARD": True}).amax(0)


def product(points: Points, row: Tensor, column: Tensor, v: Tensor, axis: int) -> Tensor:
    """K v for axis 1 and Kᵀ v for axis 0, with K = 2^(row + column − C), in the type of the points."""
    if axis == 0:
        row, column = column, row
    return _split(product_kernel, points.along(axis), [row, column, v], {}).sum(0)


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
    multiply_kernel[(blocks * side.batch, triton.cdiv(k, width))](
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
    fill_kernel[(blocks * points.batch, triton.cdiv(width, _COLUMNS))](
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
    stored_product_kernel[(blocks * batch,)](
        matrix, *_ready(torch.float32, v), out, n, m, *strides, blocks, BLOCK_M=_THIN, BLOCK_N=2048 // _THIN
    )
    return out


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
