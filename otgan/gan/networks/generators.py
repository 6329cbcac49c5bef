"""Generators: latent vectors of shape (n, latent) to samples."""

from __future__ import annotations

import math

from torch import nn

from otgan.gan.networks.architectures import Architecture, architecture_for
from otgan.gan.networks.conditional import Conditional
from otgan.gan.networks.deep import deep_generator
from otgan.gan.networks.layers import Residual, mlp, normalized
from otgan.gan.networks.resolutions import channels_at, strides
from otgan.gan.networks.space import Kind, Space

__all__ = ["generator"]


def generator(
    space: Space,
    network: str,
    *,
    latent: int,
    width: int,
    depth: int,
    activation: str = "relu",
    norm: bool = True,
) -> nn.Module:
    """Make a generator, unfilled: latent vectors to samples; where there are classes, latent vectors and labels.

    Parameters
    ----------
    space : Space
    network : str
        One of :class:`Architecture`.
    latent : int
    width : int
        Units of a hidden layer, or channels next to the pixels.
    depth : int
        Hidden layers of an MLP; the others have the depth that the pixels ask for.
    activation : str
        One of :class:`~otgan.gan.networks.Activation`, between the layers of an MLP.
    norm : bool
        Whether convolutional generators use batch normalization.
    """
    if space.classes:
        inner = generator(
            space.without_classes,
            network,
            latent=latent + space.classes,
            width=width,
            depth=depth,
            activation=activation,
            norm=norm,
        )
        return Conditional(inner, space.classes)
    architecture = architecture_for(space, network)
    if architecture is Architecture.MLP:
        layers = mlp(latent, space.dim, width=width, depth=depth, activation=activation)
        pixels = [] if space.kind is Kind.POINTS else [nn.Sigmoid(), nn.Unflatten(1, space.shape)]
        return nn.Sequential(*layers, *pixels)
    if architecture is Architecture.DEEP_RESNET:
        return deep_generator(space, latent=latent, width=width, norm=norm)
    if architecture is Architecture.DCGAN:
        return _dcgan(space, latent, width, norm)
    channels, height, across = space.shape
    start = (4 * width, height // 4, across // 4)
    first = [nn.Linear(latent, math.prod(start)), nn.Unflatten(1, start)]
    return nn.Sequential(
        *first,
        Residual(4 * width, 2 * width, norm=norm, resample=nn.Upsample(scale_factor=2)),
        Residual(2 * width, width, norm=norm, resample=nn.Upsample(scale_factor=2)),
        *normalized(width, norm),
        nn.Conv2d(width, channels, 3, padding=1),
        nn.Sigmoid(),
    )


def _dcgan(space: Space, latent: int, width: int, norm: bool) -> nn.Sequential:
    """Make transposed convolutions that double the resolution and halve the channels, as Radford et al. 2016 do, and one that keeps both."""
    channels, height, across = space.shape
    times = strides(space)
    start = (channels_at(width, times), height >> times, across >> times)
    doubling: list[nn.Module] = []
    for k in reversed(range(times)):
        out = channels_at(width, k)
        doubling += [nn.ConvTranspose2d(channels_at(width, k + 1), out, 4, 2, 1), *normalized(out, norm)]
    return nn.Sequential(
        nn.Linear(latent, math.prod(start)),
        nn.Unflatten(1, start),
        *normalized(start[0], norm),
        *doubling,
        nn.Conv2d(width, channels, 3, padding=1),
        nn.Sigmoid(),
    )
