"""Balanced problems solved whole in one call, each by one thread and in its cache: annealing, Sinkhorn and Newton steps.

The method is that of :mod:`otgan.entropic.balanced` and :mod:`otgan.entropic.symmetric`, and what is tuned there holds here;
what differs is that every problem has stages and a stop of its own, and that a problem on which it gets nowhere is left to the
solver. What comes out is a start, however good: the solver measures it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from otgan.entropic.tuning import TUNING
from otgan.geometry.accuracy import SINGLE
from otgan.geometry.compiled.steps import absorb, extent, fill, newton_step, put, settled, sweep
from otgan.geometry.compiled.visits import lowest_of
from otgan.jit import SUMS, compiled, part

__all__ = ["solve_balanced", "solve_symmetric"]

_FACTOR, _STAGE_TOL, _STAGE_PASSES = TUNING.factor, TUNING.stage_tol, TUNING.stage_passes
_PLAIN, _GAIN, _FAR_OFF, _SOON = TUNING.plain, TUNING.gain, TUNING.far_off, TUNING.soon

_FAR, _QUICK, _LONG = TUNING.far, TUNING.quick, TUNING.long

_CHEAP = 2**14
"""Entries of a kernel up to which a pass costs next to nothing, and a long solve less than a factorization."""

_PATIENCE = 2
"""Steps at ε itself that may be slow, or gain little, before the solver, which has factorizations and float64, goes on."""

_NEXT_TO_NONE = 1e-9
"""Least share of the error that is taken to be lost or left in a step."""


@part(SUMS)
def _stage(
    kernel: Any,
    cost: Any,
    a: Any,
    b: Any,
    epsilon: float,
    f: Any,
    g: Any,
    goal: float,
    annealing: bool,
    budget: int,
) -> tuple[int, float]:
    """Step at one ε until the marginal error is `goal`; return the passes and the error, infinite where it got lost."""
    u, v, ratio = np.empty(len(a)), np.empty(len(b)), np.empty(len(b))
    put(u, 1.0)
    put(v, 1.0)
    put(ratio, 1.0)
    fill(cost, f, g, epsilon, kernel)
    error = sweep(kernel, a, b, u, v, ratio)
    passes, plain, slow = 2, _PLAIN, 0
    long = _LONG if kernel.size <= _CHEAP else _QUICK
    while True:
        apart = extent(u, v, ratio)
        if apart == np.inf:
            return passes, np.inf
        if apart > _FAR:
            absorb(f, u, epsilon)
            absorb(g, v, epsilon)
            fill(cost, f, g, epsilon, kernel)
            error = sweep(kernel, a, b, u, v, ratio)
            passes += 2
        if passes >= budget or slow > _PATIENCE or (error <= goal and (not annealing or settled(ratio))):
            break
        before = error
        if plain > 0 or error > _FAR_OFF:
            plain -= 1
            for j in range(len(v)):
                v[j] /= ratio[j]
            error = sweep(kernel, a, b, u, v, ratio)
            passes += 1
            # Where plain steps alone arrive soon, they are cheaper than a system to solve.
            if plain == 0 and _plain_steps(before, error, goal) <= _SOON:
                plain = 1
        else:
            limit = min(_QUICK if annealing else long, budget - passes)
            error, used, sweeps = newton_step(kernel, a, b, u, v, ratio, error, goal, limit)
            passes += used + sweeps
            if error > _GAIN * before:
                plain = _PLAIN
            if not annealing and (used >= long or _GAIN * before < error < SINGLE):
                slow += 1
    absorb(f, u, epsilon)
    absorb(g, v, epsilon)
    return passes, error


@part(SUMS)
def _plain_steps(before: float, error: float, goal: float) -> float:
    """Steps to come until the error is `goal`, if it shrinks as in the step before."""
    rate = min(1 - _NEXT_TO_NONE, max(_NEXT_TO_NONE, error / before))
    return math.log(goal / max(error, goal)) / math.log(rate)


@part(SUMS)
def _balanced(
    cost: Any,
    a: Any,
    b: Any,
    epsilon: float,
    first: float,
    tol: float,
    budget: int,
    kernel: Any,
    f: Any,
    g: Any,
) -> int:
    """Solve one problem of n × m points, all of which have weight, with room for a kernel; return the passes."""
    n, m = kernel.shape
    put(g, 0.0)
    for i in range(n):
        f[i] = lowest_of(cost[i], g, m)
    # One stage of annealing saves fewer passes than its kernel costs.
    level = first if first > _FACTOR * epsilon else epsilon
    passes = 0
    while True:
        annealing = level > epsilon
        goal, most = (_STAGE_TOL, _STAGE_PASSES) if annealing else (tol, budget)
        used, error = _stage(kernel, cost, a, b, level, f, g, goal, annealing, min(most, budget - passes))
        passes += used
        if not annealing or passes >= budget or error == np.inf:
            break
        level = max(level / _FACTOR, epsilon)
    return passes


@compiled(SUMS)
def solve_balanced(
    cost: Any,
    a: Any,
    b: Any,
    epsilon: Any,
    first: Any,
    tol: float,
    budget: int,
    sizes: Any,
    f: Any,
    g: Any,
    passes: Any,
    start: int,
    stop: int,
) -> None:
    """Solve some problems of a batch.

    Parameters
    ----------
    cost : array, shape (B, n, m), float64
    a, b : array, shapes (B, n) and (B, m), float64
        Weights, 0 only in the padding.
    epsilon, first : array, shape (B,)
        ε to reach, and that of the first stage.
    tol : float
        L1 error of the marginals to reach, as float32 shows it.
    budget : int
        Passes over a kernel that a problem may take.
    sizes : array, shape (B, 2)
        Points of x and of y of every problem.
    f, g : array, shapes (B, n) and (B, m)
        Potentials, written; left as they are in the padding.
    passes : array, shape (B,)
        Written.
    start, stop : int
        The problems.
    """
    for k in range(start, stop):
        n, m = sizes[k, 0], sizes[k, 1]
        passes[k] = _balanced(
            cost[k],
            a[k, :n],
            b[k, :m],
            epsilon[k],
            first[k],
            tol,
            budget,
            np.empty((n, m), np.float32),
            f[k, :n],
            g[k, :m],
        )


@part(SUMS)
def _symmetric(cost: Any, a: Any, epsilon: float, tol: float, budget: int, kernel: Any, f: Any) -> int:
    """Average every potential with its soft minimum until the error is a half of `tol`; return the passes."""
    n = len(a)
    u, side, sums = np.empty(n), np.empty(n, kernel.dtype), np.empty(n)
    put(u, 1.0)
    put(f, 0.0)
    fill(cost, f, f, epsilon, kernel)
    zero = kernel.dtype.type(0)
    passes = 1
    while passes < budget:
        for j in range(n):
            side[j] = a[j] * u[j]
        error = 0.0
        for i in range(n):
            row, total = kernel[i], zero
            for j in range(n):
                total += row[j] * side[j]
            sums[i] = total
            error += a[i] * abs(u[i] * sums[i] - 1)
        passes += 1
        if not 2 * error > 0.5 * tol:
            break
        for i in range(n):
            u[i] = math.sqrt(u[i] / sums[i])
    absorb(f, u, epsilon)
    return passes


@compiled(SUMS)
def solve_symmetric(
    cost: Any,
    a: Any,
    epsilon: Any,
    tol: float,
    budget: int,
    sizes: Any,
    f: Any,
    passes: Any,
    start: int,
    stop: int,
) -> None:
    """Solve some problems between measures and themselves; parameters as for :func:`solve_balanced`."""
    for k in range(start, stop):
        n = sizes[k, 0]
        if tol < SINGLE:
            passes[k] = _symmetric(cost[k], a[k, :n], epsilon[k], tol, budget, np.empty((n, n)), f[k, :n])
        else:
            kernel = np.empty((n, n), np.float32)
            passes[k] = _symmetric(cost[k], a[k, :n], epsilon[k], tol, budget, kernel, f[k, :n])
