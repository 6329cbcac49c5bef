"""What floating point may have changed: proven bounds of rounding errors, by which certificates are moved outward.

Everything is float64 with the unit roundoff u = 2⁻⁵³; bounds of first order are enlarged enough to cover the rest.
Source: Higham, Accuracy and Stability of Numerical Algorithms, chapters 3 and 4.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from otgan.mistakes import OutOfRangeError
from otgan.namespace import Array, as_numpy, as_tensor, detached, double, is_double, namespace, norms, of_type

__all__ = ["UNIT", "CostError", "in_type", "outward", "sum_error", "weight_error"]

UNIT = 2.0**-53
"""Unit roundoff of float64."""

_SAFE = 1.01
"""Covers the terms of higher order in u."""

_SQUARED = 2
"""The power at which a cost is the square itself: below it small squares lose most to rounding, above it large ones."""


class CostError:
    """How far computed costs may be from the true ones: |Ĉᵢⱼ − Cᵢⱼ| ≤ relative · Cᵢⱼ + sₓᵢ + s_yⱼ.

    Attributes
    ----------
    relative : float
    x, y : Array, shapes (B, n) and (B, m)
        The parts that belong to either point, in units of the cost.
    """

    def __init__(self, relative: float, x: Array, y: Array) -> None:
        self.relative, self.x, self.y = relative, x, y

    @staticmethod
    def relative_of_differences(d: int, p: float) -> float:
        """Relative error of r^p from d differences: three roundings a square, d − 1 of the sum, a root and a power."""
        return (0.5 * p * (d + 8) + 4) * UNIT * _SAFE

    @classmethod
    def of_expansion(cls, x: Array, y: Array, p: float, origin: Array, near: float, lost: float) -> CostError:
        """Return that of costs from ‖x‖² + ‖y‖² − 2⟨x, y⟩ about an origin.

        Parameters
        ----------
        near : float
            Share of ‖x‖² + ‖y‖² below which squares were recomputed from differences; 0 where none were (p = 2).
        lost : float
            Cost that underflow may hide.
        """
        d = x.shape[-1]
        # ⟨(−2x, ‖x‖², 1), (y, 1, ‖y‖²)⟩ has d + 2 terms that sum to at most 2 N, N = ‖x‖² + ‖y‖², in absolute value;
        # the norms, the subtraction of the origin and the last rounding add the rest.
        gamma = (3 * d + 16) * UNIT * _SAFE
        # |Ĉ − C| ≤ (p/2) t^(p/2 − 1) γN with t between s and ŝ, and N^(p/2) ≤ c (‖x‖^p + ‖y‖^p).
        share = 0.5 * p * gamma * (near ** (p / 2 - 1) if p < _SQUARED else 4.2 ** (p / 2 - 1))
        sides = [share * norms(double(side) - origin) ** p for side in (x, y)]
        return cls(cls.relative_of_differences(d, p), sides[0] + lost, sides[1] + lost)

    def largest(self) -> Array:
        """The largest part that does not shrink with the cost, shape (B,)."""
        xp = namespace(self.x)
        return xp.max(self.x, axis=1) + xp.max(self.y, axis=1)

    def mean(self, a: Array, b: Array) -> Array:
        """Σ aᵢ sₓᵢ + Σ bⱼ s_yⱼ, shape (B,): what the absolute parts change in the cost of a plan or dual with these weights."""
        return (a * self.x).sum(1) + (b * self.y).sum(1)


def sum_error(n: int, sequential: int = 0) -> float:
    """Error of a sum of n terms, relative to the sum of their absolute values.

    torch and NumPy sum in blocks, several at a time, a few levels deep: no partial sum takes part in more than
    64 + 4 n^(1/4) additions. Products of matrices, counts and tiles add one after another: `sequential` additions more.
    """
    return (64 + 4 * n**0.25 + sequential) * UNIT * _SAFE


def weight_error(n: int) -> float:
    """Relative error of normalized weights: of the total, of two divisions, and of what the caller's type rounded."""
    return sum_error(n) + 4 * UNIT


def outward(value: Array, dtype: Any, down: bool) -> Array:
    """Round float64 numbers to the type of the samples, never toward the inside of the interval whose end they are."""
    if is_double(dtype):
        return value
    value = as_numpy(value) if isinstance(dtype, np.dtype) else as_tensor(value)
    xp = namespace(value)
    rounded = of_type(value, dtype)
    inside = double(rounded) > value if down else double(rounded) < value
    edge = xp.full_like(rounded, -math.inf if down else math.inf)
    return xp.where(inside, xp.nextafter(rounded, edge), rounded)


def in_type(values: Array, dtype: Any) -> Array:
    """Return numbers in another type, that of the samples.

    Raises
    ------
    OverflowError
        If they are finite and it cannot hold them.
    """
    if is_double(dtype) and is_double(values.dtype):
        return values
    values = values if isinstance(dtype, np.dtype) else as_tensor(values)
    xp = namespace(values)
    with np.errstate(over="ignore"):  # what is beyond its range is told here
        found = of_type(values, dtype)
    if dtype != values.dtype:
        held, kept = detached(values), detached(found)
        with np.errstate(over="ignore", invalid="ignore"):
            if math.isfinite(float(xp.sum(kept))):  # a sum is one pass, and finite only where all are
                return found
        beyond = xp.isfinite(held) & ~xp.isfinite(kept)
        if bool(beyond.any()):
            raise OutOfRangeError(
                f"a result of {float(held[beyond][0]):.1e} is beyond the range of "
                f"{str(dtype).removeprefix('torch.')}, the type of the samples or what it was moved to: pass them in float64 (x.double(); in "
                "JAX, jax_enable_x64), or move it to no narrower type"
            )
    return found
