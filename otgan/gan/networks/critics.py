"""Critics and discriminators: samples, or pairs of samples and codes, to one number each, shape (n,)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from otgan.gan.networks.conditional import Conditional
from otgan.gan.networks.encoders import encoder
from otgan.gan.networks.space import Space

__all__ = ["Joint", "critic"]


def critic(
    space: Space,
    network: str,
    *,
    width: int,
    depth: int,
    activation: str = "relu",
    norm: bool = False,
    outputs: int = 1,
) -> nn.Module:
    """Make a critic or discriminator, unfilled: samples, and labels where there are classes, to one number each (or `outputs` features).

    No critic of a Wasserstein system is normalized over the batch: its gradient penalty is a statement about each
    sample alone. `norm` is for the classical discriminator of DCGAN.
    """
    layers = encoder(
        space, network, outputs=outputs, width=width, depth=depth, activation=activation, norm=norm
    )
    if outputs > 1:
        return layers
    if isinstance(layers, Conditional):
        return Conditional(nn.Sequential(layers.network, nn.Flatten(0)), layers.classes, layers.first)
    return nn.Sequential(*layers, nn.Flatten(0))


class Joint(nn.Module):
    """A critic of pairs: a network's features of x, shape (n, k), and z beside them, are given one number.

    Parameters
    ----------
    body : nn.Module
        x to features.
    head : nn.Module
        Features and z, side by side, to shape (n, 1).
    """

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Return T(x, z), shape (n,)."""
        value: Tensor = self.head(torch.cat([self.body(x), z], 1))
        return value.flatten()
