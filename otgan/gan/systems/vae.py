"""The variational autoencoder of Kingma & Welling 2014."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from otgan.gan.batches import Batches
from otgan.gan.systems.autoencoding import Variational
from otgan.gan.systems.base import Networks, Optimizers, Terms, descend

__all__ = ["VAE"]


@dataclass(frozen=True, kw_only=True)
class VAE(Variational):
    """max over G, Q (and σ²) of E log p(x|z) − KL(Q(z|x) ‖ N(0, I)), z ~ Q(z|x) = N(μ(x), diag s²(x)).

    Logged are ``elbo``, the bound in nats of a sample, and its parts ``reconstruction``, −E log p(x|z), and ``kl``.
    """

    name: ClassVar[str] = "vae"
    estimate: ClassVar[str | None] = "elbo"
    encoders: ClassVar[tuple[str, ...]] = ("gaussian",)
    steps: ClassVar[Mapping[str, int]] = {"points": 3000, "small": 2000, "images": 3000}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "points": {
            "latent": 2,
            "width": 128,
            "depth": 3,
            "activation": "relu",
            "batch": 256,
            "variance": 0.1,
            "learn_variance": True,
        },
        # Learned on few images, the variance goes to that of the training split, and codes leave the prior.
        "small": {"latent": 8, "width": 128, "depth": 2, "activation": "relu", "variance": 0.03},
        "images": {"batch": 64, "latent": 8, "width": 32, "variance": 0.02, "learn_variance": True},
    }

    batch: int = 100
    latent: int = 20
    width: int = 500
    depth: int = 1
    activation: str = "tanh"
    encoder: str = "gaussian"
    beta1: float = 0.9

    def step(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """One ascent of the bound, with one code for each sample."""
        x = batches.real()
        log_p, kl = self.bound(nets, x, self.encoder_noise(len(x), batches.rng))
        elbo = (log_p - kl).mean()
        descend(optimizers["autoencoder"], -elbo)
        return {"elbo": elbo.detach(), "reconstruction": -log_p.detach().mean(), "kl": kl.detach().mean()}

    def elbo(self, nets: Networks, x: Tensor, noise: Tensor) -> Tensor:
        """Return log p(x|z) − KL of each sample, shape (n,)."""
        log_p, kl = self.bound(nets, x, noise)
        return log_p - kl

    def bound(self, nets: Networks, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return log p(x|z) and KL(Q(z|x) ‖ N(0, I)) = ½ Σ (μ² + s² − 1 − log s²) of each sample."""
        mean, log_variance = self.posterior(nets, x)
        z = mean + (0.5 * log_variance).exp() * noise
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return self.log_likelihood(nets, x, z), kl
