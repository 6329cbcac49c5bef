# Kernels are typed by Triton when they are compiled.
# mypy: disallow-untyped-defs=False
"""The streaming kernels: a program owns a block of rows and walks over the columns in tiles of costs, never stored."""

from __future__ import annotations

import triton
import triton.language as tl

from otgan.geometry.triton.tiles import PLAIN, SQUARED, cost_tile, load_vector

__all__ = ["fill_kernel", "log_sums_kernel", "multiply_kernel", "product_kernel", "stored_product_kernel"]


@triton.jit
def _place(n, m, row_blocks, width, BLOCK_M: tl.constexpr):
    """Where a program works: its problem, its rows, and the range of its columns."""
    where = tl.program_id(0)
    problem = (where // row_blocks).to(tl.int64)
    rows = (where % row_blocks) * BLOCK_M + tl.arange(0, BLOCK_M)
    first = tl.program_id(1) * width
    return problem, rows, first, tl.minimum(first + width, m)


@triton.jit
def log_sums_kernel(
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
def product_kernel(
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
def multiply_kernel(
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
def fill_kernel(
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
def stored_product_kernel(
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
