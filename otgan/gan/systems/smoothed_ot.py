"""The smoothed Wasserstein GAN of Sanjabi, Ba, Razaviyayn & Lee 2018: a generator that descends regularized transport.

The trainer is derived from the paper's stated theorems (the gradient of the smoothed value is that of the transport
cost under the optimal plan; an approximate plan is enough); the hyperparameters are ours. The duals by networks follow
Seguy et al. 2018.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from otgan.gan.datasets.batches import Batches
from otgan.gan.errors import OptionError
from otgan.gan.losses.ground_cost import ground_cost
from otgan.gan.losses.potentials import FUNCTIONS, Duals, Potentials
from otgan.gan.losses.regularizer import Regularizer, round_density
from otgan.gan.losses.regularizers import REGULARIZERS
from otgan.gan.losses.semidiscrete import SemiDual
from otgan.gan.networks import Kind, Space, given
from otgan.gan.parallel.division import agreed
from otgan.gan.systems.base import Networks, Optimizers, Terms, adam, descend, fake, generate
from otgan.gan.systems.fields import Choice, Count, Positive, Rate, Share
from otgan.gan.systems.presets import AGAINST, AT_SIZE, IN_CODES, ON_POINTS, WITH_SLOPE
from otgan.gan.systems.transports import Transports

__all__ = ["SmoothedOT"]

_Three = tuple[Tensor, Tensor, Tensor]

_AGAINST: Mapping[str, Any] = {**AGAINST, "strength": 0.1, "n_dual": 1, "lr_dual": 2e-4}
"""Of features that learn against the generator. Of strengths of 1, .3 and .1 that was the best after 600 steps."""


@dataclass(frozen=True, kw_only=True)
class SmoothedOT(Transports):
    """G descends h_λ = min over plans π of ⟨π, c(x, G z)⟩ + λ I(π), whose gradient is Σ π*_ij ∇c(x_i, G z_j) (Danskin).

    Per step: the potentials φ, ψ are brought near their optimum on fresh batches; on one more batch the plan π̃ follows
    from them, after a half-step in ψ that makes its marginal on the generated side exact; G descends ⟨π̃, c⟩, the
    plan, and so the potentials, being constants to it. Logged are ``smoothed``, the dual value at the plan's
    potentials, a lower bound of this batch's h_λ; ``gap``, an upper bound of what it lacks (with a table at evaluations
    alone); ``transport_cost``, ⟨π̃, c⟩; ``self_term``, h_λ(G z, G z′).

    Parameters
    ----------
    regularizer : {"kl", "l2"}
        I = KL(π | p⊗q), or E ρ² with ρ the density of π.
    strength : float
        λ, in units of the cost.
    power : float
        c = ‖x − y‖₂^power.
    duals : {"nets", "sinkhorn", "semidual", "table"}
        Where the potentials come from: two networks, trained by `n_dual` ascents; a solver, which is exact on
        each batch; one network for φ, ψ being its best reply on each batch; or a table with a number for every data
        point, warm from step to step, against which each batch is transported to all the data and not to a batch.
    n_dual : int
        Ascent steps of the networks for each update of the generator.
    enough : float, optional
        Stop the ascent before `n_dual` where the gap on the batch is at most this; that of a batch to all the data of a table is
        large even at the optimum, see :meth:`otgan.gan.losses.semidiscrete.SemiDual.gap`.
    half_step : bool
        Whether the marginal on the generated side is made exact before G descends.
    self_terms : bool
        G descends h_λ(x, G z) − ½ h_λ(G z, G z′), the second by the solver: without it a generator of many dimensions
        shrinks, as what lies between samples is near to more of a batch of them. Features that learn ascend the same less
        ½ h_λ(x, x′), a generalized energy distance between batches.
    attached : bool
        A baseline, not the algorithm: G descends the dual value through ψ(G z) as well, as if the potentials were a
        critic. The additional term vanishes only where ψ's marginal is exact.
    lr, lr_dual, beta1, beta2 : float
        Adam's, of the generator and of the potentials.
    lr_table : float
        The share of a half-step that an ascent of a table takes by a batch.
    tol : float
        L1 error of the marginals at which the solver stops.
    """

    name: ClassVar[str] = "smoothed-ot"
    estimate: ClassVar[str | None] = "smoothed"
    steps: ClassVar[Mapping[str, int]] = {"points": 3000, "small": 3000, "images": 5000, "paper": 50_000}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "points": {**ON_POINTS, "strength": 0.02, "self_terms": True},
        "small": {"latent": 32, "width": 256, "batch": 256, "strength": 0.5, "self_terms": True},
        "images": {**IN_CODES, "strength": 0.03, "self_terms": True},
        "images without codes": _AGAINST,
        "color images": {**WITH_SLOPE, "strength": 0.5, "self_terms": True, "n_dual": 2, "penalty": 2.5},
        "paper": {**_AGAINST, **AT_SIZE, "self_terms": True, "lr_dual": 1e-4},
    }

    by_nets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "points": {
            "width": 128,
            "strength": 0.2,
            "self_terms": False,
            "lr": 3e-4,
            "decay": 0,
            "lr_dual": 2e-3,
        },
        "small": {"self_terms": False},
        "images": {"features": "adversarial:64"},
    }
    """What else is different where networks hold the potentials: they must keep up with the generator."""

    regularizer: Annotated[str, Choice(REGULARIZERS)] = "kl"
    strength: float = 0.05
    power: Positive = 2.0
    duals: Duals = Duals.SINKHORN
    n_dual: Count = 5
    enough: Rate | None = None
    half_step: bool = True
    self_terms: bool = False
    attached: bool = False
    lr: Rate = 1e-3
    lr_dual: Rate = 1e-3
    lr_table: Share = 0.1
    beta1: Share = 0.5
    beta2: Share = 0.9
    tol: Positive = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.attached and self.duals is not Duals.NETS:
            raise OptionError("attached is a baseline for duals=nets")
        if self.duals in FUNCTIONS and self.autoencoder is not None:
            raise OptionError(
                f"duals={self.duals} are functions of samples, not of codes: take features=adversarial:64 or samples with them, or "
                f"duals=sinkhorn with {self.features}"
            )
        if self.duals is Duals.TABLE and (self.adversarial or (self.n_codes and len(self.maps) > 1)):
            raise OptionError(f"duals=table takes features that stay as they are, got {self.features}")
        if self.self_terms and self.duals is Duals.TABLE:
            raise OptionError("self_terms are between batches, and duals=table is of all the data")
        self.smoothing()  # its strength is checked there

    @classmethod
    def for_data(cls, kind: str, options: Mapping[str, Any] | None = None) -> Self:
        """Make the system with the library's defaults for a kind of data and of duals, and options of one's own."""
        given = dict(options or {})
        duals = given.get("duals", cls.duals)
        if isinstance(duals, str) and duals in FUNCTIONS:
            given = {**cls.by_nets.get(Kind.wider(kind), {}), **given}
        plain = super().for_data(kind, {"self_terms": False, **given})
        return plain if plain.duals is Duals.TABLE else super().for_data(kind, given)

    def smoothing(self) -> Regularizer:
        """Return the regularizer with its strength."""
        return REGULARIZERS[self.regularizer](self.strength)

    def networks(self, space: Space) -> dict[str, nn.Module]:
        """Make the generator, φ, ψ or their table, and the networks of the features, where they are wanted."""
        nets = super().networks(space)
        if self.duals in FUNCTIONS:
            nets["phi"] = self.make_critic(space)
        if self.duals is Duals.NETS:
            nets["psi"] = self.make_critic(space)
        if self.duals is Duals.TABLE:
            nets["table"] = Potentials()
        return nets

    def optimizers(self, nets: Networks) -> dict[str, Optimizer]:
        """Adam for the generator, and for all that ascends."""
        betas = (self.beta1, self.beta2)
        optimizers = {**super().optimizers(nets), "generator": adam(nets["generator"], self.lr, betas)}
        if rivals := [nets[name] for name in ("phi", "psi", "features") if name in nets]:
            optimizers["rivals"] = adam(rivals, self.lr_dual, betas)
        return optimizers

    def learn(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """n_dual ascents in φ, ψ and features that learn against G, then one descent of ⟨π̃, c⟩ in G."""
        if self.duals is Duals.TABLE:
            return self.descend_to_data(nets, optimizers, batches)
        smoothing = self.smoothing()
        if "rivals" in optimizers and not self.in_codes(nets):
            for _ in range(self.n_dual):
                pairs = self.several(nets, batches, apart=True, twice=self.self_terms and self.adversarial)
                duals = [(*self.potentials(given(nets, batches.label), *pair), pair[-1]) for pair in pairs]
                dual = torch.stack([smoothing.dual(*each) for each in duals]).mean()
                lacking = self.steepness(nets, batches) - dual
                if len(pairs) > 1:  # self terms of features that do not learn stay as they are
                    sides = zip(pairs[0][:2], pairs[1][:2], strict=True)
                    lacking = lacking + sum(self.self_term(nets, batches, *side)[0] for side in sides) / 2
                descend(optimizers["rivals"], lacking)
                if self.enough is not None and agreed(smoothing.gap(*duals[0]) <= self.enough):
                    break

        pairs = self.several(nets, batches, twice=self.self_terms)
        here = given(nets, batches.label)
        losses, values = zip(*(self.loss(here, *pair) for pair in pairs), strict=True)
        loss = torch.stack(losses).mean()
        terms = {name: torch.stack([each[name] for each in values]).mean() for name in values[0]}
        if self.self_terms:
            repelled, terms["self_term"] = self.self_term(nets, batches, *(y for _, y, _ in pairs[:2]))
            loss = loss - repelled / 2
        descend(optimizers["generator"], loss)
        return terms

    def self_term(self, nets: Networks, batches: Batches, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return what has the gradient of h_λ between two batches of one side, and its value.

        Of one batch to itself every sample would meet itself, and be no further from the others than it likes.
        """
        if self.duals in FUNCTIONS:
            y, z = (self.placed(nets, each, batches) for each in (y, z))
        return self.smoothing().transport(y, z, self.power, self.tol)

    def loss(self, nets: Networks, x: Tensor, y: Tensor, cost: Tensor) -> tuple[Tensor, Terms]:
        """Return what G descends between data and samples, and the terms that say how it stands."""
        with torch.no_grad():
            plan, smoothed, gap = self.approximate(nets, x, y, cost)
        transport_cost = (plan * cost).mean()
        terms = {"smoothed": smoothed, "gap": gap, "transport_cost": transport_cost.detach()}
        if not self.attached:
            return transport_cost, terms
        phi, psi = self.potentials(nets, x, y, cost)
        return self.smoothing().dual(phi.detach(), psi, cost), terms

    def descend_to_data(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """n_dual ascents of the table, each by a batch of the generator against all data; G descends by their average."""
        table, transport = self.table(nets, batches)
        draw = partial(self.fresh, nets, batches, apart=True)
        table.follow(transport, draw, ascents=self.n_dual, share=self.lr_table, enough=self.enough)
        y = self.fresh(nets, batches)
        reply = transport.reply(y, table.average)
        descend(optimizers["generator"], (reply.pull * y).sum())
        return {"smoothed": reply.value, "transport_cost": reply.cost}

    @torch.no_grad()
    def assess(self, nets: Networks, batches: Batches) -> dict[str, float]:
        """Return the gap on a fresh batch, and what it says of the generator's gradient.

        Returns
        -------
        dict
            ``gap``, an upper bound of h_λ minus the dual; ``gradient_error_bound``, of ‖π* − π̃‖₁: times the largest
            gradient of a cost in the parameters it bounds the error of that of ⟨π̃, c⟩. With a table the gap is that of
            a batch to all data, which bounds that of the generator's law in expectation. Nothing before there is transport.
        """
        if self.prelude and self.steps_done(nets) < self.prelude:
            return {}
        smoothing = self.smoothing()
        if self.duals is Duals.TABLE:
            table, transport = self.table(nets, batches)
            gap, mass = transport.gap(self.generated(nets, batches), table.average).gap, 1.0
        else:
            drawn = self.drawn(nets, batches)
            plan, _, gap = self.approximate(given(nets, batches.label), *drawn)
            mass = float(plan.mean())
        found = float(gap.clamp_min(0))
        return {"gap": found, "gradient_error_bound": smoothing.plan_error(found, mass)}

    def table(self, nets: Networks, batches: Batches) -> tuple[Potentials, SemiDual]:
        """Return the potentials of the data, and the transport to them."""
        table = cast(Potentials, nets["table"])
        data = self.labelled(self.data_rows(nets, batches), batches, batches.labels)
        table.fit(len(data))
        return table, SemiDual(self.smoothing(), data, self.power)

    def drawn(self, nets: Networks, batches: Batches, *, apart: bool = False, more: bool = False) -> _Three:
        """Draw data x and samples y, and their costs; where no network asks for them, rows in their place."""
        if self.duals not in FUNCTIONS:
            x, y = self.real(nets, batches, more=more), self.generated(nets, batches, apart=apart)
            return x, y, ground_cost(x, y, self.power)
        x = batches.points[batches.more() if more else batches.indices()]
        y = (fake if apart else generate)(nets, batches)
        return x, y, ground_cost(self.placed(nets, x, batches), self.placed(nets, y, batches), self.power)

    def several(self, nets: Networks, batches: Batches, *, apart: bool = False, twice: bool) -> list[_Three]:
        """Draw once or twice. Where features learn each batch meets both of the other side: less of what they ascend is noise."""
        pairs = [self.drawn(nets, batches, apart=apart, more=k > 0) for k in range(1 + twice)]
        if twice and self.adversarial and self.duals not in FUNCTIONS:
            (x, y, _), (x2, y2, _) = pairs
            pairs += [(a, b, ground_cost(a, b, self.power)) for a, b in ((x, y2), (x2, y))]
        return pairs

    def potentials(self, nets: Networks, x: Tensor, y: Tensor, cost: Tensor) -> tuple[Tensor, Tensor]:
        """φ at x and ψ at y, as :meth:`drawn` returns them."""
        if self.duals not in FUNCTIONS:
            with torch.no_grad():
                return self.smoothing().solve(x, y, self.power, self.tol)
        phi = nets["phi"](x).float().flatten()
        if self.duals is Duals.SEMIDUAL:
            return phi, self.smoothing().half_step(phi, cost)
        return phi, nets["psi"](y).float().flatten()

    def approximate(self, nets: Networks, x: Tensor, y: Tensor, cost: Tensor) -> _Three:
        """Return the plan's density, its dual value, and what that lacks at most."""
        smoothing = self.smoothing()
        phi, psi = self.potentials(nets, x, y, cost)
        if self.half_step:
            psi = smoothing.half_step(phi, cost)
        plan = smoothing.density(phi, psi, cost)
        smoothed = smoothing.value(phi, psi, plan)
        return plan, smoothed, smoothing.primal(round_density(plan), cost) - smoothed
