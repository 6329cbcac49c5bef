"""The units that networks work in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from otgan.gan.networks import Kind, Space

__all__ = ["Scaling"]

_CENTERED = 0.5
"""Largest mean of a coordinate of points that are about standardized as they are."""

_NARROW, _WIDE = 0.5, 2
"""Between them is their standard deviation."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """The affine map x = center + scale · u between samples x and the units u that networks work in.

    Images, whose pixels are in [0, 1], and points that are about standardized as they are keep their units; others
    are centered and divided by one number, so that distances keep their proportions.

    Attributes
    ----------
    center : Tensor, shape (d,) or ()
    scale : float
    """

    center: Tensor
    scale: float

    @classmethod
    def of(cls, points: Tensor, space: Space) -> Scaling:
        """Choose the units for samples of shape (n, ...)."""
        if space.kind is not Kind.POINTS:
            return cls(torch.zeros(()), 1.0)
        center = points.double().mean(0)
        scale = float((points.double() - center).square().mean().sqrt())
        if scale == 0:
            scale = 1.0
        elif float(center.abs().max()) < _CENTERED and _NARROW < scale < _WIDE:
            return cls(torch.zeros(()), 1.0)
        return cls(center.float(), scale)

    def to_units(self, x: Tensor) -> Tensor:
        """Return (x − center) / scale."""
        return (x - self.center.to(x.device)) / self.scale

    def to_data(self, u: Tensor) -> Tensor:
        """Return center + scale · u."""
        return self.center.to(u.device) + self.scale * u

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"center": self.center, "scale": self.scale}

    @classmethod
    def read(cls, state: Any) -> Self:
        """Become what :meth:`state_dict` returned; a ValueError says that it is no such thing."""
        center, scale = state["center"], state["scale"]
        if not isinstance(center, Tensor) or center.ndim > 1 or not bool(torch.isfinite(center).all()):
            raise ValueError("its center is no vector")
        if not isinstance(scale, float) or not 0 < scale < math.inf:
            raise ValueError(f"its scale is {scale!r}")
        return cls(center, scale)
