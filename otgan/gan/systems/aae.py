"""The adversarial autoencoder of Makhzani et al. 2016, in the form that the VEGAN cookbook gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from otgan.gan.datasets.batches import Batches
from otgan.gan.networks import given
from otgan.gan.systems.autoencoder import Decoder, LatentAdversary
from otgan.gan.systems.base import Networks, Optimizers, Terms, descend

__all__ = ["AAE"]


@dataclass(frozen=True, kw_only=True)
class AAE(LatentAdversary, Decoder):
    """min over G and Q of −E log p(x|z̃) + D_GAN(Q_Z, P_Z), z̃ ~ Q(z|x); the encoder descends −E log D(z̃) for D_GAN.

    With a Gaussian decoder of fixed variance σ² it is penalized transport: 2σ² L = E‖x − G(z̃)‖² + λ D_GAN + dσ² log 2πσ²
    with λ = 2σ². Logged are ``reconstruction``, −E log p(x|z̃) in nats, and ``latent_penalty``.

    Both terms are descended at once, where Makhzani et al. alternate.
    """

    name: ClassVar[str] = "aae"
    steps: ClassVar[Mapping[str, int]] = {"points": 3000, "small": 3000, "images": 3000}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "points": {"latent": 2, "width": 128, "batch": 256, "critic_width": 128, "critic_depth": 3},
        # Of few samples a deterministic encoder knows each: codes of others leave the prior.
        "small": {
            "width": 256,
            "batch": 256,
            "encoder": "gaussian",
            "variance": 5.0,
            "critic_width": 128,
            "critic_depth": 3,
        },
        "images": {"batch": 64, "width": 32, "variance": 100.0},
    }

    def objective(self, nets: Networks, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction and penalty of a mini-batch, differentiable in encoder, generator and variance."""
        code = self.encode(nets, x, noise)
        return -self.log_likelihood(nets, x, code).mean(), self.latent_penalty(nets, code)

    def step(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """n_critic ascents of E log D(z) + E log(1 − D(z̃)) in D, then one descent in encoder and generator."""
        critic_value = self.train_critic(nets, optimizers, batches)
        x = batches.real()
        nets = given(nets, batches.label)
        reconstruction, penalty = self.objective(nets, x, self.encoder_noise(len(x), batches.rng))
        descend(optimizers["autoencoder"], reconstruction + penalty)
        return {
            "reconstruction": reconstruction.detach(),
            "latent_penalty": penalty.detach(),
            "critic_value": critic_value,
        }
