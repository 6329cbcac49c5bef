"""The cost d(x, y)^p on a circle: the shorter way around between numbers of which only the place in a period counts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

from otgan.costs.base import Cost, Normal
from otgan.costs.squares import raised
from otgan.costs.tiles import DECADES, power_of_two
from otgan.mistakes import OutOfRangeError, WrongValueError
from otgan.namespace import Array, detached, double, full, namespace, zeros
from otgan.options import number
from otgan.pair import Pair
from otgan.rounding import UNIT, CostError

__all__ = ["Circle"]

_FARTHEST = 2.0**50
"""Periods beyond which what float64 keeps of a number tells its place no more."""

_UNDERFLOWN = 1e-300
"""Cost below which its digits are lost."""


@dataclass(frozen=True)
class Circle(Cost):
    """C = d^p with d = min(r, period − r), where r is the difference of x and y modulo the period.

    Attributes
    ----------
    period : float, default 2π
        The way once around, in the units of the samples: 24 for hours of the day, 360 for degrees.
    """

    period: float = 2 * math.pi

    name = "circle"
    metric = "shorter way around between x and y"
    unit_of_distance = "units of the samples"
    sorts = True

    def __post_init__(self) -> None:
        """Check the period."""
        expected = "a positive finite number (the way once around, in the units of the samples)"
        object.__setattr__(self, "period", number(self.period, "period", expected, above=0))

    @property
    def turn(self) -> float:
        """The period."""
        return self.period

    @property
    def definite(self) -> bool:
        """At p = 1: angles on a sphere are conditionally negative definite (Gangolli 1967)."""
        return self.p == 1

    def fit(self, both: Pair) -> Self:
        """Check that samples are numbers, and have a place."""
        d = both.x.points.shape[2]
        if d != 1:
            raise WrongValueError(
                f"cost='circle' is between numbers, shape (n,) or (n, 1), got d = {d}: pass one column"
            )
        for name, side in (("x", both.x), ("y", both.y)):
            heavy = detached(side.weights) > 0
            largest = float((abs(double(detached(side.points))[..., 0]) * heavy).max())
            if largest > _FARTHEST * self.period:
                raise WrongValueError(
                    f"{name} must hold numbers within 2^50 periods of 0 for cost='circle' (the period is {self.period:g}), "
                    f"got {largest:.6g} among them: rounding leaves nothing of its place in a period"
                )
        return self

    def normal(self, x: Array, y: Array, *, rooted: bool) -> Normal:
        """Divide samples and period by a power of two."""
        decades = self.p * math.log10(0.5 * self.period)
        if not rooted and abs(decades) > DECADES:
            raise OutOfRangeError(
                f"half the period, {0.5 * self.period:g}, has a power p = {self.p:g} beyond the range of float64: divide the "
                "samples and the period first (otgan.emd, whose result is a length, does so by itself)"
            )
        unit = power_of_two(full(len(x), self.period, x))
        origin = zeros((len(x), 1, x.shape[2]), x, x.dtype)
        return Normal(replace(self, period=self.period / float(unit[0])), origin, unit, unit)

    def block(
        self, x: Array, y: Array, *, exact: bool = False, direct: bool = False, origin: Array | None = None
    ) -> Array:
        """Ways around, to their full accuracy always."""
        del exact, direct, origin
        here, there = self._place(x[..., 0]), self._place(y[..., 0])
        return raised(self._way(here[..., :, None], there[..., None, :]), self.p)

    def error(
        self, x: Array, y: Array, *, exact: bool = False, direct: bool = False, origin: Array | None = None
    ) -> CostError:
        """A few roundings relative to the way; places are exact."""
        del exact, direct, origin
        tiny = [full(side.shape[:2], self.underflow(1), side) for side in (x, y)]
        return CostError((2 * self.p + 6) * UNIT, *tiny)

    def underflow(self, d: int) -> float:
        """Cost that leaves the range, or has lost digits there."""
        del d
        return 1e-315

    def vanishes(self, x: Array, y: Array) -> Array:
        """Tell which numbers have different places though their cost is next to 0."""
        ways = self._way(self._place(x[:, 0]), self._place(y[:, 0]))
        return (ways > 0) & (ways**self.p < _UNDERFLOWN)

    def entries(self, x: Array, y: Array) -> Array:
        """Costs of single pairs."""
        return self._way(self._place(x[:, 0]), self._place(y[:, 0])) ** self.p

    def majorant(self, x: Array, y: Array) -> tuple[Array, Array]:
        """By convexity 2^(p−1) (d(x, o)^p + d(y, o)^p) about a place o, or half each of what no cost is above."""
        xp, most = namespace(x), (0.5 * self.period) ** self.p
        sides = [2 ** (self.p - 1) * ways**self.p for ways in self._from_first(x, y)]
        near = (xp.max(sides[0], axis=1) + xp.max(sides[1], axis=1) < most)[:, None]
        return xp.where(near, sides[0], 0.5 * most), xp.where(near, sides[1], 0.5 * most)

    def largest(self, x: Array, y: Array) -> Array:
        """(max d(x, o) + max d(y, o))^p about a place o, or what no cost is above."""
        xp = namespace(x)
        radii = [xp.max(ways, axis=1) for ways in self._from_first(x, y)]
        return xp.clip(radii[0] + radii[1], 0.0, 0.5 * self.period) ** self.p

    def _from_first(self, x: Array, y: Array) -> list[Array]:
        """The ways of all points from the first x."""
        places = [self._place(double(side)[..., 0]) for side in (x, y)]
        return [self._way(side, places[0][:, :1]) for side in places]

    def differentiable(self, x: Array, y: Array) -> Array:
        """Ways whose slope is 0 between places that coincide, and between opposite ones that of one of the two."""
        here, there = self._place(x[..., 0]), self._place(y[..., 0])
        return self._smooth(here[..., :, None], there[..., None, :])

    def entry_gradients(self, x: Array, y: Array, mass: Array) -> tuple[Array, Array]:
        """Gradients of Σ massᵢ C(xᵢ, yᵢ) by automatic differentiation."""
        import torch

        with torch.enable_grad():
            here, there = x.detach().requires_grad_(), y.detach().requires_grad_()
            total = (mass * self._smooth(self._place(here[:, 0]), self._place(there[:, 0]))).sum()
        in_x, in_y = torch.autograd.grad(total, (here, there))
        return in_x, in_y

    def _place(self, numbers: Array) -> Array:
        """The place of numbers, in [−period/2, period/2], without rounding; a graph goes through it."""
        plain, xp = detached(numbers), namespace(numbers)
        half = 0.5 * self.period
        rest = xp.fmod(plain, self.period)
        place = xp.where(rest > half, rest - self.period, xp.where(rest < -half, rest + self.period, rest))
        # What is too large for a place has no weight.
        place = xp.where(abs(place) <= half, place, xp.zeros_like(place))
        return place if numbers is plain else place + (numbers - plain)

    def _way(self, here: Array, there: Array) -> Array:
        """The shorter way between places: their difference, or what is left on either side of the period's end."""
        half = 0.5 * self.period
        return namespace(here).minimum(abs(here - there), (half - abs(here)) + (half - abs(there)))

    def _smooth(self, here: Array, there: Array) -> Array:
        xp, way = namespace(here), self._way(here, there)
        # At the period's end both expressions are the way, and the slope that of the difference.
        plain = abs(here - there)
        way = xp.where(plain <= way, plain, way)
        apart = way > 0
        return xp.where(apart, xp.where(apart, way, 1.0) ** self.p, 0.0 * way)
