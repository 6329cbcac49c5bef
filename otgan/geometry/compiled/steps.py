"""Steps of a balanced problem on a stored kernel, one problem at a time: what :mod:`otgan.geometry.compiled.whole` puts together.

A kernel K = exp((f + g − C)/ε) of shape (n, m) is scaled to the plan diag(a u) K diag(b v); after a sweep its row sums are a,
and `ratio` holds its column sums divided by b.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from otgan.entropic.tuning import TUNING
from otgan.geometry.compiled.powers import exp2
from otgan.geometry.compiled.products import OVER, TIMES, there_and_back
from otgan.jit import SUMS, part

__all__ = ["absorb", "extent", "fill", "newton_step", "put", "settled", "sweep"]

_TRUST = TUNING.trust

_HALVINGS, _DOUBLINGS = 12, 4
"""Steps of a line search, down and up."""

_FLAT = 1e-6
"""Curvature, relative to that of the diagonal, below which products in float32 say nothing."""

_NOISE = 1e-6
"""What rounding leaves of a rise of the dual value, relative to the error."""


@part(SUMS)
def fill(cost: Any, f: Any, g: Any, epsilon: float, kernel: Any) -> None:
    """Write exp((f + g − C)/ε) into a kernel."""
    n, m = kernel.shape
    inverse = 1 / (epsilon * math.log(2.0))
    like = kernel.dtype.type(0)
    column = np.empty(m)
    for j in range(m):
        column[j] = g[j] * inverse
    for i in range(n):
        row, costs, base = kernel[i], cost[i], f[i] * inverse
        for j in range(m):
            row[j] = exp2(base + column[j] - costs[j] * inverse, like)


@part(SUMS)
def put(found: Any, value: float) -> None:
    """Write a number everywhere."""
    for k in range(len(found)):
        found[k] = value


@part(SUMS)
def absorb(potential: Any, scaling: Any, epsilon: float) -> None:
    """Move a scaling into its potential."""
    for k in range(len(potential)):
        potential[k] += epsilon * math.log(scaling[k])
        scaling[k] = 1.0


@part(SUMS)
def sweep(kernel: Any, a: Any, b: Any, u: Any, v: Any, ratio: Any) -> float:
    """Make the row sums exact and measure the column sums: u, the ratios, and their L1 error."""
    n, m = kernel.shape
    side, part, back = np.empty(m, kernel.dtype), np.empty(m, kernel.dtype), np.empty(m)
    for j in range(m):
        side[j] = b[j] * v[j]
        back[j] = 0.0
    there_and_back(kernel, n, m, side, a, OVER, u, part, back, 0, n)
    for i in range(n):
        u[i] = 1 / u[i]
    error = 0.0
    for j in range(m):
        ratio[j] = v[j] * back[j]
        error += b[j] * abs(ratio[j] - 1)
    return error


@part(SUMS)
def extent(u: Any, v: Any, ratio: Any) -> float:
    """Largest |log| of the scalings; infinity where one is not positive and finite."""
    least, largest = np.inf, 0.0
    for each in (u, v, ratio):
        for at in each:
            if not (0 < at < np.inf):
                return np.inf
            least, largest = min(least, at), max(largest, at)
    return max(abs(math.log(least)), abs(math.log(largest)))


@part(SUMS)
def settled(ratio: Any) -> bool:
    """Whether every point receives its mass to within a factor of e."""
    least, largest = np.inf, 0.0
    for at in ratio:
        least, largest = min(least, at), max(largest, at)
    return least > 1 / math.e and largest < math.e


@part(SUMS)
def newton_step(
    kernel: Any,
    a: Any,
    b: Any,
    u: Any,
    v: Any,
    ratio: Any,
    error: float,
    goal: float,
    limit: int,
) -> tuple[float, int, int]:
    """Move by a Newton step with line search; return the error, conjugate-gradient iterations and sweeps.

    Parameters
    ----------
    kernel : array, shape (n, m), float32
    a : array, shape (n,)
    b : array, shape (m,)
    u : array, shape (n,)
    v, ratio : array, shape (m,)
    error, goal : float
    limit : int
        Conjugate-gradient iterations at most.
    """
    direction = np.empty(len(v))
    used = _solve(kernel, a, b, u, v, ratio, error, goal, limit, direction)
    error, sweeps = _search(kernel, a, b, u, v, ratio, error, direction)
    return error, used, sweeps


@part(SUMS)
def _solve(
    kernel: Any, a: Any, b: Any, u: Any, v: Any, ratio: Any, error: float, goal: float, limit: int, found: Any
) -> int:
    """Solve the Newton system by conjugate gradients, in the variables of otgan.entropic.newton."""
    m = kernel.shape[1]
    root, scale = np.empty(m), np.empty(m)
    x, residual, along, product = np.empty(m), np.empty(m), np.empty(m), np.empty(m)
    weight = np.empty(len(a))
    for i in range(len(a)):
        weight[i] = a[i] * u[i] * u[i]
    left = 0.0
    for j in range(m):
        x[j] = 0.0
        root[j] = 1 / math.sqrt(b[j] * ratio[j])
        scale[j] = b[j] * v[j] * root[j]
        residual[j] = (b[j] - b[j] * ratio[j]) * root[j]
        along[j] = residual[j]
        left += residual[j] * residual[j]
    forcing = min(0.7, max(min(math.sqrt(error), 0.1), 0.6 * goal / error))
    enough = left * forcing * forcing
    used = 0
    while left > enough and used < limit:
        curvature, length = _product(kernel, weight, scale, along, product)
        used += 1
        if not curvature > _FLAT * length:
            # Rounding hides how the direction bends: it is followed as far as it may be.
            _follow(along, root, x)
            break
        step, before, left = left / curvature, left, 0.0
        for j in range(m):
            x[j] += step * along[j]
            residual[j] -= step * product[j]
            left += residual[j] * residual[j]
        for j in range(m):
            along[j] = residual[j] + left / before * along[j]
    mean = 0.0
    for j in range(m):
        mean += root[j] * x[j] * b[j] * ratio[j]
    for j in range(m):
        found[j] = min(_TRUST, max(-_TRUST, root[j] * x[j] - mean))
    return used


@part(SUMS)
def _follow(along: Any, root: Any, x: Any) -> None:
    """Go along a direction until a potential has moved as far as it may."""
    farthest = 0.0
    for j in range(len(x)):
        farthest = max(farthest, abs(root[j] * along[j]))
    for j in range(len(x)):
        x[j] += _TRUST / farthest * along[j]


@part(SUMS)
def _product(kernel: Any, weight: Any, scale: Any, along: Any, product: Any) -> tuple[float, float]:
    """Multiply a direction with the system I − s Kᵀ w K s; return its curvature and the square of its length."""
    n, m = kernel.shape
    side, part, sums = np.empty(m, kernel.dtype), np.empty(m, kernel.dtype), np.empty(n)
    for j in range(m):
        side[j] = scale[j] * along[j]
        product[j] = 0.0
    there_and_back(kernel, n, m, side, weight, TIMES, sums, part, product, 0, n)
    curvature, length = 0.0, 0.0
    for j in range(m):
        product[j] = along[j] - scale[j] * product[j]
        curvature += along[j] * product[j]
        length += along[j] * along[j]
    return curvature, length


@part(SUMS)
def _search(
    kernel: Any, a: Any, b: Any, u: Any, v: Any, ratio: Any, error: float, direction: Any
) -> tuple[float, int]:
    """Move along a direction, shorter until the dual value rises and longer while the error falls; error and sweeps."""
    slope = _gain(direction, b, ratio)
    value, first = _value(a, b, u, v), error
    before, plain = np.empty(len(v)), np.empty(len(v))
    for j in range(len(v)):
        before[j], plain[j] = v[j], v[j] / ratio[j]
    noise = max(_NOISE * error, 1e-15 * (1 + error + abs(value)))
    t, sweeps, accepted, rise = 1.0, 0, False, 0.0
    while sweeps < _HALVINGS:
        _move(v, before, t, direction)
        error = sweep(kernel, a, b, u, v, ratio)
        sweeps += 1
        rise = _value(a, b, u, v) - value
        accepted = rise >= 1e-4 * t * slope - noise
        if accepted:
            break
        t *= 0.25
    # Where the dual value cannot tell, the error does; where nothing helps, a plain step always does.
    if not accepted or (rise < 1e-4 * t * slope and not error <= first):
        _copy(plain, v)
        return sweep(kernel, a, b, u, v, ratio), sweeps + 1
    farthest = 0.0
    for j in range(len(v)):
        farthest = max(farthest, abs(direction[j]))
    nearer_u, nearer_v, nearer_ratio = np.empty(len(u)), np.empty(len(v)), np.empty(len(v))
    for _ in range(_DOUBLINGS):
        if t < 1 or t * farthest >= _TRUST or _gain(direction, b, ratio) <= 0.25 * slope:
            break
        _copy(u, nearer_u)
        _copy(v, nearer_v)
        _copy(ratio, nearer_ratio)
        _move(v, before, 2 * t, direction)
        further = sweep(kernel, a, b, u, v, ratio)
        sweeps += 1
        if not further < 0.8 * error:
            _copy(nearer_u, u)
            _copy(nearer_v, v)
            _copy(nearer_ratio, ratio)
            break
        t, error = 2 * t, further
    return error, sweeps


@part(SUMS)
def _copy(these: Any, found: Any) -> None:
    for k in range(len(found)):
        found[k] = these[k]


@part(SUMS)
def _move(v: Any, before: Any, t: float, direction: Any) -> None:
    for j in range(len(v)):
        v[j] = before[j] * math.exp(t * direction[j])


@part(SUMS)
def _gain(direction: Any, b: Any, ratio: Any) -> float:
    """Slope of the dual value along a direction, in units of ε."""
    total = 0.0
    for j in range(len(b)):
        total += direction[j] * (b[j] - b[j] * ratio[j])
    return total


@part(SUMS)
def _value(a: Any, b: Any, u: Any, v: Any) -> float:
    """The dual value relative to the potentials of the kernel, in units of ε."""
    total = 0.0
    for i in range(len(a)):
        total += a[i] * math.log(u[i])
    for j in range(len(b)):
        total += b[j] * math.log(v[j])
    return total
