"""The great-circle cost d(x, y)^p between places (latitude, longitude) in radians, on a sphere of radius 1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from otgan.costs.base import Cost
from otgan.mistakes import WrongValueError
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
            largest = float(side.points.detach()[..., 0].abs().max())
            if largest > math.pi / 2 + 1e-6:
                raise WrongValueError(
                    f"{name} must hold latitudes between -pi/2 and pi/2 for cost='haversine', got {largest:.6g} among "
                    "them: convert degrees by np.deg2rad, and put latitudes first"
                )
        return self

    def block(
        self, x: Tensor, y: Tensor, *, exact: bool = False, direct: bool = False, origin: Tensor | None = None
    ) -> Tensor:
        """Angles, to their full accuracy always."""
        del exact, direct, origin
        return _angle(x[..., :, None, :], y[..., None, :, :]).pow_(self.p)

    def error(
        self, x: Tensor, y: Tensor, *, exact: bool = False, direct: bool = False, origin: Tensor | None = None
    ) -> CostError:
        """A few roundings relative to the angle, and those of differences of coordinates."""
        del exact, direct, origin
        slope, lost = self.p * math.pi ** (self.p - 1), self.underflow(x.shape[2])
        sides = [4 * UNIT * slope * side.double().abs().sum(2) + lost for side in (x, y)]
        return CostError((40 * self.p + 4) * UNIT, sides[0], sides[1])

    def underflow(self, d: int) -> float:
        """Cost of the angles whose haversine leaves the range, or has lost digits there."""
        del d
        return max(_TINIEST**self.p, 1e-315)

    def entries(self, x: Tensor, y: Tensor) -> Tensor:
        """Costs of single pairs."""
        return _angle(x, y) ** self.p

    def majorant(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """No angle is above π."""
        half = 0.5 * (math.pi * (1 + 1e-12)) ** self.p
        x_part, y_part = (
            torch.full(side.shape[:2], half, dtype=torch.float64, device=side.device) for side in (x, y)
        )
        return x_part, y_part

    def differentiable(self, x: Tensor, y: Tensor) -> Tensor:
        """Angles whose slope is 0 between places that coincide or are opposite."""
        return self._smooth(x[..., :, None, :], y[..., None, :, :])

    def entry_gradients(self, x: Tensor, y: Tensor, mass: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of Σ massᵢ C(xᵢ, yᵢ) by automatic differentiation."""
        with torch.enable_grad():
            here, there = x.detach().requires_grad_(), y.detach().requires_grad_()
            total = (mass * self._smooth(here, there)).sum()
        in_x, in_y = torch.autograd.grad(total, (here, there))
        return in_x, in_y

    def _smooth(self, x: Tensor, y: Tensor) -> Tensor:
        near, far = _haversines(x, y)
        inside = (near > 0) & (far > 0)
        angle = 2 * torch.atan2(torch.where(inside, near, 0.5).sqrt(), torch.where(inside, far, 0.5).sqrt())
        return torch.where(inside, angle**self.p, torch.where(far > 0, 0.0, math.pi**self.p))


def _haversines(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The haversine h of the angle between places, and 1 − h, each accurate where it is small."""
    scale = x[..., 0].cos() * y[..., 0].cos()
    turn = 0.5 * (x[..., 1] - y[..., 1])
    near = (0.5 * (x[..., 0] - y[..., 0])).sin().square() + scale * turn.sin().square()
    far = (0.5 * (x[..., 0] + y[..., 0])).sin().square() + scale * turn.cos().square()
    return near, far


def _angle(x: Tensor, y: Tensor) -> Tensor:
    near, far = _haversines(x, y)
    return torch.atan2(near.clamp_min_(0).sqrt_(), far.clamp_min_(0).sqrt_()).mul_(2)
