# Kernels are typed by Triton when they are compiled.
# mypy: disallow-untyped-defs=False
"""One pass of a program over the kernel of its problem: absorbing potentials, scaling rows, a product of Newton's system.

A kernel is held in registers, a tile passed as a value, or stored, a pointer that is read in blocks of rows.
"""

from __future__ import annotations

import triton
import triton.language as tl

__all__ = ["HUGE", "absorb_held", "absorb_stored", "curve", "load_weights", "log2", "sweep"]

HUGE = tl.constexpr(1e30)
"""In place of infinity, whose differences are no numbers."""

_LEAST, _GREATEST = tl.constexpr(1e-37), tl.constexpr(1e37)
"""Ends of the range of float32, a digit inside."""

_HIGHEST = tl.constexpr(126.0)
"""Power of 2 that float32 holds, with room for one more."""


@triton.jit
def log2(x):
    """Logarithm of what is meant to be positive, finite where it has underflowed or overflowed."""
    return tl.log2(tl.minimum(tl.maximum(x, _LEAST), _GREATEST))


@triton.jit
def block(matrix, start, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    """A block of rows of a matrix of BLOCK_N columns: aligned, so that a thread loads four entries at a time."""
    rows, columns = start + tl.arange(0, BLOCK_M), tl.arange(0, BLOCK_N)
    return tl.load(matrix + rows[:, None] * BLOCK_N + columns[None, :])


@triton.jit
def load_weights(a, start, n, BLOCK_M: tl.constexpr):
    """The weights of a block of rows, and 0 past the end."""
    rows = start + tl.arange(0, BLOCK_M)
    return tl.load(a + rows, mask=rows < n, other=0.0)


@triton.jit
def _row_potential(z, bias):
    """f = −log2 Σⱼ 2^(biasⱼ − zᵢⱼ)."""
    exponent = bias[None, :] - z
    top = tl.max(exponent, 1)
    return -(top + tl.log2(tl.sum(tl.exp2(exponent - top[:, None]), 1)))


@triton.jit
def _row_bias(f, weights):
    """f + log2 a, and a number that exponentiates to 0 where a is 0."""
    return tl.where(weights > 0, f + tl.log2(tl.where(weights > 0, weights, 1.0)), -HUGE)


@triton.jit
def _kernel_of(z, f, g, weights):
    """2^(f + g − z), and 0 in rows without weight, which nothing depends on."""
    exponent = tl.minimum((f[:, None] - z) + g[None, :], _HIGHEST)
    return tl.where((weights > 0)[:, None], tl.exp2(exponent), 0.0)


@triton.jit
def absorb_held(cost, weights, bias, scale, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    """A log-domain step over each side, and the kernel at its potentials, held in registers."""
    z = block(cost, 0, BLOCK_M, BLOCK_N) * scale
    f = _row_potential(z, bias)
    exponent = _row_bias(f, weights)[:, None] - z
    top = tl.max(exponent, 0)
    g = -(top + tl.log2(tl.sum(tl.exp2(exponent - top[None, :]), 0)))
    return _kernel_of(z, f, g, weights), g


@triton.jit
def absorb_stored(
    cost, a, bias, n, scale, matrix, scratch, end, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr
):
    """The same, block by block; the kernel is stored in `matrix`."""
    columns = tl.arange(0, BLOCK_N)
    top = tl.full((BLOCK_N,), -HUGE, dtype=tl.float32)
    total = tl.zeros((BLOCK_N,), dtype=tl.float32)
    for start in range(0, end, BLOCK_M):
        weights = load_weights(a, start, n, BLOCK_M)
        z = block(cost, start, BLOCK_M, BLOCK_N) * scale
        f = _row_potential(z, bias)
        exponent = _row_bias(f, weights)[:, None] - z
        highest = tl.maximum(top, tl.max(exponent, 0))
        total = total * tl.exp2(top - highest) + tl.sum(tl.exp2(exponent - highest[None, :]), 0)
        top = highest
        tl.store(scratch + start + tl.arange(0, BLOCK_M), f)
    g = -(top + tl.log2(total))
    tl.debug_barrier()
    for start in range(0, end, BLOCK_M):
        rows = start + tl.arange(0, BLOCK_M)
        z = block(cost, start, BLOCK_M, BLOCK_N) * scale
        tile = _kernel_of(z, tl.load(scratch + rows), g, load_weights(a, start, n, BLOCK_M))
        tl.store(matrix + rows[:, None] * BLOCK_N + columns[None, :], tile)
    tl.debug_barrier()
    return g


@triton.jit
def _sweep_block(tile, weights, bv):
    """Make a block's row sums exact: its scalings u, its share of Kᵀ(a u) and of ⟨a, log2 u⟩, and its largest |log2 u|."""
    log_u = tl.where(weights > 0, -log2(tl.sum(tile * bv[None, :], 1)), 0.0)
    u = tl.exp2(log_u)
    column = tl.sum(tile * (weights * u)[:, None], 0)
    return u, column, tl.sum(weights * log_u, 0), tl.max(tl.abs(log_u), 0)


@triton.jit
def sweep(
    matrix,
    a,
    bv,
    scratch,
    n,
    end,
    HELD: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Row scalings u = 1 / K(b v), a and K themselves being passed where HELD and pointers to them elsewhere; with Kᵀ(a u), ⟨a, log2 u⟩ and the largest |log2 u|; u is stored unless HELD."""
    if HELD:
        u, column, value, far = _sweep_block(matrix, a, bv)
    else:
        column = tl.zeros((BLOCK_N,), dtype=tl.float32)
        value, far = 0.0, 0.0
        u = bv
        for start in range(0, end, BLOCK_M):
            rows = start + tl.arange(0, BLOCK_M)
            tile = block(matrix, start, BLOCK_M, BLOCK_N)
            part = _sweep_block(tile, load_weights(a, start, n, BLOCK_M), bv)
            tl.store(scratch + rows, part[0])
            column += part[1]
            value += part[2]
            far = tl.maximum(far, part[3])
        tl.debug_barrier()
    return u, column, value, far


@triton.jit
def curve(
    matrix,
    a,
    u,
    vector,
    scratch,
    n,
    end,
    HELD: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Kᵀ diag(a u²) K `vector`."""
    if HELD:
        row = tl.sum(matrix * vector[None, :], 1) * a * u * u
        result = tl.sum(matrix * row[:, None], 0)
    else:
        result = tl.zeros((BLOCK_N,), dtype=tl.float32)
        for start in range(0, end, BLOCK_M):
            rows = start + tl.arange(0, BLOCK_M)
            tile = block(matrix, start, BLOCK_M, BLOCK_N)
            scaling = tl.load(scratch + rows)
            row = tl.sum(tile * vector[None, :], 1) * load_weights(a, start, n, BLOCK_M) * scaling * scaling
            result += tl.sum(tile * row[:, None], 0)
    return result
