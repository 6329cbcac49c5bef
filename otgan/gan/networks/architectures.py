"""The architectures by name, which of them suits which data, and what shapes they take."""

from __future__ import annotations

from enum import StrEnum

from otgan.gan.errors import OptionError, RunError
from otgan.gan.networks.space import Kind, Space

__all__ = ["Architecture", "architecture_for"]

_STRIDE = 4
"""What convolutional networks divide the sides of an image by."""


class Architecture(StrEnum):
    """A way to build a network; AUTO takes an MLP for points and small images, DCGAN for larger images.

    DEEP_RESNET is the network of Gulrajani et al. 2017 for CIFAR-10: as many channels everywhere, blocks down to 4 × 4.
    """

    AUTO = "auto"
    MLP = "mlp"
    DCGAN = "dcgan"
    RESNET = "resnet"
    DEEP_RESNET = "deep-resnet"


def architecture_for(space: Space, name: str) -> Architecture:
    """Return the architecture of that name, AUTO being decided by the data.

    Raises
    ------
    OptionError
        If there is none of that name.
    RunError
        If it cannot take samples of that shape.
    """
    try:
        chosen = Architecture(name)
    except ValueError as error:
        raise OptionError(f"network must be one of {', '.join(Architecture)}, got {name!r}") from error
    if chosen is Architecture.AUTO:
        chosen = Architecture.DCGAN if space.large else Architecture.MLP
    if chosen is Architecture.MLP:
        return chosen
    if space.kind is Kind.POINTS:
        raise RunError(f"{chosen} takes images, got points of {space.dim} coordinates: use network=mlp")
    height, across = space.shape[1:]
    if height % _STRIDE or across % _STRIDE:
        raise RunError(
            f"convolutional networks take images whose sides are multiples of {_STRIDE}, got {height} x {across}: "
            "use network=mlp, pass your own modules, or resize them"
        )
    return chosen
