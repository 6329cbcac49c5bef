"""The variational autoencoder of Kingma & Welling 2014."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from otgan.gan.datasets.batches import Batches
from otgan.gan.networks import Activation, given
from otgan.gan.systems.autoencoder import Encoder, Variational
from otgan.gan.systems.base import Networks, Optimizers, Terms, descend
from otgan.gan.systems.fields import Count, Share

__all__ = ["VAE"]


@dataclass(frozen=True, kw_only=True)
class VAE(Variational):
    """max over G, Q (and σ²) of E log p(x|z) − KL(Q(z|x) ‖ N(0, I)), z ~ Q(z|x) = N(μ(x), diag s²(x)).

    Logged are ``elbo``, the bound in nats of a sample, and its parts ``reconstruction``, −E log p(x|z), and ``kl``.
    """

    name: ClassVar[str] = "vae"
    estimate: ClassVar[str | None] = "elbo"
    encoders: ClassVar[tuple[Encoder, ...]] = (Encoder.GAUSSIAN,)
    critic_width: ClassVar[int] = 0  # type: ignore[misc]  # of none: no option
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

    batch: Count = 100
    latent: Count = 20
    width: Count = 500
    depth: Count = 1
    activation: Activation = Activation.TANH
    encoder: Encoder = Encoder.GAUSSIAN
    beta1: Share = 0.9

    def step(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """One ascent of the bound, with one code for each sample."""
        x = batches.real()
        nets = given(nets, batches.label)
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
