# Kernels are typed by Triton when they are compiled.
# mypy: disallow-untyped-defs=False
"""The program that anneals, solves and stops one problem: the algorithm of :mod:`otgan.entropic.solver`, in float32."""

from __future__ import annotations

import triton
import triton.language as tl

from otgan.geometry.triton.passes import HUGE, absorb_held, absorb_stored, curve, load_weights, log2, sweep

__all__ = ["resident_kernel"]

# Products begin with the tensor: the interpreter of Triton does not compare what begins with a constant.

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

_ITERATIONS = tl.constexpr(60)
"""Conjugate-gradient iterations of a Newton step."""

_TRUST = tl.constexpr(20.0)
"""Largest entry of a Newton step, in units of ε."""

_FAR = tl.constexpr(40.0)
"""Power of 2 by which the scalings may grow before they are absorbed."""

_STALE = tl.constexpr(8)
"""Steps without progress after which float32 has given what it can."""

_NEAR = tl.constexpr(0.5)
"""Marginal error up to which Newton steps are taken."""

_PROGRESS = tl.constexpr(0.9)
"""Share of the least error so far below which a step has made progress."""

_FORCING, _ENOUGH, _OVERSHOOT = tl.constexpr(0.25), tl.constexpr(0.5), tl.constexpr(0.3)
"""What a Newton system is solved to, as shares of its right side, at most, and of the goal."""

_RISE = tl.constexpr(1e-4)
"""Share of the promised rise of the value that makes a step good."""

_FALL = tl.constexpr(0.7)
"""Share of the error before it that does so as well."""

_TRIES, _SHORTER = tl.constexpr(6), tl.constexpr(0.25)
"""Lengths of a step that are tried, and what each is of the one before."""

_LEAST = tl.constexpr(1e-37)
"""Keeps a division finite."""


