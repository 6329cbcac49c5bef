"""Generators trained on the Sinkhorn divergence: Genevay, Peyré & Cuturi 2018; and OT-GAN, Salimans et al. 2018."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from otgan.distances import sinkhorn, sinkhorn_divergence
from otgan.gan.datasets.batches import Batches
from otgan.gan.networks import Activation, Prior, Space
from otgan.gan.systems.base import Networks, Optimizers, System, Terms, adam, descend, fake, generate
from otgan.gan.systems.features import embed
from otgan.gan.systems.fields import Count, CountOrNone, Positive, Rate, Share

__all__ = ["Form", "Sinkhorn"]

Draw = Callable[[Networks, Batches], Tensor]


class Form(StrEnum):
    """The forms of the divergence."""

    DEBIASED = "debiased"
    BIASED = "biased"
    TWO_BATCH = "two-batch"


@dataclass(frozen=True, kw_only=True)
class Sinkhorn(System):
    """G descends S_ε(x, G z) = OT_ε(x, G z) − ½ OT_ε(x, x) − ½ OT_ε(G z, G z), by envelope gradients, never unrolled.

    The defaults are those of Genevay et al. on MNIST.

    Parameters
    ----------
    epsilon : float
        ε, in units of the cost.
    power : float
        c = ‖x − y‖₂^power.
    form : {"debiased", "biased", "two-batch"}
        S_ε itself; OT_ε alone, whose minimizer shrinks; or OT-GAN's W(X,Y) + W(X,Y′) + W(X′,Y) + W(X′,Y′) − 2 W(X,X′)
        − 2 W(Y,Y′) between two batches of each side, W = OT_ε. That one is an unbiased estimate of twice a mini-batch
        energy distance, not of S_ε, and may be negative.
    features : int
        With a positive number, the cost is taken between features of that dimension on the unit sphere, which are
        trained to ascend what G descends, `n_critic` times for each of its updates.
    n_critic : int
    lr, lr_features, beta1, beta2 : float
        Adam's.
    tol : float
        L1 error of the marginals at which the solver stops.
    """

    name: ClassVar[str] = "sinkhorn"
    estimate: ClassVar[str | None] = "divergence"
    steps: ClassVar[Mapping[str, int]] = {"points": 3000, "small": 3000, "images": 8000}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "points": {
            "latent": 2,
            "prior": "normal",
            "activation": "relu",
            "width": 256,
            "depth": 3,
            "batch": 256,
            "epsilon": 0.1,
            "power": 1.0,
            "lr": 2e-3,
        },
        "small": {"latent": 32, "prior": "normal", "activation": "relu", "batch": 256, "epsilon": 0.5},
        "images": {
            "latent": 64,
            "prior": "normal",
            "activation": "relu",
            "width": 16,
            "batch": 100,
            "features": 64,
            # With much less, features gain most by spreading one batch away from the next of the same images.
            "epsilon": 1.0,
            "lr": 5e-4,
            "lr_features": 2e-4,
        },
    }

    batch: Count = 300
    latent: Count = 2
    prior: Prior = Prior.UNIFORM
    width: Count = 500
    depth: Count = 2
    activation: Activation = Activation.SOFTPLUS
    epsilon: Positive = 1.0
    power: Positive = 2.0
    form: Form = Form.DEBIASED
    features: CountOrNone = 0
    n_critic: Count = 1
    lr: Rate = 1e-3
    lr_features: Rate = 1e-4
    beta1: Share = 0.5
    beta2: Share = 0.9
    tol: Positive = 1e-3

    def networks(self, space: Space) -> dict[str, nn.Module]:
        """Make the generator, and the features where they are wanted."""
        nets = {"generator": self.make_generator(space)}
        if self.features:
            nets["features"] = self.make_critic(space, outputs=self.features)
        return nets

    def optimizers(self, nets: Networks) -> dict[str, Optimizer]:
        """Adam for each."""
        betas = (self.beta1, self.beta2)
        rates = {"generator": self.lr, "features": self.lr_features}
        return {name: adam(net, rates[name], betas) for name, net in nets.items()}

    def step(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """One descent of the divergence in G, after n_critic ascents in the features where there are any."""
        if self.features:
            for _ in range(self.n_critic):
                descend(optimizers["features"], -self.divergence(nets, batches, fake))
        divergence = self.divergence(nets, batches)
        descend(optimizers["generator"], divergence)
        return {"divergence": divergence.detach()}

    def divergence(self, nets: Networks, batches: Batches, draw: Draw = generate) -> Tensor:
        """The divergence between fresh batches, differentiable in the features and in what `draw` keeps the graph of."""
        x, y = embed(nets, batches.real()), embed(nets, draw(nets, batches))
        if self.form is Form.BIASED:
            return sinkhorn(x, y, p=self.power, epsilon=self.epsilon, tol=self.tol)
        if self.form is Form.DEBIASED:
            return sinkhorn_divergence(x, y, p=self.power, epsilon=self.epsilon, tol=self.tol)
        x2, y2 = embed(nets, batches.real()), embed(nets, draw(nets, batches))
        left, right = torch.stack([x, x, x2, x2, x, y]), torch.stack([y, y2, y, y2, x2, y2])
        costs: Tensor = sinkhorn(left, right, p=self.power, epsilon=self.epsilon, tol=self.tol)
        return costs @ costs.new_tensor([1, 1, 1, 1, -2, -2])
