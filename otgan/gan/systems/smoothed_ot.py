"""The smoothed Wasserstein GAN of Sanjabi, Ba, Razaviyayn & Lee 2018: a generator that descends regularized transport.

The trainer is derived from the paper's stated theorems (the gradient of the smoothed value is that of the transport
cost under the optimal plan; an approximate plan is enough); the hyperparameters are ours. The duals by networks follow
Seguy et al. 2018.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from otgan.gan.datasets.batches import Batches
from otgan.gan.errors import OptionError
from otgan.gan.losses.ground_cost import ground_cost
from otgan.gan.losses.regularizer import Regularizer, round_density
from otgan.gan.losses.regularizers import REGULARIZERS
from otgan.gan.networks import Kind, Space
from otgan.gan.systems.base import Networks, Optimizers, System, Terms, adam, descend, fake, generate
from otgan.gan.systems.features import embed
from otgan.gan.systems.fields import Choice, Count, CountOrNone, Positive, Rate, Share

__all__ = ["Duals", "SmoothedOT"]


class Duals(StrEnum):
    """Where the potentials come from."""

    NETS = "nets"
    SINKHORN = "sinkhorn"
    SEMIDUAL = "semidual"


@dataclass(frozen=True, kw_only=True)
class SmoothedOT(System):
    """G descends h_λ = min over plans π of ⟨π, c(x, G z)⟩ + λ I(π), whose gradient is Σ π*_ij ∇c(x_i, G z_j) (Danskin).

    Per step: the potentials φ, ψ are brought near their optimum on fresh batches; on one more batch the plan π̃ follows
    from them, after a half-step in ψ that makes its marginal on the generated side exact; G descends ⟨π̃, c⟩, the
    plan, and so the potentials, being constants to it. Logged are ``smoothed``, the dual value at the plan's
    potentials, a lower bound of this batch's h_λ; ``gap``, an upper bound of what it lacks; ``transport_cost``, ⟨π̃, c⟩.

    Parameters
    ----------
    regularizer : {"kl", "l2"}
        I = KL(π | p⊗q), or E ρ² with ρ the density of π.
    strength : float
        λ, in units of the cost.
    power : float
        c = ‖x − y‖₂^power.
    duals : {"nets", "sinkhorn", "semidual"}
        Where the potentials come from: two networks, trained by `n_dual` ascents; a solver, which is exact on
        each batch; or one network for φ, ψ being its best reply on each batch.
    n_dual : int
        Ascent steps of the networks for each update of the generator.
    enough : float, optional
        Stop the ascent before `n_dual` where the gap on the batch is at most this.
    half_step : bool
        Whether the marginal on the generated side is made exact before G descends.
    attached : bool
        A baseline, not the algorithm: G descends the dual value through ψ(G z) as well, as if the potentials were a
        critic. The additional term vanishes only where ψ's marginal is exact.
    features : int
        With a positive number, the cost is taken between features h(x) of that dimension on the unit sphere, where it
        is bounded, 2 (1 − cosine) for power 2; h ascends what G descends.
    lr, lr_dual, beta1, beta2 : float
        Adam's, of the generator and of the potentials.
    tol : float
        L1 error of the marginals at which the solver stops.
    """

    name: ClassVar[str] = "smoothed-ot"
    estimate: ClassVar[str | None] = "smoothed"
    steps: ClassVar[Mapping[str, int]] = {"points": 3000, "small": 3000, "images": 6000}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "points": {"latent": 2, "width": 256, "batch": 256, "power": 1.0, "lr": 2e-3},
        "small": {"latent": 32, "width": 256, "batch": 256, "strength": 0.5},
        "images": {
            "latent": 64,
            "width": 16,
            "batch": 100,
            # Of 1, .3 and .1 the best after 600 steps.
            "strength": 0.1,
            "features": 64,
            "n_dual": 1,
            "lr": 5e-4,
            "lr_dual": 2e-4,
        },
    }

    by_nets: ClassVar[Mapping[str, Any]] = {"width": 128, "strength": 0.2, "lr": 3e-4, "lr_dual": 2e-3}
    """What else is different on points where networks hold the potentials: they must keep up with the generator."""

    regularizer: Annotated[str, Choice(REGULARIZERS)] = "kl"
    strength: float = 0.05
    power: Positive = 2.0
    duals: Duals = Duals.SINKHORN
    n_dual: Count = 5
    enough: Rate | None = None
    half_step: bool = True
    attached: bool = False
    features: CountOrNone = 0
    lr: Rate = 1e-3
    lr_dual: Rate = 1e-3
    beta1: Share = 0.5
    beta2: Share = 0.9
    tol: Positive = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.attached and self.duals is not Duals.NETS:
            raise OptionError("attached is a baseline for duals=nets")
        self.smoothing()  # its strength is checked there

    @classmethod
    def for_data(cls, kind: str, options: Mapping[str, Any] | None = None) -> Self:
        """Make the system with the library's defaults for a kind of data and of duals, and options of one's own."""
        given = dict(options or {})
        duals = given.get("duals", cls.duals)
        if kind == Kind.POINTS and isinstance(duals, str) and duals != Duals.SINKHORN:
            given = {**cls.by_nets, **given}
        return super().for_data(kind, given)

    def smoothing(self) -> Regularizer:
        """Return the regularizer with its strength."""
        return REGULARIZERS[self.regularizer](self.strength)

    def networks(self, space: Space) -> dict[str, nn.Module]:
        """Make the generator, and φ, ψ and h where they are wanted."""
        nets = {"generator": self.make_generator(space)}
        if self.duals is not Duals.SINKHORN:
            nets["phi"] = self.make_critic(space)
        if self.duals is Duals.NETS:
            nets["psi"] = self.make_critic(space)
        if self.features:
            nets["features"] = self.make_critic(space, outputs=self.features)
        return nets

    def optimizers(self, nets: Networks) -> dict[str, Optimizer]:
        """Adam for the generator, and for all that ascends."""
        betas = (self.beta1, self.beta2)
        optimizers: dict[str, Optimizer] = {"generator": adam(nets["generator"], self.lr, betas)}
        if rivals := [net for name, net in nets.items() if name != "generator"]:
            optimizers["rivals"] = adam(rivals, self.lr_dual, betas)
        return optimizers

    def step(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """n_dual ascents of the dual in φ, ψ (and h), then one descent of ⟨π̃, c⟩ in G."""
        smoothing = self.smoothing()
        if "rivals" in optimizers:
            for _ in range(self.n_dual):
                x, y = batches.real(), fake(nets, batches)
                cost = self.cost(nets, x, y)
                phi, psi = self.potentials(nets, x, y, cost)
                descend(optimizers["rivals"], -smoothing.dual(phi, psi, cost))
                if self.enough is not None and smoothing.gap(phi, psi, cost) <= self.enough:
                    break

        x, y = batches.real(), generate(nets, batches)
        cost = self.cost(nets, x, y)
        if self.attached:
            phi, psi = self.potentials(nets, x, y, cost)
            loss = smoothing.dual(phi.detach(), psi, cost)
        with torch.no_grad():
            phi, psi = self.potentials(nets, x, y, cost)
            if self.half_step:
                psi = smoothing.half_step(phi, cost)
            plan = smoothing.density(phi, psi, cost)
            smoothed = smoothing.value(phi, psi, plan)
            gap = smoothing.primal(round_density(plan), cost) - smoothed
        transport_cost = (plan * cost).mean()
        descend(optimizers["generator"], loss if self.attached else transport_cost)
        return {"smoothed": smoothed, "gap": gap, "transport_cost": transport_cost.detach()}

    def cost(self, nets: Networks, x: Tensor, y: Tensor) -> Tensor:
        """Costs between samples, or between their features."""
        return ground_cost(embed(nets, x), embed(nets, y), self.power)

    def potentials(self, nets: Networks, x: Tensor, y: Tensor, cost: Tensor) -> tuple[Tensor, Tensor]:
        """φ at x and ψ at y."""
        if self.duals is Duals.SINKHORN:
            with torch.no_grad():
                return self.smoothing().solve(embed(nets, x), embed(nets, y), self.power, self.tol)
        phi = nets["phi"](x).float().flatten()
        if self.duals is Duals.SEMIDUAL:
            return phi, self.smoothing().half_step(phi, cost)
        return phi, nets["psi"](y).float().flatten()
