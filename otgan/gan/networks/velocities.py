"""Velocities: places of shape (n, ...) and times of shape (n,) in [0, 1] to velocities of the shape of the places."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from otgan.gan.networks.architectures import Architecture, architecture_for
from otgan.gan.networks.layers import ACTIVATIONS, SmallLinear, mlp, residual_mlp
from otgan.gan.networks.resolutions import halvings
from otgan.gan.networks.space import Space

__all__ = ["RowVelocity", "UNet", "code_velocity", "velocity"]

_WAVES = 4
"""Pairs of waves in time, of 1, 2, 4, … half periods."""
_TIMES = 2 * _WAVES + 1
"""Numbers that a time is given as."""
_GROUPS = 8
"""Groups of channels that are normalized, at most."""


def velocity(space: Space, network: str, *, width: int, depth: int, activation: str = "silu") -> nn.Module:
    """Make a velocity, unfilled: an MLP for points and small images, for larger ones a U-Net.

    Parameters
    ----------
    space : Space
    network : str
        One of :class:`Architecture`; convolutional ones mean the U-Net, of three resolutions, or with "deep-resnet" of all down
        to 4 pixels a side.
    width : int
        Units of a hidden layer, or channels next to the pixels.
    depth : int
        Hidden layers of an MLP.
    activation : str
        One of :class:`~otgan.gan.networks.Activation`, between the layers.
    """
    architecture = architecture_for(space, network)
    if architecture is Architecture.MLP:
        told = _TIMES + space.classes
        layers = mlp(space.dim + told, space.dim, width=width, depth=depth, activation=activation)
        return RowVelocity(layers, space.classes)
    deep = architecture is Architecture.DEEP_RESNET
    return UNet(space.shape[0], width, activation, space.classes, halvings(space) + 1 if deep else 3)


def code_velocity(size: int, *, width: int, depth: int, classes: int = 0) -> nn.Module:
    """Make a velocity of codes, unfilled, with `depth` residual blocks."""
    network = residual_mlp(size + _TIMES + classes, size, width=width, depth=depth)
    return RowVelocity(network, classes)


class RowVelocity(nn.Module):
    """A network of rows that is given the time beside the place, and the class where there are any.

    Parameters
    ----------
    network : nn.Module
        Rows of the place, of 9 numbers that stand for the time, and of one for each class, to rows of the place.
    classes : int
    """

    def __init__(self, network: nn.Module, classes: int = 0) -> None:
        super().__init__()
        self.network, self.classes, self.takes_label = network, classes, classes > 0

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the velocities."""
        found: Tensor = self.network(torch.cat([x.flatten(1), _told(t, label, self.classes)], 1))
        return found.reshape(x.shape)


def _told(t: Tensor, label: Tensor | None, classes: int) -> Tensor:
    """Return numbers that times are told apart by, 2t − 1, and cosines and sines, and those that classes are, shape (n, 9 + K)."""
    angles = t[:, None] * math.pi * 2 ** torch.arange(_WAVES, device=t.device)
    parts = [2 * t[:, None] - 1, angles.cos(), angles.sin()]
    if label is not None:
        parts.append(one_hot(label, classes).to(t.dtype))
    return torch.cat(parts, 1)


class _Block(nn.Module):
    """Two convolutions beside a connection that leaves them out; the time scales and shifts the channels between them."""

    def __init__(self, channels: int, out: int, time: int, activation: str) -> None:
        super().__init__()
        act = ACTIVATIONS[activation]
        self.first = nn.Sequential(_normalized(channels), act(), nn.Conv2d(channels, out, 3, padding=1))
        self.norm, self.time = _normalized(out), SmallLinear(time, 2 * out)
        self.second = nn.Sequential(act(), _SmallConvolution(out, out, 3, padding=1))
        self.skip = nn.Conv2d(channels, out, 1) if channels != out else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Return images of `out` channels."""
        scale, shift = self.time(time)[:, :, None, None].chunk(2, 1)
        inner = self.norm(self.first(x)) * (1 + scale) + shift
        found: Tensor = self.skip(x) + self.second(inner)
        return found


class UNet(nn.Module):
    """Several resolutions down and up again, those of equal size joined (Ronneberger et al. 2015), told the time.

    Parameters
    ----------
    channels : int
        Of an image, whose sides can be halved once less often than there are levels.
    width : int
        Channels at the highest resolution; twice as many at the others.
    activation : str
    classes : int
        It is told the class as it is told the time.
    levels : int
        Resolutions, at least 2.
    """

    def __init__(self, channels: int, width: int, activation: str, classes: int = 0, levels: int = 3) -> None:
        super().__init__()
        self.classes, self.takes_label = classes, classes > 0
        time, wide = 4 * width, 2 * width
        self.time = nn.Sequential(nn.Linear(_TIMES + classes, time), ACTIVATIONS[activation]())
        self.inlet = nn.Conv2d(channels, width, 3, padding=1)
        sizes = [(width, width), (width, wide), *[(wide, wide)] * (levels - 2)]
        self.down = nn.ModuleList(_Block(*size, time, activation) for size in sizes)
        self.middle = _Block(wide, wide, time, activation)
        joined = [*[(2 * wide, wide)] * (levels - 2), (2 * wide, width), (2 * width, width)]
        self.up = nn.ModuleList(_Block(*size, time, activation) for size in joined)
        self.smaller, self.larger = nn.AvgPool2d(2), nn.Upsample(scale_factor=2)
        self.outlet = nn.Sequential(
            _normalized(width), ACTIVATIONS[activation](), _SmallConvolution(width, channels, 3, padding=1)
        )

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the velocities."""
        time, kept = self.time(_told(t, label, self.classes)), []
        inner = self.inlet(x)
        for k, block in enumerate(self.down):
            inner = block(self.smaller(inner) if k else inner, time)
            kept.append(inner)
        inner = self.middle(inner, time)
        for k, block in enumerate(self.up):
            inner = block(torch.cat([self.larger(inner) if k else inner, kept.pop()], 1), time)
        found: Tensor = self.outlet(inner)
        return found


class _SmallConvolution(nn.Conv2d):
    """A convolution that begins with small weights, for blocks that add up."""

    gain = 1 / 3


def _normalized(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(channels, _GROUPS), channels)
