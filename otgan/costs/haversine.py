"""The great-circle cost d(x, y)^p between places (latitude, longitude) in radians, on a sphere of radius 1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from otgan.costs.base import Cost
from otgan.costs.places import Places
from otgan.costs.squares import raised
from otgan.mistakes import WrongValueError
from otgan.namespace import Array, detached, double, full, namespace
from otgan.pair import Pair
from otgan.rounding import UNIT, CostError

__all__ = ["Haversine"]

_COORDINATES = 2

_TINIEST = 1e-152
"""Radians below which the square of an angle has few digits, or none."""


@dataclass(frozen=True)
class Haversine(Cost):
    """C = d^p with the angle d = 2 atan2(√h, √(1 − h)), h = sin²(Δφ/2) + cos φ₁ cos φ₂ sin²(Δλ/2), between 0 and π.

    As :func:`sklearn.metrics.pairwise.haversine_distances`, but accurate for opposite places too: 1 − h is computed as
    the h of one place and the opposite of the other. Times the radius of the sphere it is a length.
    """

    name = "haversine"
    metric = "angle(x, y)"
    unit_of_distance = "radians"

    @property
    def definite(self) -> bool:
        """At p = 1: angles on a sphere are conditionally negative definite (Gangolli 1967)."""
        return self.p == 1

    def fit(self, both: Pair) -> Self:
        """Check that samples are places in radians."""
        d = both.x.points.shape[2]
        if d != _COORDINATES:
            raise WrongValueError(
                f"cost='haversine' is between places (latitude, longitude) in radians, shape (n, 2), got d = {d}: "
                "pass those two columns"
            )
        for name, side in (("x", both.x), ("y", both.y)):
            heavy = detached(side.weights) > 0
            largest = float((abs(detached(side.points)[..., 0]) * heavy).max())
            if largest > math.pi / 2 + 1e-6:
                raise WrongValueError(
                    f"{name} must hold latitudes between -pi/2 and pi/2 for cost='haversine', got {largest:.6g} among "
                    "them: convert degrees by np.deg2rad, and put latitudes first"
                )
        return self

    def block(
        self, x: Array, y: Array, *, exact: bool = False, direct: bool = False, origin: Array | None = None
    ) -> Array:
        """Angles, to their full accuracy always."""
        del exact, direct, origin
        return raised(_angle(x[..., :, None, :], y[..., None, :, :]), self.p)

    def error(
        self, x: Array, y: Array, *, exact: bool = False, direct: bool = False, origin: Array | None = None
    ) -> CostError:
        """A few roundings relative to the angle, and those of differences of coordinates."""
        del exact, direct, origin
        slope, lost = self.p * math.pi ** (self.p - 1), self.underflow(x.shape[2])
        sides = [4 * UNIT * slope * abs(double(side)).sum(2) + lost for side in (x, y)]
        return CostError((40 * self.p + 4) * UNIT, sides[0], sides[1])

    def underflow(self, d: int) -> float:
        """Cost of the angles whose haversine leaves the range, or has lost digits there."""
        del d
        return max(_TINIEST**self.p, 1e-315)

    def entries(self, x: Array, y: Array) -> Array:
        """Costs of single pairs."""
        return _angle(x, y) ** self.p

    def places(self, x: Array, y: Array) -> Places:
        """Places on the unit sphere in space, whose coordinates are rounded."""
        slack = 40 * UNIT * self.p * math.pi ** (self.p - 1)
        return Places(_in_space(double(x)), _in_space(double(y)), 2, self.p, angle=True, slack=slack)

    def majorant(self, x: Array, y: Array) -> tuple[Array, Array]:
        """No angle is above π."""
        half = 0.5 * (math.pi * (1 + 1e-12)) ** self.p
        return full(x.shape[:2], half, x), full(y.shape[:2], half, y)

    def differentiable(self, x: Array, y: Array) -> Array:
        """Angles whose slope is 0 between places that coincide or are opposite."""
        return self._smooth(x[..., :, None, :], y[..., None, :, :])

    def entry_gradients(self, x: Array, y: Array, mass: Array) -> tuple[Array, Array]:
        """Gradients of Σ massᵢ C(xᵢ, yᵢ) by automatic differentiation."""
        import torch

        with torch.enable_grad():
            here, there = x.detach().requires_grad_(), y.detach().requires_grad_()
            total = (mass * self._smooth(here, there)).sum()
        in_x, in_y = torch.autograd.grad(total, (here, there))
        return in_x, in_y

    def _smooth(self, x: Array, y: Array) -> Array:
        xp, (near, far) = namespace(x), _haversines(x, y)
        inside = (near > 0) & (far > 0)
        angle = 2 * xp.atan2(xp.where(inside, near, 0.5).sqrt(), xp.where(inside, far, 0.5).sqrt())
        return xp.where(inside, angle**self.p, xp.where(far > 0, xp.zeros_like(far), math.pi**self.p))


def _haversines(x: Array, y: Array) -> tuple[Array, Array]:
    """The haversine h of the angle between places, and 1 − h, each accurate where it is small."""
    xp = namespace(x)
    scale = xp.cos(x[..., 0]) * xp.cos(y[..., 0])
    turn = 0.5 * (x[..., 1] - y[..., 1])
    near = xp.sin(0.5 * (x[..., 0] - y[..., 0])) ** 2 + scale * xp.sin(turn) ** 2
    far = xp.sin(0.5 * (x[..., 0] + y[..., 0])) ** 2 + scale * xp.cos(turn) ** 2
    return near, far


def _angle(x: Array, y: Array) -> Array:
    xp = namespace(x)
    near, far = (xp.sqrt(xp.clip(part, 0, None)) for part in _haversines(x, y))
    angle = xp.atan2(near, far)
    angle *= 2
    return angle


def _in_space(places: Array) -> Array:
    """Unit vectors of places."""
    xp = namespace(places)
    latitude, longitude = places[..., 0], places[..., 1]
    around = xp.cos(latitude)
    return xp.stack([around * xp.cos(longitude), around * xp.sin(longitude), xp.sin(latitude)], axis=-1)
