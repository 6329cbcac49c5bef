"""Deep residual networks of images, after Gulrajani et al. 2017 on CIFAR-10: as many channels at every resolution."""

from __future__ import annotations

from torch import nn

from otgan.gan.networks.layers import Residual, normalized
from otgan.gan.networks.resolutions import halvings
from otgan.gan.networks.space import Space

__all__ = ["deep_encoder", "deep_generator"]

_BLOCKS = 4
"""Residual blocks of an encoder."""


def deep_generator(space: Space, *, latent: int, width: int, norm: bool) -> nn.Sequential:
    """Make a generator, unfilled: a block for each time that the resolution doubles, of `width` channels."""
    channels, *sides = space.shape
    times = halvings(space)
    height, across = (side >> times for side in sides)
    blocks = [Residual(width, width, norm=norm, resample=nn.Upsample(scale_factor=2)) for _ in range(times)]
    return nn.Sequential(
        nn.Linear(latent, width * height * across),
        nn.Unflatten(1, (width, height, across)),
        *blocks,
        *normalized(width, norm),
        nn.Conv2d(width, channels, 3, padding=1),
        nn.Sigmoid(),
    )


def deep_encoder(space: Space, channels: int, *, outputs: int, width: int, norm: bool) -> nn.Sequential:
    """Make an encoder of images with so many channels, unfilled: four blocks, then the mean over the pixels that are left.

    The first of them halve the resolution, once less often than it can be, and at least once.
    """
    down = max(1, halvings(space) - 1)
    pools = [nn.AvgPool2d(2) if k < down else None for k in range(max(_BLOCKS, down))]
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        *(Residual(width, width, norm=norm, resample=pool) for pool in pools),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, outputs),
    )
