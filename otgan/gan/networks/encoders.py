"""Encoders: samples to rows of shape (n, outputs)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from otgan.gan.networks.architectures import Architecture, architecture_for
from otgan.gan.networks.layers import Centered, Residual, mlp
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
) -> nn.Sequential:
    """Make an encoder, unfilled: samples to rows of shape (n, outputs), by the layers of a critic."""
    architecture = architecture_for(space, network)
    if architecture is Architecture.MLP:
        pixels = [] if space.kind is Kind.POINTS else [nn.Flatten(), Centered()]
        return nn.Sequential(
            *pixels, *mlp(space.dim, outputs, width=width, depth=depth, activation=activation)
        )
    channels, height, across = space.shape
    end = nn.Linear(2 * width * (height // 4) * (across // 4), outputs)
    if architecture is Architecture.DCGAN:
        return nn.Sequential(
            Centered(),
            nn.Conv2d(channels, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            *([nn.BatchNorm2d(2 * width)] if norm else []),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            end,
        )
    return nn.Sequential(
        Centered(),
        nn.Conv2d(channels, width, 3, padding=1),
        Residual(width, width, norm=norm, resample=nn.AvgPool2d(2)),
        Residual(width, 2 * width, norm=norm, resample=nn.AvgPool2d(2)),
        Residual(2 * width, 2 * width, norm=norm),
        nn.ReLU(),
        nn.Flatten(),
        end,
    )


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
        covariance = torch.einsum("mkl,mjl->kjl", v - mean, v - mean) / len(v)
        return (a * mean).sum(1), torch.einsum("nkl,kjl,njl->nl", a, covariance, a)

    def _weights(self, x: Tensor) -> Tensor:
        a = self.weights(x).float().unflatten(1, (-1, self.latent))
        return torch.cat([torch.ones_like(a[:, :1]), a], 1)

    def _basis(self, noise: Tensor) -> Tensor:
        v: Tensor = self.basis(noise).float().unflatten(1, (-1, self.latent))
        return v / math.sqrt(v.shape[1])
