"""The Wasserstein GAN with gradient penalty of Gulrajani et al. 2017, Algorithm 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor
from torch.optim import Optimizer

from otgan.gan.datasets.batches import Batches
from otgan.gan.losses.slopes import gradient_norms
from otgan.gan.networks import given
from otgan.gan.systems.base import Networks, Optimizers, System, Terms, adam, descend, fake, generate
from otgan.gan.systems.fields import Count, Rate, Share

__all__ = ["WGANGP"]


@dataclass(frozen=True, kw_only=True)
class WGANGP(System):
    """min over f of E f(G z) − E f(x) + λ E (‖∇f(x̂)‖₂ − 1)², x̂ = ε x + (1 − ε) G z; G descends −E f(G z).

    The penalty scales the critic: its slope along the transport is 1 + W₁ / 2λ. Logged apart are ``critic_gap``, the
    difference E f(x) − E f(G z); ``slope``, the mean of ‖∇f(x̂)‖; ``wasserstein``, their ratio, which is an estimate
    of W₁ and no bound of it; and ``penalty``, without λ.

    Parameters
    ----------
    penalty : float
        The weight λ.
    n_critic : int
        Critic updates for each update of the generator.
    lr, beta1, beta2 : float
        Adam's. The authors' script for toy data has λ = .1 and β₁ = .5.
    """

    name: ClassVar[str] = "wgan-gp"
    steps: ClassVar[Mapping[str, int]] = {"points": 3000, "small": 3000, "images": 10000, "paper": 100_000}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "points": {
            "latent": 2,
            "width": 128,
            "batch": 256,
            "penalty": 0.1,
            "lr": 1e-3,
            "beta1": 0.5,
            "beta2": 0.9,
        },
        "small": {"latent": 32, "width": 256},
        "images": {
            "latent": 64,
            "width": 16,
            "n_critic": 3,
            "lr": 1e-3,
            "beta1": 0.5,
            "beta2": 0.9,
            # At a constant rate samples stop getting better halfway.
            "decay": 2000,
        },
        # At a rate of 2e-4 and one update of the critic it is further from the data after equal times.
        "color images": {
            "latent": 64,
            "width": 32,
            "critic_width": 64,
            "n_critic": 2,
            "lr": 1e-3,
            "beta1": 0.5,
            "beta2": 0.9,
            "decay": 4000,
        },
        # The authors' rate falls in a line to 0 at the end.
        "paper": {"network": "deep-resnet", "width": 128, "lr": 2e-4, "decay": 50_000, "ema": 0.9999},
    }

    penalty: Rate = 10.0
    n_critic: Count = 5
    lr: Rate = 1e-4
    beta1: Share = 0.0
    beta2: Share = 0.9

    def optimizers(self, nets: Networks) -> dict[str, Optimizer]:
        """Adam for both."""
        return {name: adam(net, self.lr, (self.beta1, self.beta2)) for name, net in nets.items()}

    def step(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """Algorithm 1: n_critic descents of the penalized loss in f, then one descent in G."""
        for _ in range(self.n_critic):
            x, y = batches.real(), fake(nets, batches)
            critic = given(nets, batches.label)["critic"]
            terms = self.critic_step(critic, optimizers["critic"], batches, x, y)

        generator_loss = -critic(generate(nets, batches)).mean()
        descend(optimizers["generator"], generator_loss)
        return {**terms, "generator_loss": generator_loss.detach()}

    def critic_step(
        self, critic: Callable[[Tensor], Tensor], optimizer: Optimizer, batches: Batches, x: Tensor, y: Tensor
    ) -> Terms:
        """One descent in f between a mini-batch x of data and one of the generator, y, of the same classes."""
        t = batches.uniform(len(x), *[1] * (x.ndim - 1))  # one ε a sample, not one a coordinate
        norms = gradient_norms(critic, t * x + (1 - t) * y)
        penalty = (norms - 1).square().mean()
        gap = critic(x).mean() - critic(y).mean()
        descend(optimizer, self.penalty * penalty - gap)
        slope = norms.detach().mean()
        return {
            "wasserstein": gap.detach() / slope,
            "critic_gap": gap.detach(),
            "slope": slope,
            "penalty": penalty.detach(),
        }
