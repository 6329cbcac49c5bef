"""The Wasserstein GAN of Arjovsky, Chintala & Bottou 2017, Algorithm 1: a critic kept Lipschitz by clipping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn
from torch.optim import Optimizer, RMSprop

from otgan.gan.datasets.batches import Batches
from otgan.gan.networks import given
from otgan.gan.systems.base import Networks, Optimizers, System, Terms, descend, fake, generate, trained
from otgan.gan.systems.fields import Count, Positive, Rate

__all__ = ["WGAN"]


@dataclass(frozen=True, kw_only=True)
class WGAN(System):
    """max over f with weights in [−c, c] of E f(x) − E f(G z); G descends −E f(G z).

    Such an f is K-Lipschitz for a K that depends on c and the architecture alone, so the logged ``wasserstein``,
    E f(x) − E f(G z), estimates K · W₁: it compares within a run, and is no distance in the units of the data.

    Parameters
    ----------
    clip : float
        The bound c of every weight and bias of the critic.
    n_critic : int
        Critic updates for each update of the generator.
    lr : float
        RMSProp's. There is no momentum on the critic: its loss is not stationary.
    """

    name: ClassVar[str] = "wgan"
    steps: ClassVar[Mapping[str, int]] = {"points": 3000, "small": 3000, "images": 4000, "paper": 100_000}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "points": {"latent": 2, "width": 128, "batch": 256, "clip": 0.1, "lr": 5e-4},
        "small": {"latent": 32, "width": 256, "clip": 0.05, "lr": 2e-4},
        "images": {"latent": 64, "width": 32},
        "paper": {"network": "dcgan", "latent": 100, "width": 64},
    }

    clip: Positive = 0.01
    n_critic: Count = 5
    lr: Rate = 5e-5

    def optimizers(self, nets: Networks) -> dict[str, Optimizer]:
        """RMSProp for both."""
        return {name: RMSprop(trained(net), lr=self.lr) for name, net in nets.items()}

    def step(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """Algorithm 1: n_critic ascents, each followed by the clip, then one descent in G."""
        for _ in range(self.n_critic):
            x, y = batches.real(), fake(nets, batches)
            critic = given(nets, batches.label)["critic"]
            wasserstein = critic(x).mean() - critic(y).mean()
            descend(optimizers["critic"], -wasserstein)
            clip_weights(nets["critic"], self.clip)

        generator_loss = -critic(generate(nets, batches)).mean()
        descend(optimizers["generator"], generator_loss)
        return {"wasserstein": wasserstein.detach(), "generator_loss": generator_loss.detach()}


@torch.no_grad()
def clip_weights(critic: nn.Module, bound: float) -> None:
    """Clip every parameter to [−bound, bound]: after the step, so that the generator meets a clipped critic."""
    for parameter in critic.parameters():
        parameter.clamp_(-bound, bound)
