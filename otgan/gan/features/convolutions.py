"""Features that nobody trains: random convolutions of an image, or random directions of a point."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from otgan.gan.features.base import Features, Maker
from otgan.gan.networks import Kind, Networks, Space

__all__ = ["RandomFeatures"]

_CHANNELS = (32, 64)
_DEPTH = 4
"""Places a side that the last layer is averaged to."""


@dataclass(frozen=True)
class RandomFeatures(Features):
    """Two layers of random filters with tanh between them, averaged in places of the image and mixed at random.

    Points pass a random layer and a mixture. Rows are over √size, so that costs of power 2 are mean squares.
    """

    name: ClassVar[str] = "random"
    default: ClassVar[int] = 256
    network_name: ClassVar[str] = "filters"

    def network(self, space: Space, make: Maker) -> nn.Module:
        """Make the filters."""
        del make
        if space.kind is Kind.POINTS:
            wide = 4 * self.size
            return nn.Sequential(nn.Linear(space.dim, wide), nn.Tanh(), nn.Linear(wide, self.size))
        first, second = _CHANNELS
        return nn.Sequential(
            nn.Conv2d(space.shape[0], first, 5, 2, 2),
            nn.Tanh(),
            nn.Conv2d(first, second, 3, 2, 1),
            nn.Tanh(),
            nn.AdaptiveAvgPool2d(_DEPTH),
            nn.Flatten(),
            nn.Linear(second * _DEPTH**2, self.size),
        )

    def rows(self, nets: Networks, x: Tensor) -> Tensor:
        """Return the features over √size."""
        return nets[self.network_name](x).float() / math.sqrt(self.size)
