"""Generators trained on the Sinkhorn divergence: Genevay, Peyré & Cuturi 2018; and OT-GAN, Salimans et al. 2018."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim import Optimizer

from otgan.distances import sinkhorn, sinkhorn_divergence
from otgan.gan.datasets.batches import Batches
from otgan.gan.networks import Activation, Prior
from otgan.gan.systems.base import Networks, Optimizers, Terms, adam, descend
from otgan.gan.systems.fields import Count, Positive, Rate, Share
from otgan.gan.systems.presets import AGAINST, AT_SIZE, IN_CODES, ON_POINTS, WITH_SLOPE
from otgan.gan.systems.transports import Transports

__all__ = ["Form", "Sinkhorn"]


class Form(StrEnum):
    """The forms of the divergence."""

    DEBIASED = "debiased"
    BIASED = "biased"
    TWO_BATCH = "two-batch"


_AGAINST: Mapping[str, Any] = {
    **AGAINST,
    "prior": "normal",
    "activation": "relu",
    # With much less, features gain most by spreading one batch away from the next of the same images.
    "epsilon": 1.0,
    "lr_features": 2e-4,
}
"""Of features that learn against the generator."""


@dataclass(frozen=True, kw_only=True)
class Sinkhorn(Transports):
    """G descends S_ε(x, G z) = OT_ε(x, G z) − ½ OT_ε(x, x) − ½ OT_ε(G z, G z), by envelope gradients, never unrolled.

    So it does by the defaults here, those of Genevay et al. on MNIST. For data of each kind others are chosen, `presets`,
    with the form of two batches but for images between features other than codes and "lipschitz".

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
    n_critic : int
        Ascents of features that learn against the generator, where there are any, for each of its updates.
    lr, lr_features, beta1, beta2 : float
        Adam's.
    tol : float
        L1 error of the marginals at which the solver stops.
    """

    name: ClassVar[str] = "sinkhorn"
    estimate: ClassVar[str | None] = "divergence"
    steps: ClassVar[Mapping[str, int]] = {"points": 5000, "small": 3000, "images": 5000, "paper": 50_000}
    # The other forms, between batches of so many samples, are least at a law that is narrower than the data.
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "points": {
            **ON_POINTS,
            "prior": "normal",
            "activation": "relu",
            "depth": 3,
            # Finer than the modes are apart from what lies between them.
            "epsilon": 0.02,
            "form": "two-batch",
        },
        "small": {
            "latent": 32,
            "prior": "normal",
            "activation": "relu",
            "batch": 256,
            "epsilon": 0.5,
            "form": "two-batch",
        },
        "images": {
            **IN_CODES,
            "prior": "normal",
            "activation": "relu",
            "epsilon": 0.03,
            "form": "two-batch",
        },
        "images without codes": _AGAINST,
        "color images": {
            **WITH_SLOPE,
            "prior": "normal",
            "activation": "relu",
            # Features gain by spreading one batch away from the next of the same images unless the form is without bias.
            "form": "two-batch",
            "epsilon": 0.5,
            "n_critic": 2,
            "lr_features": 1e-3,
        },
        "paper": {
            **_AGAINST,
            **AT_SIZE,
            "form": "two-batch",
            "epsilon": 0.01,
            "lr_features": 1e-4,
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
    n_critic: Count = 1
    lr: Rate = 1e-3
    lr_features: Rate = 1e-4
    beta1: Share = 0.5
    beta2: Share = 0.9
    tol: Positive = 1e-3

    def optimizers(self, nets: Networks) -> dict[str, Optimizer]:
        """Adam for each."""
        betas = (self.beta1, self.beta2)
        rates = {"generator": self.lr, "features": self.lr_features}
        found = {name: adam(nets[name], rate, betas) for name, rate in rates.items() if name in nets}
        return {**super().optimizers(nets), **found}

    def learn(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """One descent of the divergence in G, after n_critic ascents in features that learn against it, where there are any."""
        if self.adversarial and not self.in_codes(nets):
            for _ in range(self.n_critic):
                lacking = -self.divergence(nets, batches, apart=True)
                descend(optimizers["features"], lacking + self.steepness(nets, batches))
        divergence = self.divergence(nets, batches)
        descend(optimizers["generator"], divergence)
        return {"divergence": divergence.detach()}

    def divergence(self, nets: Networks, batches: Batches, *, apart: bool = False) -> Tensor:
        """The divergence between fresh batches, differentiable in the features, and unless it is `apart` in the generator."""
        x, y = self.real(nets, batches), self.generated(nets, batches, apart=apart)
        if self.form is Form.BIASED:
            return sinkhorn(x, y, p=self.power, epsilon=self.epsilon, tol=self.tol)
        if self.form is Form.DEBIASED:
            return sinkhorn_divergence(x, y, p=self.power, epsilon=self.epsilon, tol=self.tol)
        x2, y2 = self.real(nets, batches, more=True), self.generated(nets, batches, apart=apart)
        left, right = torch.stack([x, x, x2, x2, x, y]), torch.stack([y, y2, y, y2, x2, y2])
        costs: Tensor = sinkhorn(left, right, p=self.power, epsilon=self.epsilon, tol=self.tol)
        signs = costs.new_tensor([1, 1, 1, 1, -2, -2])
        return (costs * signs).sum()  # not their product, which mixed precision would round
