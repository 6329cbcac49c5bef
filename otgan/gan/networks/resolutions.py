"""How far convolutional networks bring the resolution of an image down, and with how many channels."""

from __future__ import annotations

from otgan.gan.networks.space import Space

__all__ = ["channels_at", "halvings", "strides"]

_LEAST = 3
"""Pixels a side at the lowest resolution, at least."""

_MOST = 8
"""Channels of a DCGAN at the lowest resolution over those next to the pixels, at most."""


def halvings(space: Space) -> int:
    """Return how often both sides of an image can be halved, down to 3 pixels or more: 3 for 32 × 32, 2 for 28 × 28."""
    sides, count = space.shape[1:], 0
    while all(side % 2 == 0 and side // 2 >= _LEAST for side in sides):
        sides, count = tuple(side // 2 for side in sides), count + 1
    return count


def strides(space: Space) -> int:
    """Return how many convolutions of stride 2 a DCGAN has for an image: down to the lowest resolution, and two at least."""
    return max(2, halvings(space))


def channels_at(width: int, times: int) -> int:
    """Return the channels of a DCGAN where the resolution is halved so many times, `width` of them next to the pixels."""
    return width * min(2**times, _MOST)
