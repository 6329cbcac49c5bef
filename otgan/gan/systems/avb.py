"""Adversarial variational Bayes, Mescheder, Nowozin & Geiger 2017: a posterior without a density."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import Optimizer

from otgan.gan.datasets.batches import Batches
from otgan.gan.networks import Joint, Space, encoder, given, mlp
from otgan.gan.systems.autoencoder import Encoder, Variational
from otgan.gan.systems.base import Networks, Optimizers, Terms, adam, descend
from otgan.gan.systems.fields import Count, Rate

__all__ = ["AVB"]


@dataclass(frozen=True, kw_only=True)
class AVB(Variational):
    """max over G, Q of E log p(x|z) − KL(Q(z|x) ‖ N(0, I)), the KL found by a discriminator T(x, z).

    The best T that tells z ~ Q(z|x) from z ~ N(0, I) by its logit is log Q(z|x) − log p(z). With adaptive contrast
    it tells z̃ = (z − μ(x)) / s(x) from N(0, I), and KL = E T(x, z̃) + E [log r(z|x) − log p(z)], where
    r = N(μ(x), diag s²(x)) has the moments of Q(z|x), which are constants to gradients. Logged are ``elbo``, which is
    no bound while T is not the best, and its parts ``reconstruction`` and ``kl``; and ``critic_loss``, T's.

    Parameters
    ----------
    adaptive : bool
        Whether contrast is adaptive.
    contrast_noise : int
        Noise vectors that moments are taken over.
    critic_width, critic_depth : int
        Units and number of the hidden layers of T that see z.
    n_critic : int
        Updates of T for each of encoder and generator.
    lr_critic : float
        T's.
    """

    name: ClassVar[str] = "avb"
    estimate: ClassVar[str | None] = "elbo"
    averaged: ClassVar[tuple[str, ...]] = ("generator", "encoder", "likelihood", "critic")
    encoders: ClassVar[tuple[Encoder, ...]] = (Encoder.IMPLICIT,)
    steps: ClassVar[Mapping[str, int]] = {"points": 3000, "small": 4000, "images": 3000}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "points": {
            "latent": 2,
            "width": 128,
            "batch": 256,
            "variance": 0.1,
            "learn_variance": True,
            "critic_width": 128,
        },
        "small": {
            "latent": 8,
            "width": 128,
            "depth": 2,
            "variance": 0.03,
            "critic_width": 128,
            "critic_depth": 2,
        },
        "images": {"batch": 64, "latent": 8, "width": 32, "variance": 0.02, "learn_variance": True},
    }

    batch: Count = 100
    latent: Count = 32
    encoder: Encoder = Encoder.IMPLICIT
    adaptive: bool = True
    contrast_noise: Count = 256
    critic_width: Count = 512
    critic_depth: Count = 3
    n_critic: Count = 1
    lr_critic: Rate = 1e-3

    def networks(self, space: Space) -> dict[str, nn.Module]:
        """Make generator, encoder, likelihood and the discriminator of pairs."""
        body = encoder(
            space.without_classes,
            self.network,
            outputs=self.critic_width,
            width=self.width,
            depth=min(self.depth, 2),
            activation=self.activation,
        )
        head = mlp(self.critic_width + self.latent, 1, width=self.critic_width, depth=self.critic_depth)
        return {**super().networks(space), "critic": Joint(body, head)}

    def optimizers(self, nets: Networks) -> dict[str, Optimizer]:
        """Adam for the autoencoder and for T."""
        rival = adam(nets["critic"], self.lr_critic, (self.beta1, self.beta2))
        return {**super().optimizers(nets), "critic": rival}

    def step(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """n_critic descents of T's cross-entropy, then one ascent of the bound."""
        for _ in range(self.n_critic):
            x = batches.real()
            with torch.no_grad():
                code, (mean, log_variance) = self.draw(nets, x, batches)
            contrast = batches.normal(*code.shape)
            critic_loss = self.critic_loss(nets, x, standardize(code, mean, log_variance), contrast)
            descend(optimizers["critic"], critic_loss)

        x = batches.real()
        nets = given(nets, batches.label)
        code, moments = self.draw(nets, x, batches)
        log_p, kl = self.log_likelihood(nets, x, code), self.divergence(nets, x, code, *moments)
        elbo = (log_p - kl).mean()
        descend(optimizers["autoencoder"], -elbo)
        return {
            "elbo": elbo.detach(),
            "reconstruction": -log_p.detach().mean(),
            "kl": kl.detach().mean(),
            "critic_loss": critic_loss.detach(),
        }

    def draw(self, nets: Networks, x: Tensor, batches: Batches) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Draw a code for each sample, and find the moments of r as constants."""
        code = self.encode(nets, x, self.encoder_noise(len(x), batches.rng))
        return code, self.contrast(nets, x, self.encoder_noise(self.contrast_noise, batches.rng))

    @torch.no_grad()
    def contrast(self, nets: Networks, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of r(z|x), shapes (n, latent): the prior's own where contrast is not adaptive."""
        if not self.adaptive:
            nothing = torch.zeros(len(x), self.latent, dtype=x.dtype, device=x.device)
            return nothing, nothing
        return self.moments(nets, x, noise)

    def critic_loss(self, nets: Networks, x: Tensor, standardized: Tensor, contrast: Tensor) -> Tensor:
        """−E log D(x, z̃) − E log(1 − D(x, w)), w ~ N(0, I), where D has the logit T: its least is at T = log q̃ − log N."""
        critic = nets["critic"]
        return (softplus(-critic(x, standardized)) + softplus(critic(x, contrast))).mean()

    def divergence(
        self, nets: Networks, x: Tensor, code: Tensor, mean: Tensor, log_variance: Tensor
    ) -> Tensor:
        """Estimate KL(Q(z|x) ‖ N(0, I)) of each sample by its code, shape (n,): T(x, z̃) + log r(z|x) − log p(z)."""
        standardized = standardize(code, mean, log_variance)
        beside = 0.5 * (code.square() - standardized.square() - log_variance).sum(1)
        return nets["critic"](x, standardized).to(x.dtype) + beside

    def elbo(self, nets: Networks, x: Tensor, noise: Tensor) -> Tensor:
        """Return log p(x|z) − (T(x, z̃) + log r(z|x) − log p(z)) of each sample, shape (n,): T decides how true it is."""
        code = self.encode(nets, x, noise)
        moments = self.posterior(nets, x) if self.adaptive else self.contrast(nets, x, noise)
        return self.log_likelihood(nets, x, code) - self.divergence(nets, x, code, *moments)


def standardize(code: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return z̃ = (z − μ) / s."""
    return (code - mean) * (-0.5 * log_variance).exp()
