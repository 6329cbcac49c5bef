"""Where samples live, and what kind of data that makes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Kind", "Space"]

_SMALL = 16
"""Pixels a side up to which an MLP does as well as convolutions."""


class Kind(StrEnum):
    """The kinds of data for which networks and defaults differ; small images have at most 16 pixels a side.

    Larger ones in color are a kind of their own: codes of a few numbers, which tell digits apart, hold too little of photographs.
    """

    POINTS = "points"
    SMALL = "small"
    IMAGES = "images"
    COLOR = "color images"

    @classmethod
    def wider(cls, kind: str) -> str:
        """Return the kind whose defaults serve one that has none of its own."""
        return cls.IMAGES if kind == cls.COLOR else kind


@dataclass(frozen=True)
class Space:
    """Where the samples live: points with d coordinates, shape (d,), or images of shape (C, H, W).

    Attributes
    ----------
    shape : tuple of int
    classes : int
        How many classes of samples there are, which networks are told; 0 where they are not.
    """

    shape: tuple[int, ...]
    classes: int = 0

    @property
    def dim(self) -> int:
        """The number of coordinates of a sample."""
        return math.prod(self.shape)

    @property
    def without_classes(self) -> Space:
        """The same for networks that see the samples alone."""
        return Space(self.shape)

    @property
    def kind(self) -> Kind:
        """The kind of data."""
        if len(self.shape) == 1:
            return Kind.POINTS
        if max(self.shape[1:]) <= _SMALL:
            return Kind.SMALL
        return Kind.IMAGES if self.shape[0] == 1 else Kind.COLOR

    @property
    def large(self) -> bool:
        """Whether samples are images that convolutions suit better than an MLP."""
        return self.kind in (Kind.IMAGES, Kind.COLOR)
