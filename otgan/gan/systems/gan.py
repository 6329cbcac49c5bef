"""The generative adversarial network of Goodfellow et al. 2014, with both generator losses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch.nn.functional import softplus
from torch.optim import Optimizer

from otgan.gan.datasets.batches import Batches
from otgan.gan.networks import Space, given
from otgan.gan.systems.base import Networks, Optimizers, System, Terms, adam, descend, fake, generate
from otgan.gan.systems.fields import Count, Rate, Share

__all__ = ["GAN"]


@dataclass(frozen=True, kw_only=True)
class GAN(System):
    """max over D of L(D, G) = E log D(x) + E log(1 − D(G z)), D a probability; G descends one of two losses.

    With logits d, log D = −softplus(−d) and log(1 − D) = −softplus(d), which never overflow.
    ½ L + log 2 is a lower bound of the Jensen–Shannon divergence, logged as ``js``; it is tight at the best D.

    Parameters
    ----------
    saturating : bool
        G descends E log(1 − D(G z)), which loses its gradient where D is sure, instead of −E log D(G z).
    n_critic : int
        Discriminator updates for each update of the generator.
    lr, beta1, beta2 : float
        Adam's; the paper's defaults are those of DCGAN (Radford et al. 2016).
    """

    name: ClassVar[str] = "gan"
    estimate: ClassVar[str | None] = "js"
    steps: ClassVar[Mapping[str, int]] = {"points": 10000, "small": 10000, "images": 10000, "paper": 100_000}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "points": {"latent": 2, "width": 128, "batch": 256, "lr": 1e-4},
        "small": {"latent": 32, "width": 256},
        "images": {"latent": 64, "width": 32},
        "paper": {"network": "dcgan", "latent": 100, "width": 64, "batch": 128},
    }

    saturating: bool = False
    n_critic: Count = 1
    lr: Rate = 2e-4
    beta1: Share = 0.5
    beta2: Share = 0.999

    def networks(self, space: Space) -> dict[str, Any]:
        """Make generator and discriminator; this discriminator may be normalized over the batch, as DCGAN's is."""
        return {
            "generator": self.make_generator(space),
            "critic": self.make_critic(space, norm=self.norm),
        }

    def optimizers(self, nets: Networks) -> dict[str, Optimizer]:
        """Adam for both."""
        return {name: adam(net, self.lr, (self.beta1, self.beta2)) for name, net in nets.items()}

    def step(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """n_critic ascents of L in D, then one descent in G."""
        for _ in range(self.n_critic):
            x, y = batches.real(), fake(nets, batches)
            discriminator = given(nets, batches.label)["critic"]
            critic_loss = (softplus(-discriminator(x)) + softplus(discriminator(y))).mean()
            descend(optimizers["critic"], critic_loss)

        logits = discriminator(generate(nets, batches))
        generator_loss = -softplus(logits).mean() if self.saturating else softplus(-logits).mean()
        descend(optimizers["generator"], generator_loss)
        return {
            "js": math.log(2) - 0.5 * critic_loss.detach(),
            "critic_loss": critic_loss.detach(),
            "generator_loss": generator_loss.detach(),
        }
