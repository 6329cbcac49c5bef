# Kernels are typed by Triton when they are compiled.
# mypy: disallow-untyped-defs=False
"""Many small problems in one launch: each is annealed, solved and stopped by a program of its own, on the chip.

The algorithm is that of :mod:`otgan.entropic.solver`, in float32: stages of falling ε, each with a kernel
K = 2^(f + g − C) absorbed in the log-domain, plain Sinkhorn steps, then Newton steps on the semi-dual by conjugate
gradients. What it returns is a start to be verified, and polished where need be, in float64: no result rests on it.

K stays in registers up to 128 points a side. Beyond, it is written once a stage to memory that the second-level cache
holds, and read in blocks of rows, once a pass: a block's row sums are complete as soon as it is read, so that its
part of the column sums follows from the same registers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from otgan.geometry.triton import stream
from otgan.geometry.triton.stream import Points

__all__ = ["FITS", "Resident", "solve_resident"]

FITS = 512
"""Points a side up to which a program can hold a problem."""

_REGISTERS = 128
"""Points a side up to which its kernel stays in registers."""

_BLOCK = 2**14
"""Entries of a kernel that a program holds at once."""

_PASSES = 2000
"""Passes after which a problem is left to the polishing."""

_SLICE = 2**28
"""Costs that one launch may store, over all its problems."""

_LOG2E = tl.constexpr(1.4426950408889634)
_LN2 = tl.constexpr(0.6931471805599453)

_FACTOR = tl.constexpr(4.0)
"""ε falls by this factor from stage to stage."""

_STAGE_TOL = tl.constexpr(0.05)
"""Marginal error at which a stage that is not the last one ends."""

_STAGE_STEPS = tl.constexpr(12)
"""Steps after which it ends anyway."""

_PLAIN = tl.constexpr(3)
"""Plain steps before the first Newton step of a stage."""

_LIMIT = tl.constexpr(60)
"""Conjugate-gradient iterations of a Newton step."""

_TRUST = tl.constexpr(20.0)
"""Largest entry of a Newton step, in units of ε."""

_FAR = tl.constexpr(40.0)
"""Power of 2 by which the scalings may grow before they are absorbed."""

_STALE = tl.constexpr(8)
"""Steps without progress after which float32 has given what it can."""


@triton.jit
def _log2(x):
    """Logarithm of what is meant to be positive, finite where it has underflowed or overflowed."""
    return tl.log2(tl.minimum(tl.maximum(x, 1e-37), 1e37))


@triton.jit
def _block(matrix, start, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    """A block of rows of a matrix of BLOCK_N columns: aligned, so that a thread loads four entries at a time."""
    rows, columns = start + tl.arange(0, BLOCK_M), tl.arange(0, BLOCK_N)
    return tl.load(matrix + rows[:, None] * BLOCK_N + columns[None, :])


@triton.jit
def _weights(a, start, n, BLOCK_M: tl.constexpr):
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
    return tl.where(weights > 0, f + tl.log2(tl.where(weights > 0, weights, 1.0)), -1e30)


@triton.jit
def _kernel_of(z, f, g, weights):
    """2^(f + g − z), and 0 in rows without weight, which nothing depends on."""
    exponent = tl.minimum((f[:, None] - z) + g[None, :], 126.0)
    return tl.where((weights > 0)[:, None], tl.exp2(exponent), 0.0)


@triton.jit
def _absorb_held(cost, weights, bias, scale, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    """A log-domain step over each side, and the kernel at its potentials, held in registers."""
    z = _block(cost, 0, BLOCK_M, BLOCK_N) * scale
    f = _row_potential(z, bias)
    exponent = _row_bias(f, weights)[:, None] - z
    top = tl.max(exponent, 0)
    g = -(top + tl.log2(tl.sum(tl.exp2(exponent - top[None, :]), 0)))
    return _kernel_of(z, f, g, weights), g


@triton.jit
def _absorb_stored(
    cost, a, bias, n, scale, matrix, scratch, end, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr
):
    """The same, block by block; the kernel is stored in `matrix`."""
    columns = tl.arange(0, BLOCK_N)
    top = tl.full((BLOCK_N,), -1e30, dtype=tl.float32)
    total = tl.zeros((BLOCK_N,), dtype=tl.float32)
    for start in range(0, end, BLOCK_M):
        weights = _weights(a, start, n, BLOCK_M)
        z = _block(cost, start, BLOCK_M, BLOCK_N) * scale
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
        z = _block(cost, start, BLOCK_M, BLOCK_N) * scale
        tile = _kernel_of(z, tl.load(scratch + rows), g, _weights(a, start, n, BLOCK_M))
        tl.store(matrix + rows[:, None] * BLOCK_N + columns[None, :], tile)
    tl.debug_barrier()
    return g


@triton.jit
def _sweep_block(tile, weights, bv):
    """Make a block's row sums exact: its scalings u, its share of Kᵀ(a u) and of ⟨a, log2 u⟩, and its largest |log2 u|."""
    log_u = tl.where(weights > 0, -_log2(tl.sum(tile * bv[None, :], 1)), 0.0)
    u = tl.exp2(log_u)
    column = tl.sum(tile * (weights * u)[:, None], 0)
    return u, column, tl.sum(weights * log_u, 0), tl.max(tl.abs(log_u), 0)


