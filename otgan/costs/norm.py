"""Costs ‖x − y‖^p of a norm: what does not change where both points move, and scales as they do."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

from otgan.costs.base import Cost, Normal
from otgan.costs.places import Places
from otgan.costs.tiles import DECADES, power_of_two
from otgan.mistakes import OutOfRangeError
from otgan.namespace import Array, double, full, namespace, norms
from otgan.rounding import CostError

__all__ = ["Norm"]

_UNDERFLOWN = 1e-300
"""Cost below which the digits of its differences are lost."""


@dataclass(frozen=True)
class Norm(Cost):
    """A power of a norm of the difference, ‖x − y‖^p with p >= 1."""

    sorts = True
    unit_of_distance = "units of the samples"

    @abstractmethod
    def length(self, difference: Array) -> Array:
        """‖v‖ of vectors v along the last dimension."""

    def origin(self, x: Array, y: Array) -> Array:
        """A point near both clouds."""
        return 0.5 * (x.mean(-2) + y.mean(-2))[..., None, :]

    def places(self, x: Array, y: Array) -> Places | None:
        """The points themselves."""
        return None if self.order is None else Places(double(x), double(y), self.order, self.p)

    def entries(self, x: Array, y: Array) -> Array:
        """Costs of single pairs, from differences."""
        return self.length(x - y) ** self.p

    def majorant(self, x: Array, y: Array) -> tuple[Array, Array]:
        """By convexity ‖x − y‖^p <= 2^(p−1) (‖x − o‖^p + ‖y − o‖^p), about the origin o."""
        x, y = double(x), double(y)
        origin = self.origin(x, y)
        sides = [2 ** (self.p - 1) * self.length(side - origin) ** self.p for side in (x, y)]
        return sides[0], sides[1]

    def largest(self, x: Array, y: Array) -> Array:
        """(max ‖x − o‖ + max ‖y − o‖)^p."""
        x, y = double(x), double(y)
        origin = self.origin(x, y)
        xp = namespace(x)
        radii = [xp.max(self.length(side - origin), axis=1) for side in (x, y)]
        return (radii[0] + radii[1]) ** self.p

    def normal(self, x: Array, y: Array, *, rooted: bool) -> Normal:
        """Take an origin from the points and divide them by a power of two, which is exact; the cost stays."""
        low, high = _box(x, y)
        origin = _sharp_origin(x, low, high)
        unit, spread = _unit(double(low - origin), double(high - origin))
        if not rooted:
            _check_range(unit, spread, self.p)
        return Normal(self, origin, unit, unit)

    def underflow(self, d: int) -> float:
        """Cost below which squares of d differences, or the cost itself, leave the range."""
        return max(float((d * 1e-307) ** (self.p / 2)), 1e-315)

    def vanishes(self, x: Array, y: Array) -> Array:
        """Tell which points differ though their cost is next to 0."""
        return (x != y).any(1) & (self.entries(x, y) < _UNDERFLOWN)

    def error_of_differences(self, x: Array, y: Array) -> CostError:
        """That of costs from differences of coordinates: relative to the costs, but where they underflow."""
        lost = self.underflow(x.shape[-1])
        tiny = [full(side.shape[:2], lost, side) for side in (x, y)]
        return CostError(CostError.relative_of_differences(x.shape[-1], self.p), *tiny)

    def error(
        self, x: Array, y: Array, *, exact: bool = False, direct: bool = False, origin: Array | None = None
    ) -> CostError:
        """Return that of costs from differences."""
        del exact, direct, origin
        return self.error_of_differences(x, y)


def _box(x: Array, y: Array) -> tuple[Array, Array]:
    """The least and the largest value of every coordinate of each problem, shapes (B, 1, d)."""
    xp = namespace(x)
    low, high = ([extreme(side, axis=1, keepdims=True) for side in (x, y)] for extreme in (xp.min, xp.max))
    return xp.minimum(*low), xp.maximum(*high)


def _sharp_origin(x: Array, low: Array, high: Array) -> Array:
    """What is taken from every point of a problem first, shape (B, 1, d).

    In every coordinate that is one of the points' own value where all values lie within a factor of two, so that the
    differences are exact (Sterbenz' lemma), and 0 elsewhere. What is left is as large as the points are apart.
    """
    near = ((low > 0) & (high <= 2 * low)) | ((high < 0) & (low >= 2 * high))
    return namespace(x).where(near, x[:, :1], 0.0)


def _unit(low: Array, high: Array) -> tuple[Array, Array]:
    """A power of two near each problem's largest coordinate, and the length of its bounding box in it; shapes (B,)."""
    xp = namespace(low)
    unit = power_of_two(xp.max(xp.maximum(-low, high), axis=(1, 2)))
    box = (high[:, 0] / unit[:, None]) - (low[:, 0] / unit[:, None])
    return unit, norms(box)


def _check_range(unit: Array, spread: Array, p: float) -> None:
    """Raise where the largest cost, p (log spread + log unit), is out of the range of float64."""
    apart = spread > 0
    xp = namespace(spread)
    exponent = p * (xp.log10(xp.where(apart, spread, 1.0)) + xp.log10(unit))
    wrong = apart & ((exponent > DECADES) | (exponent < -DECADES))
    if not bool(wrong.any()):
        return
    k = wrong.tolist().index(True)
    length = math.log10(float(spread[k])) + math.log10(float(unit[k]))
    raise OutOfRangeError(
        f"points about 1e{length:.0f} apart{f' (problem {k})' if len(wrong) > 1 else ''} have costs ‖x − y‖^{p:g} "
        "beyond the range of float64: divide the samples by a length of their own order first (otgan.emd, whose "
        "result is a length, does so by itself)"
    )
