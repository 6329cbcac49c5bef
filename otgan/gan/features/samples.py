"""Samples as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from otgan.gan.features.base import Features
from otgan.gan.networks import Networks

__all__ = ["Samples"]


@dataclass(frozen=True)
class Samples(Features):
    """Coordinates of points, pixels of images."""

    name: ClassVar[str] = "samples"

    def rows(self, nets: Networks, x: Tensor) -> Tensor:
        """Return the samples, flat."""
        del nets
        return x.float().flatten(1)
