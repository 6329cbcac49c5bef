"""What some systems can do beyond sampling, as the rest of the library asks for it."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from otgan.gan.networks import Networks, Prior

__all__ = ["Encoding", "LikelihoodBound", "Networks"]


class Encoding(Protocol):
    """Codes Q(z|x) of samples x, of shape (n, latent)."""

    @property
    def latent(self) -> int:
        """How many numbers a code has."""

    @property
    def prior(self) -> Prior:
        """The law that codes are compared with."""

    @property
    def prior_variance(self) -> float:
        """The variance of each of its coordinates."""

    @property
    def encoder(self) -> str:
        """The kind of Q(z|x)."""

    @property
    def row_length(self) -> int:
        """How many numbers the encoder returns for a sample."""

    def posterior(self, nets: Networks, x: Tensor) -> tuple[Tensor, Tensor]:
        """Means and logarithms of variances of Q(z|x), of an encoder that has any."""

    def encoder_noise(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw the noise of n codes."""

    def encoder_rows(self, encoder: nn.Module, x: Tensor, noise: Tensor) -> Tensor:
        """Return what the encoder makes of samples."""

    def encode(self, nets: Networks, x: Tensor, noise: Tensor) -> Tensor:
        """Draw z ~ Q(z|x)."""

    def code(self, nets: Networks, x: Tensor) -> Tensor:
        """Return one code for each sample, always the same."""


class LikelihoodBound(Protocol):
    """Lower bounds of the likelihood of each sample, shape (n,), in nats."""

    def encoder_noise(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw the noise of n codes."""

    def posterior(self, nets: Networks, x: Tensor) -> tuple[Tensor, Tensor]:
        """Means and logarithms of variances of Q(z|x)."""

    def log_likelihood(self, nets: Networks, x: Tensor, code: Tensor) -> Tensor:
        """Return log p(x|z)."""

    def elbo(self, nets: Networks, x: Tensor, noise: Tensor) -> Tensor:
        """Estimate the evidence lower bound by one code each."""
