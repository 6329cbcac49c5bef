"""Encoders: samples to rows of shape (n, outputs)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from otgan.gan.networks.architectures import Architecture, architecture_for
from otgan.gan.networks.conditional import Conditional
from otgan.gan.networks.deep import deep_encoder
from otgan.gan.networks.layers import Centered, Residual, mlp
from otgan.gan.networks.resolutions import channels_at, strides
from otgan.gan.networks.space import Kind, Space

__all__ = ["NoiseFed", "encoder"]


def encoder(
    space: Space,
    network: str,
    *,
    outputs: int,
    width: int,
    depth: int,
    activation: str = "relu",
    norm: bool = False,
) -> nn.Sequential | Conditional:
    """Make an encoder, unfilled: samples, and labels where there are classes, to rows of shape (n, outputs), by the layers of a critic."""
    architecture = architecture_for(space, network)
    told = space.classes
    if architecture is Architecture.MLP:
        pixels = [] if space.kind is Kind.POINTS else [nn.Flatten(), Centered()]
        layers = mlp(space.dim + told, outputs, width=width, depth=depth, activation=activation)
        return _told(pixels, layers, told)
    channels, height, across = space.shape
    channels += told
    if architecture is Architecture.DEEP_RESNET:
        layers = deep_encoder(space, channels, outputs=outputs, width=width, norm=norm)
        return _told([Centered()], layers, told)
    if architecture is Architecture.DCGAN:
        times = strides(space)
        halving: list[nn.Module] = []
        for k in range(1, times):
            out = channels_at(width, k)
            halving += [
                nn.Conv2d(channels_at(width, k - 1), out, 4, 2, 1),
                *([nn.BatchNorm2d(out)] if norm else []),
                nn.LeakyReLU(0.2),
            ]
        layers = nn.Sequential(
            nn.Conv2d(channels, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            *halving,
            nn.Flatten(),
            nn.Linear(channels_at(width, times - 1) * (height >> times) * (across >> times), outputs),
        )
        return _told([Centered()], layers, told)
    layers = nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        Residual(width, width, norm=norm, resample=nn.AvgPool2d(2)),
        Residual(width, 2 * width, norm=norm, resample=nn.AvgPool2d(2)),
        Residual(2 * width, 2 * width, norm=norm),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2 * width * (height // 4) * (across // 4), outputs),
    )
    return _told([Centered()], layers, told)


def _told(first: list[nn.Module], layers: nn.Sequential, classes: int) -> nn.Sequential | Conditional:
    """Join what is done to samples to the layers behind it, the class coming between them where there are any."""
    if classes:
        return Conditional(layers, classes, nn.Sequential(*first))
    return nn.Sequential(*first, *layers)


class NoiseFed(nn.Module):
    """An encoder whose posterior has no density: z = (v₀(ε) + Σ_k a_k(x) ⊙ v_k(ε)) / √(K + 1), for noise ε.

    For each x the code is affine in the v_k, so that one set of noise vectors gives the moments of all posteriors at
    once, as adaptive contrast wants them (Mescheder et al. 2017, appendix; there each v_k has noise of its own).

    Parameters
    ----------
    weights : nn.Module
        x to a, shape (n, K · latent).
    basis : nn.Module
        ε to v, shape (n, (K + 1) · latent).
    latent : int
    """

    def __init__(self, weights: nn.Module, basis: nn.Module, latent: int) -> None:
        super().__init__()
        self.weights, self.basis, self.latent = weights, basis, latent

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """Draw a code for each x with its own row of noise, shape (n, latent)."""
        return (self._weights(x) * self._basis(noise)).sum(1)

    def moments(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each coordinate of each posterior, shapes (n, latent), over the rows of noise."""
        a, v = self._weights(x), self._basis(noise)
        mean = v.mean(0)
        with torch.autocast(x.device.type, enabled=False):  # of products of differences little would be left
            covariance = torch.einsum("mkl,mjl->kjl", v - mean, v - mean) / len(v)
            return (a * mean).sum(1), torch.einsum("nkl,kjl,njl->nl", a, covariance, a)

    def _weights(self, x: Tensor) -> Tensor:
        a = self.weights(x).float().unflatten(1, (-1, self.latent))
        return torch.cat([torch.ones_like(a[:, :1]), a], 1)

    def _basis(self, noise: Tensor) -> Tensor:
        v: Tensor = self.basis(noise).float().unflatten(1, (-1, self.latent))
        return v / math.sqrt(v.shape[1])
