"""Wasserstein autoencoders, which are the penalized optimal transport (POT) of the VEGAN cookbook.

Sources: Bousquet et al. 2017 for the objective, Tolstikhin et al. 2018 for the algorithms. The cost W_c(P_X, P_G) is the least E c(x, G(z)), z ~ Q(z|x), over encoders whose codes have the prior's law, Q_Z = P_Z
(Theorem 1); the constraint is relaxed to a penalty.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from otgan.gan.datasets.batches import Batches
from otgan.gan.losses.mmd import mmd, mmd_by_class
from otgan.gan.networks import Kind, given
from otgan.gan.systems.autoencoder import Autoencoder, LatentAdversary
from otgan.gan.systems.base import Networks, Optimizers, Terms, descend
from otgan.gan.systems.fields import Positive

__all__ = ["WAEGAN", "WAEMMD", "PenalizedOT"]

_SQUARED = 2
"""The power at which the cost needs no root."""


@dataclass(frozen=True, kw_only=True)
class PenalizedOT(Autoencoder):
    """min over G and Q of E c(x, G(z̃)) + λ D(Q_Z, P_Z), z̃ ~ Q(z|x), Q_Z the law of the codes.

    Logged are ``cost``, E c(x, G(z̃)), and ``latent_penalty``, D without λ. At finite λ the least value lies below
    W_c(P_X, P_G). The defaults are those of the paper on MNIST, whose code scales the squared cost by .05: there λ
    is 200 in the units of this one.

    Parameters
    ----------
    penalty : float
        The weight λ.
    power : float
        c = ‖x − y‖₂^power, summed over coordinates, never halved.
    """

    penalty: Positive = 10.0
    power: Positive = 2.0

    def cost(self, x: Tensor, y: Tensor) -> Tensor:
        """E c(x, y) over the pairs of a mini-batch."""
        difference = (x - y.to(x.dtype)).flatten(1)
        if self.power == _SQUARED:
            return difference.square().sum(1).mean()
        return (torch.linalg.vector_norm(difference, dim=1) ** self.power).mean()

    def objective(
        self, nets: Networks, x: Tensor, noise: Tensor, z: Tensor, label: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Cost and penalty of a mini-batch, z being drawn from the prior; differentiable in encoder and generator."""
        nets = given(nets, label)
        code = self.encode(nets, x, noise)
        return self.cost(x, nets["generator"](code)), self.discrepancy(nets, code, z, label)

    @abstractmethod
    def discrepancy(self, nets: Networks, code: Tensor, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return D(Q_Z, P_Z), as the encoder sees it, by a mini-batch of each, or that of each class where there are labels."""

    def step(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """One descent of cost + λ penalty in encoder and generator."""
        x, z = batches.real(), batches.noise()
        cost, penalty = self.objective(nets, x, self.encoder_noise(len(x), batches.rng), z, batches.label)
        descend(optimizers["autoencoder"], cost + self.penalty * penalty)
        return {"cost": cost.detach(), "latent_penalty": penalty.detach()}


@dataclass(frozen=True, kw_only=True)
class WAEGAN(LatentAdversary, PenalizedOT):
    """POT with a latent adversary, WAE-GAN: the encoder descends −λ E log D(z̃), D telling codes from the prior."""

    name: ClassVar[str] = "wae-gan"
    steps: ClassVar[Mapping[str, int]] = {"points": 3000, "small": 3000, "images": 3000}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "points": {"latent": 2, "width": 128, "batch": 256, "critic_width": 128, "critic_depth": 3},
        # Of few samples a deterministic encoder knows each: codes of others leave the prior.
        "small": {
            "width": 256,
            "batch": 256,
            "encoder": "gaussian",
            "critic_width": 128,
            "critic_depth": 3,
        },
        "images": {"batch": 64, "width": 32, "penalty": 200.0},
    }

    def discrepancy(self, nets: Networks, code: Tensor, z: Tensor, label: Tensor | None = None) -> Tensor:
        """−E log D(z̃), or log D(z̃, y) by `nets` that were given the labels."""
        del z, label
        return self.latent_penalty(nets, code)

    def step(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """n_critic ascents of E log D(z) + E log(1 − D(z̃)) in D, then one descent in encoder and generator."""
        critic_value = self.train_critic(nets, optimizers, batches)
        return {**super().step(nets, optimizers, batches), "critic_value": critic_value}


@dataclass(frozen=True, kw_only=True)
class WAEMMD(PenalizedOT):
    """POT with the maximum mean discrepancy between codes and prior, WAE-MMD: a U-statistic, which may be negative.

    By class it is the mean of those of the classes, each between the few rows of a batch that are of that class, and as much noisier: by
    default λ is less there.
    """

    name: ClassVar[str] = "wae-mmd"
    critic_width: ClassVar[int] = 0  # type: ignore[misc]  # of none: no option
    steps: ClassVar[Mapping[str, int]] = {"points": 3000, "small": 2500, "images": 3000}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "points": {"latent": 2, "width": 128, "batch": 256},
        # The U-statistic of a larger batch is worth its price.
        "small": {"width": 256, "depth": 2, "batch": 500, "encoder": "gaussian", "penalty": 100.0},
        "images": {"batch": 64, "width": 32, "penalty": 200.0},
    }
    by_class: ClassVar[Mapping[str, float]] = {"small": 3.0, "images": 20.0}
    """λ of samples by class. At that of samples of no class the noise of the penalty leaves codes nothing but the prior."""

    @classmethod
    def for_data(cls, kind: str, options: Mapping[str, Any] | None = None) -> Self:
        """Make the system with the library's defaults for a kind of data, by class or not, and options of one's own."""
        plain, known = super().for_data(kind, options), Kind.wider(kind)
        if not plain.conditional or known not in cls.by_class:
            return plain
        return super().for_data(kind, {"penalty": cls.by_class[known], **(options or {})})

    def discrepancy(self, nets: Networks, code: Tensor, z: Tensor, label: Tensor | None = None) -> Tensor:
        """MMD² under the inverse multiquadratic kernel, see :func:`otgan.gan.losses.mmd.mmd`."""
        scale = 2 * self.latent * self.prior_variance
        return mmd(code, z, scale) if label is None else mmd_by_class(code, z, label, scale)