@triton.jit
def _newton_step(
    tile,
    a,
    u,
    bv,
    mass,
    gap,
    enough,
    scratch,
    n,
    end,
    HELD: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """The d of S d = b − c, S = diag(c) − Pᵀ diag(1/a) P, by conjugate gradients, cut to what can be trusted; and its passes."""
    inverse = tl.where(mass > 0, 1 / tl.where(mass > 0, mass, 1.0), 0.0)
    d = tl.zeros((BLOCK_N,), dtype=tl.float32)
    residual = gap
    direction = residual * inverse
    slope = tl.sum(residual * direction, 0)
    inner = 0
    solving = 1
    while solving == 1:
        product = curve(tile, a, u, bv * direction, scratch, n, end, HELD, BLOCK_M, BLOCK_N)
        product = mass * direction - bv * product
        curvature = tl.sum(direction * product, 0)
        sound = curvature > 0
        length = tl.where(sound, slope / tl.where(sound, curvature, 1.0), 0.0)
        d += length * direction
        residual -= length * product
        z = residual * inverse
        steeper = tl.sum(residual * z, 0)
        direction = z + (steeper / tl.maximum(slope, _LEAST)) * direction
        slope = steeper
        inner += 1
        more = sound & (tl.sum(tl.abs(residual), 0) > enough) & (inner < _ITERATIONS) & (slope > 0)
        solving = tl.where(more, 1, 0)
    d -= tl.sum(d * mass, 0) / tl.sum(mass, 0)
    return tl.minimum(tl.maximum(d, -_TRUST), _TRUST), inner


@triton.jit
def _search(
    tile,
    a,
    b,
    d,
    gap,
    log_v,
    column,
    value,
    error,
    scratch,
    n,
    end,
    HELD: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """The scalings of the longest step along d that is good, else those of a plain step; the last column sums, and the passes."""
    promise = tl.sum(d * gap, 0)
    plain = -log2(column)
    share = 1.0
    tries = 0
    searching = 1
    while searching == 1:
        trial = log_v + share * _LOG2E * d
        trial_v = tl.exp2(trial)
        _, column, height, _ = sweep(tile, a, b * trial_v, scratch, n, end, HELD, BLOCK_M, BLOCK_N)
        rise = (height + tl.sum(b * trial, 0) - value) * _LN2
        reached = tl.sum(b * tl.abs(trial_v * column - 1), 0)
        # Near the solution the rise drowns in rounding; there a smaller error says the same.
        good = (rise >= promise * (share * _RISE)) | (reached <= error * _FALL)
        tries += 1
        if good:
            plain = -log2(column)
        share *= _SHORTER
        searching = tl.where(good | (tries >= _TRIES), 0, 1)
    return plain, column, tries


@triton.jit
def resident_kernel(
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
        a = load_weights(a, 0, n, BLOCK_M)
    matrix += problem * PADDED * BLOCK_N
    scratch += problem * PADDED
    end = tl.load(lengths + problem)
    columns = tl.arange(0, BLOCK_N)
    b = tl.load(b + problem * m + columns, mask=columns < m, other=0.0)
    weighed = b > 0
    log_b = tl.where(weighed, tl.log2(tl.where(weighed, b, 1.0)), -HUGE)
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
            tile, absorbed = absorb_held(cost, a, bias, _LOG2E / level, BLOCK_M, BLOCK_N)
        else:
            tile = matrix
            absorbed = absorb_stored(cost, a, bias, n, _LOG2E / level, matrix, scratch, end, BLOCK_M, BLOCK_N)
        passes += 1
        log_v = tl.zeros((BLOCK_N,), dtype=tl.float32)
        column = log_v
        best = HUGE
        step = 0
        stale = 0
        near = 1
        stepping = 1
        while stepping == 1:
            v = tl.exp2(log_v)
            u, column, value, far = sweep(tile, a, b * v, scratch, n, end, HELD, BLOCK_M, BLOCK_N)
            ratio = v * column
            error = tl.sum(b * tl.abs(ratio - 1), 0)
            value += tl.sum(b * log_v, 0)
            far = tl.maximum(far, tl.max(tl.where(weighed, tl.abs(log_v), 0.0), 0))
            passes += 1
            step += 1
            stale = tl.where(error < best * _PROGRESS, 0, stale + 1)
            best = tl.minimum(best, error)
            near = tl.where((far < _FAR) | (error <= goal), 1, 0)
            over = (step >= _STAGE_STEPS) & (level > target)
            over = over | (error <= goal) | (passes >= limit) | (stale >= _STALE) | (near == 0)
            if over:
                stepping = 0
            elif (step <= _PLAIN) | (error > _NEAR):
                log_v = -log2(column)
            else:
                mass = b * ratio
                gap = b - mass
                forcing = tl.maximum(tl.minimum(tl.sqrt(error), _FORCING), goal * _OVERSHOOT / error)
                enough = tl.minimum(forcing, _ENOUGH) * error
                d, spent = _newton_step(
                    tile, a, u, b * v, mass, gap, enough, scratch, n, end, HELD, BLOCK_M, BLOCK_N
                )
                passes += spent
                log_v, column, spent = _search(
                    tile, a, b, d, gap, log_v, column, value, error, scratch, n, end, HELD, BLOCK_M, BLOCK_N
                )
                passes += spent
        stepped = absorbed - log2(column)
        # At the end the v whose error was measured; where there is no weight, what the column step defines.
        bits = tl.where(weighed, absorbed.to(tl.float64) + log_v.to(tl.float64), stepped.to(tl.float64))
        g = stepped * (level * _LN2)
        ended = (near == 1) & (level <= target)
        number = error < HUGE  # what is no number is not below anything
        if ended | (passes >= limit) | (number == 0):
            running = 0
        elif near == 1:
            level = tl.maximum(level / _FACTOR, target)
    exact = tl.load(epsilon + problem).to(tl.float64)
    exact = tl.where(level <= target, exact, level.to(tl.float64))
    tl.store(out_g + problem * m + columns, bits * (exact * _LN2), mask=columns < m)
    tl.store(out_passes + problem, passes)
    tl.store(out_error + problem, error)