@triton.jit
def _sweep(
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
            tile = _block(matrix, start, BLOCK_M, BLOCK_N)
            part = _sweep_block(tile, _weights(a, start, n, BLOCK_M), bv)
            tl.store(scratch + rows, part[0])
            column += part[1]
            value += part[2]
            far = tl.maximum(far, part[3])
        tl.debug_barrier()
    return u, column, value, far


@triton.jit
def _curve(
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
            tile = _block(matrix, start, BLOCK_M, BLOCK_N)
            scaling = tl.load(scratch + rows)
            row = tl.sum(tile * vector[None, :], 1) * _weights(a, start, n, BLOCK_M) * scaling * scaling
            result += tl.sum(tile * row[:, None], 0)
    return result


@triton.jit
def _resident_kernel(
    cost,
    a,
    b,
    epsilon,
    first,
    lengths,
    matrix,
    scratch,
    out_g,
    out_passes,
    out_error,
    n,
    m,
    tol,
    limit,
    HELD: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Solve one problem from its costs and weights; write its potential g, its passes and its float32 error."""
    problem = tl.program_id(0).to(tl.int64)
    cost += problem * PADDED * BLOCK_N
    a += problem * n
    if HELD:
        a = _weights(a, 0, n, BLOCK_M)
    matrix += problem * PADDED * BLOCK_N
    scratch += problem * PADDED
    end = tl.load(lengths + problem)
    columns = tl.arange(0, BLOCK_N)
    b = tl.load(b + problem * m + columns, mask=columns < m, other=0.0)
    weighed = b > 0
    log_b = tl.where(weighed, tl.log2(tl.where(weighed, b, 1.0)), -1e30)
    target = tl.load(epsilon + problem).to(tl.float32)
    level = tl.maximum(tl.load(first + problem).to(tl.float32), target)
    g = tl.zeros((BLOCK_N,), dtype=tl.float32)
    bits = tl.zeros((BLOCK_N,), dtype=tl.float64)
    passes = 0
    error = 2.0
    running = 1
    while running == 1:
        last = level <= target
        goal = tl.where(last, tol, tl.maximum(tol, _STAGE_TOL))
        bias = g * (_LOG2E / level) + log_b
        if HELD:
            tile, absorbed = _absorb_held(cost, a, bias, _LOG2E / level, BLOCK_M, BLOCK_N)
        else:
            tile = matrix
            absorbed = _absorb_stored(
                cost, a, bias, n, _LOG2E / level, matrix, scratch, end, BLOCK_M, BLOCK_N
            )
        passes += 1
        log_v = tl.zeros((BLOCK_N,), dtype=tl.float32)
        column = log_v
        best = 1e30
        step = 0
        stale = 0
        near = 1
        stepping = 1
        while stepping == 1:
            v = tl.exp2(log_v)
            u, column, value, far = _sweep(tile, a, b * v, scratch, n, end, HELD, BLOCK_M, BLOCK_N)
            ratio = v * column
            error = tl.sum(b * tl.abs(ratio - 1), 0)
            value += tl.sum(b * log_v, 0)
            far = tl.maximum(far, tl.max(tl.where(weighed, tl.abs(log_v), 0.0), 0))
            passes += 1
            step += 1
            stale = tl.where(error < 0.9 * best, 0, stale + 1)
            best = tl.minimum(best, error)
            near = tl.where((far < _FAR) | (error <= goal), 1, 0)
            over = (step >= _STAGE_STEPS) & (level > target)
            over = over | (error <= goal) | (passes >= limit) | (stale >= _STALE) | (near == 0)
            if over:
                stepping = 0
            elif (step <= _PLAIN) | (error > 0.5):
                log_v = -_log2(column)
            else:
                # A Newton step: S d = b − c, S = diag(c) − Pᵀ diag(1/a) P, by conjugate gradients.
                mass = b * ratio
                gap = b - mass
                inverse = tl.where(mass > 0, 1 / tl.where(mass > 0, mass, 1.0), 0.0)
                forcing = tl.maximum(tl.minimum(tl.sqrt(error), 0.25), 0.3 * goal / error)
                enough = tl.minimum(forcing, 0.5) * error
                d = tl.zeros((BLOCK_N,), dtype=tl.float32)
                residual = gap
                direction = residual * inverse
                slope = tl.sum(residual * direction, 0)
                inner = 0
                solving = 1
                while solving == 1:
                    product = _curve(tile, a, u, b * v * direction, scratch, n, end, HELD, BLOCK_M, BLOCK_N)
                    product = mass * direction - b * v * product
                    curvature = tl.sum(direction * product, 0)
                    sound = curvature > 0
                    length = tl.where(sound, slope / tl.where(sound, curvature, 1.0), 0.0)
                    d += length * direction
                    residual -= length * product
                    z = residual * inverse
                    steeper = tl.sum(residual * z, 0)
                    direction = z + (steeper / tl.maximum(slope, 1e-37)) * direction
                    slope = steeper
                    passes += 1
                    inner += 1
                    more = sound & (tl.sum(tl.abs(residual), 0) > enough) & (inner < _LIMIT) & (slope > 0)
                    solving = tl.where(more, 1, 0)
                d -= tl.sum(d * mass, 0) / tl.sum(mass, 0)
                d = tl.minimum(tl.maximum(d, -_TRUST), _TRUST)
                promise = tl.sum(d * gap, 0)
                plain = -_log2(column)
                share = 1.0
                tries = 0
                searching = 1
                while searching == 1:
                    trial = log_v + share * _LOG2E * d
                    trial_v = tl.exp2(trial)
                    _, column, height, _ = _sweep(
                        tile, a, b * trial_v, scratch, n, end, HELD, BLOCK_M, BLOCK_N
                    )
                    rise = (height + tl.sum(b * trial, 0) - value) * _LN2
                    reached = tl.sum(b * tl.abs(trial_v * column - 1), 0)
                    # Near the solution the rise drowns in rounding; there a smaller error says the same.
                    good = (rise >= 1e-4 * share * promise) | (reached <= 0.7 * error)
                    passes += 1
                    tries += 1
                    if good:
                        plain = -_log2(column)
                    share *= 0.25
                    searching = tl.where(good | (tries >= 6), 0, 1)
                log_v = plain
        stepped = absorbed - _log2(column)
        # At the end the v whose error was measured; where there is no weight, what the column step defines.
        bits = tl.where(weighed, absorbed.to(tl.float64) + log_v.to(tl.float64), stepped.to(tl.float64))
        g = stepped * (level * _LN2)
        ended = (near == 1) & (level <= target)
        number = error < 1e30  # what is no number is not below anything
        if ended | (passes >= limit) | (number == 0):
            running = 0
        elif near == 1:
            level = tl.maximum(level / _FACTOR, target)
    exact = tl.load(epsilon + problem).to(tl.float64)
    exact = tl.where(level <= target, exact, level.to(tl.float64))
    tl.store(out_g + problem * m + columns, bits * (exact * _LN2), mask=columns < m)
    tl.store(out_passes + problem, passes)
    tl.store(out_error + problem, error)


@dataclass(frozen=True, eq=False)
class Resident:
    """What a launch found for a batch.

    Attributes
    ----------
    g : Tensor, shape (B, m), float64
        Potentials of y.
    passes : Tensor, shape (B,), int64
        Passes over the kernel that each problem took.
    error : Tensor, shape (B,), float32
        L1 marginal error in the arithmetic of the kernel: an estimate, to be verified in float64.
    """

    g: Tensor
    passes: Tensor
    error: Tensor


def solve_resident(
    points: Points,
    a: Tensor,
    b: Tensor,
    epsilon: Tensor,
    *,
    start: Tensor,
    tol: float,
    limit: int = _PASSES,
) -> Resident:
    """Solve a batch of problems of at most `FITS` points a side, one program each, without a synchronization.

    Parameters
    ----------
    points : Points
        The unscaled clouds, float32.
    a, b : Tensor, shapes (B, n) and (B, m)
        Weights of total 1; a ragged problem's end in zeros, which cost nothing.
    epsilon, start : Tensor, shape (B,)
        ε to reach, and that of the first stage.
    tol : float
        L1 marginal error at which a problem stops.
    limit : int
        Passes after which it stops anyway.
    """
    g = torch.empty(points.batch, points.m, dtype=torch.float64, device=a.device)
    passes = torch.empty(points.batch, dtype=torch.int32, device=a.device)
    error = torch.empty(points.batch, dtype=torch.float32, device=a.device)
    step = max(1, _SLICE // (points.n * points.m))
    for begin in range(0, points.batch, step):
        part = slice(begin, begin + step)
        # Half the tolerance leaves room for what float32 hides from the kernel.
        _launch(
            points.take(part),
            (a[part], b[part], epsilon[part], start[part]),
            (g[part], passes[part], error[part]),
            0.5 * tol,
            limit,
        )
    return Resident(g, passes.long(), error)


def _launch(
    points: Points, given: tuple[Tensor, ...], results: tuple[Tensor, ...], tol: float, limit: int
) -> None:
    """Launch one program a problem for (a, b, epsilon, start), which writes (g, passes, error)."""
    a, b, epsilon, start = given
    n, m, batch = points.n, points.m, points.batch
    held = max(n, m) <= _REGISTERS
    columns = max(16, triton.next_power_of_2(m))
    rows = max(16, triton.next_power_of_2(n)) if held else _BLOCK // columns
    padded = triton.cdiv(n, rows) * rows
    size = (1,) if held else (batch, padded, columns)
    cost = stream.fill(points, None, torch.float32, padded=(padded, columns))
    matrix = torch.empty(size, dtype=torch.float32, device=a.device)
    scratch = torch.empty(size[:2], dtype=torch.float32, device=a.device)
    counts = torch.arange(1, n + 1, dtype=torch.int32, device=a.device)
    lengths = ((a > 0) * counts).amax(1)
    _resident_kernel[(batch,)](
        cost,
        a.float().contiguous(),
        b.float().contiguous(),
        epsilon.double().contiguous(),
        start.double().contiguous(),
        lengths.to(torch.int32),
        matrix,
        scratch,
        *results,
        n,
        m,
        tol,
        limit,
        HELD=held,
        PADDED=padded,
        BLOCK_M=rows,
        BLOCK_N=columns,
        num_warps=max(1, min(8, rows * columns // 2048)),
    )
