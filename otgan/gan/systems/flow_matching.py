"""Flow matching with couplings of mini-batches by optimal transport: Tong et al. 2024, after Lipman et al. 2023."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from otgan.gan.couplings import couple
from otgan.gan.datasets.batches import Batches
from otgan.gan.errors import OptionError
from otgan.gan.features.autoencoder import Autoencoder, CodeGenerator
from otgan.gan.features.samples import Samples
from otgan.gan.networks import Activation, Flow, Integrator, Kind, Prior, Space, code_velocity, velocity
from otgan.gan.systems.base import Networks, Optimizers, Terms, adam, descend
from otgan.gan.systems.coded import Coded
from otgan.gan.systems.fields import Count, Positive, Rate, Share, Updates

__all__ = ["Coupled", "FlowMatching"]


class Coupled(StrEnum):
    """How noise and data of a batch are paired."""

    EXACT = "exact"
    SINKHORN = "sinkhorn"
    INDEPENDENT = "independent"


@dataclass(frozen=True, kw_only=True)
class FlowMatching(Coded):
    """v descends E ‖v(xₜ, t) − (x₁ − x₀)‖², xₜ = (1 − t) x₀ + t x₁ + σ ξ, t uniform; samples are where dx/dt = v(x, t) leads.

    x₁ is data, x₀ and ξ are N(0, I), and the pairs (x₀, x₁) of a batch are drawn from its optimal transport plan with the
    cost ‖x₀ − x₁‖². Paths then hardly cross, and are nearly straight: few steps are enough to follow them.

    Logged are ``loss`` and, for the pairs of a batch, ``transport_cost``, E ‖x₀ − x₁‖². An evaluation during the training
    has ``straightness``, see :meth:`otgan.gan.networks.flows.Flow.straightness`.

    Parameters
    ----------
    coupling : {"exact", "sinkhorn", "independent"}
        The plan: the optimal one, a permutation; the entropic one; or none, as in Lipman et al.
    epsilon : float
        Of "sinkhorn", over twice the number of coordinates, which is about the mean cost of independent pairs.
    sigma : float
        σ, the width of the paths.
    integrator : {"euler", "midpoint", "rk4"}
        How a step from noise to samples is made.
    n_steps : int
        How many there are.
    lr, beta1, beta2 : float
        Adam's.
    """

    name: ClassVar[str] = "flow-matching"
    estimate: ClassVar[str | None] = None
    steps: ClassVar[Mapping[str, int]] = {"points": 3000, "small": 3500, "images": 10000, "paper": 400_000}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "points": {},
        # On digits this ends nearer to the data than 256 units do, and than rates of 1e-3 and 6e-3.
        "small": {"width": 512, "lr": 3e-3, "decay": 5000},
        "images": {
            "features": "autoencoder:32",
            "n_features": 600,
            "batch": 256,
            "width": 16,
            "ema": 0.998,
            # In codes of MNIST nearer to the data after equal times than 512 units, of whose rates 1e-3, 3e-3, 6e-3 the second was best.
            "code_width": 256,
            "lr": 4e-3,
        },
        "images without codes": {"batch": 64, "width": 32},
        # Of rates of 1e-3 and 3e-3 the second is nearer to the data at all times, on CIFAR-10.
        "color images": {"batch": 64, "width": 32, "lr": 3e-3, "decay": 5000},
        # Theirs has two blocks at each resolution, and attention.
        "paper": {
            "network": "deep-resnet",
            "width": 128,
            "batch": 128,
            "lr": 2e-4,
            "ema": 0.9999,
            "decay": 0,
        },
    }
    latent: ClassVar[int] = 0  # type: ignore[misc]  # as many as a sample, or a code, has numbers
    prior: ClassVar[Prior] = Prior.NORMAL  # type: ignore[misc]  # what the velocity is learnt from: no option

    batch: Count = 256
    width: Count = 256
    depth: Count = 4
    activation: Activation = Activation.SILU
    coupling: Coupled = Coupled.EXACT
    epsilon: Positive = 0.05
    sigma: Rate = 0.0
    integrator: Integrator = Integrator.MIDPOINT
    n_steps: Count = 20
    lr: Rate = 1e-3
    beta1: Share = 0.9
    beta2: Share = 0.999
    decay: Updates = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.maps) > 1 or not isinstance(self.maps[0], (Samples, Autoencoder)):
            raise OptionError(
                f"features says where {self.name} lives: samples, or the codes of autoencoder:32 or wae:32, got {self.features}"
            )

    def noise_size(self, space: Space) -> int:
        """Return the numbers of a sample, or of a code."""
        return space.dim if self.autoencoder is None else self.autoencoder.size

    def make_generator(self, space: Space, latent: int | None = None) -> nn.Module:
        """Make the flow of samples, or where there are codes the decoder."""
        if latent is not None:
            return super().make_generator(space, latent)
        made = velocity(space, self.network, width=self.width, depth=self.depth, activation=self.activation)
        return self._flow(made, space.shape, pixels=space.kind is not Kind.POINTS)

    def make_codes(self, size: int, classes: int = 0) -> nn.Module:
        """Make the flow of codes."""
        made = code_velocity(size, width=self.code_width, depth=self.code_depth, classes=classes)
        return self._flow(made, (size,))

    def _flow(self, made: nn.Module, shape: tuple[int, ...], *, pixels: bool = False) -> Flow:
        return Flow(made, shape, integrator=self.integrator, n_steps=self.n_steps, pixels=pixels)

    def flow(self, nets: Networks) -> Flow:
        """Return the flow of the generator, of samples or of codes."""
        generator = nets["generator"]
        found = generator.codes if isinstance(generator, CodeGenerator) else generator
        if not isinstance(found, Flow):
            raise OptionError(
                f"the generator of {self.name} is a Flow: wrap a velocity of your own in otgan.gan.networks.Flow"
            )
        return found

    def optimizers(self, nets: Networks) -> dict[str, Optimizer]:
        """Adam."""
        moved = adam(self.flow(nets).velocity, self.lr, (self.beta1, self.beta2))
        return {**super().optimizers(nets), "velocity": moved}

    def learn(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """Draw pairs, places between them and times; one descent of the error of the velocity there."""
        flow = self.flow(nets)
        x0, x1, label = self.pairs(nets, batches)
        t = batches.uniform(len(x1))
        at = t.reshape(-1, *[1] * (x1.ndim - 1))
        place = torch.lerp(x0, x1, at)
        if self.sigma:
            place = place + self.sigma * batches.normal(*x1.shape)
        loss = (flow.at(place, t, label) - (x1 - x0)).square().flatten(1).mean()
        descend(optimizers["velocity"], loss)
        return {"loss": loss.detach(), "transport_cost": (x1 - x0).square().flatten(1).sum(1).mean()}

    @torch.no_grad()
    def pairs(self, nets: Networks, batches: Batches) -> tuple[Tensor, Tensor, Tensor | None]:
        """Draw noise and data, coupled within each class where there are labels, and these."""
        x1 = self.data(nets, batches)
        x0, label = batches.normal(*x1.shape), batches.label
        if self.coupling is Coupled.INDEPENDENT:
            return x0, x1, label
        exact = self.coupling is Coupled.EXACT
        epsilon = None if exact else 2 * self.epsilon * x1[0].numel()
        start, end = x0, x1
        if label is not None:
            # Noise has no class until it is given those of the batch. The path to each class begins with N(0, I) then, as it
            # does at sampling: a plan that did not see the classes would begin that to a class with the noise nearest to it.
            start, end = (self.labelled(x.flatten(1), batches, label) for x in (x0, x1))
        i, j = couple(start, end, epsilon, replace=not exact, rng=batches.rng)
        return x0[i], x1[j], None if label is None else label[j]

    def data(self, nets: Networks, batches: Batches) -> Tensor:
        """Return where the flow is to end for the next mini-batch of data."""
        first = self.autoencoder
        if first is None:
            return self.flow(nets).place(batches.real())
        return batches.all_rows("codes", nets[first.network_name])[batches.indices()]

    @torch.no_grad()
    def assess(self, nets: Networks, batches: Batches) -> dict[str, float]:
        """Return the straightness of the paths, once they are learnt."""
        if self.prelude and self.steps_done(nets) < self.prelude:
            return {}
        straightness = self.flow(nets).straightness(batches.noise(), label=batches.label)
        return {"straightness": float(straightness)}
