"""What the systems share that descend a cost of transport: where it is taken, and where the generator lives meanwhile."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from otgan.gan.datasets.batches import Batches
from otgan.gan.errors import OptionError
from otgan.gan.features import FeatureNames, Features, Learning
from otgan.gan.features.autoencoder import (
    Autoencoder,
    CodeGenerator,
    Encoder,
    learning_rate,
)
from otgan.gan.networks import Kind, Space
from otgan.gan.systems.base import Networks, Optimizers, System, Terms, generate
from otgan.gan.systems.fields import Count, Rate, Updates

__all__ = ["IN_CODES", "ON_POINTS", "Transports"]

SAMPLES = FeatureNames("samples")

ON_POINTS: Mapping[str, Any] = {
    "latent": 2,
    "width": 256,
    "batch": 256,
    "power": 1.0,
    "lr": 2e-3,
    "decay": 1000,
}
"""What all of them take for points."""

IN_CODES: Mapping[str, Any] = {
    "batch": 500,
    "latent": 64,
    "width": 16,
    "features": "autoencoder:32",
    "n_features": 600,
    "lr": 3e-3,
    "decay": 1000,
    "ema": 0.998,
    "tol": 1e-2,
}
"""What is best for images in fifteen minutes of one core, whatever the form of the divergence between their codes."""


@dataclass(frozen=True, kw_only=True)
class Transports(System):
    """A generator that descends a cost of transport between rows: the features of its samples, and those of the data.

    With features of an autoencoder a run has three parts. First the autoencoder learns, for `n_features` steps. Then
    the generator, which is a generator of codes followed by the decoder, learns in the space of the codes, which stay
    as they are: nothing is decoded. After `n_codes` such steps, if there is an end to them, all of the generator learns
    by the features of its samples, of which there may be others beside the codes.

    Parameters
    ----------
    features : str
        Maps of samples to rows, joined by a plus sign where several stand side by side: "samples", coordinates or pixels
        themselves; "adversarial:64", a network's outputs on the unit sphere, where the cost is bounded, which ascend
        what the generator descends; "autoencoder:16", codes of an autoencoder that learns first; "wae:16", codes of one
        that is held near N(0, I); "random:256", random convolutions. A number k alone is "adversarial:k", 0 "samples".
    n_features : int
        Steps in which an autoencoder learns first, where there is one.
    n_codes : int
        Steps in the space of its codes thereafter, before samples are compared; 0 for no end.
    code_width, code_depth : int
        Units of the generator of codes, and its residual blocks.
    lr_autoencoder : float
        Adam's, at its highest: it rises at first, and falls to the end of those steps.
    """

    features: FeatureNames = SAMPLES
    n_features: Count = 1000
    n_codes: Updates = 0
    code_width: Count = 512
    code_depth: Count = 3
    lr_autoencoder: Rate = 3e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        others = len(self.maps) > 1
        if self.autoencoder is None and self.n_codes:
            raise OptionError(
                f"n_codes counts steps in the space of codes, and features={self.features} has none"
            )
        if self.autoencoder is not None and others and not self.n_codes:
            raise OptionError(
                f"features={self.features} compares nothing but codes unless n_codes says after how many steps samples are compared"
            )
        if self.autoencoder is not None and self.batch < self.autoencoder.least_batch:
            raise OptionError(
                f"features={self.features} takes batches of at least {self.autoencoder.least_batch}, got batch={self.batch}"
            )

    @classmethod
    def for_data(cls, kind: str, options: Mapping[str, Any] | None = None) -> Self:
        """Make the system with the library's defaults for a kind of data and of features, and options of one's own."""
        given = dict(options or {})
        if kind == Kind.IMAGES and "features" in given:
            maps = FeatureNames.read("features", given["features"]).maps()
            if not any(isinstance(each, Autoencoder) for each in maps):
                kind = f"{kind} without codes"
        return super().for_data(kind, given)

    @property
    def prelude(self) -> int:
        """The steps in which an autoencoder learns."""
        return 0 if self.autoencoder is None else self.n_features

    @property
    def maps(self) -> tuple[Features, ...]:
        """The maps that rows are made by."""
        return self.features.maps()

    @property
    def autoencoder(self) -> Autoencoder | None:
        """The map that learns first, where there is one."""
        return next((each for each in self.maps if isinstance(each, Autoencoder)), None)

    @property
    def adversarial(self) -> bool:
        """Whether a map learns beside the generator."""
        return any(each.learning is Learning.AGAINST for each in self.maps)

    def networks(self, space: Space) -> dict[str, nn.Module]:
        """Make the generator, and the networks of the maps."""
        first = self.autoencoder
        if first is None:
            nets = {"generator": self.make_generator(space)}
        else:
            decoder = self.make_generator(space, latent=first.size)
            made = first.generator(decoder, self.latent, self.code_width, self.code_depth)
            nets = {"generator": made}
        for each in self.maps:
            network = each.network(space, lambda outputs: self.make_critic(space, outputs=outputs))
            if network is not None:
                nets[each.network_name] = network
        return nets

    def optimizers(self, nets: Networks) -> dict[str, Optimizer]:
        """Make that of the autoencoder, where there is one."""
        first = self.autoencoder
        if first is not None and not (
            isinstance(nets["generator"], CodeGenerator) and isinstance(nets[first.network_name], Encoder)
        ):
            raise OptionError(
                f"features={self.features} makes its own generator and encoder: with those of your own take features=samples or "
                "features=adversarial:64"
            )
        return {} if first is None else {"autoencoder": first.optimizer(nets, self.lr_autoencoder)}

    def step(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """Teach the autoencoder, where there is one that is not taught yet, or descend the cost of transport."""
        first = self.autoencoder
        if first is None:
            return self.descend_transport(nets, optimizers, batches)
        done, encoder = self.steps_done(nets), cast(Encoder, nets[first.network_name])
        if done < self.n_features:
            rate = self.lr_autoencoder * learning_rate(done, self.n_features)
            terms = {"reconstruction": first.learn(nets, optimizers["autoencoder"], batches, rate)}
            if done == self.n_features - 1:
                first.settle(nets, batches)
        else:
            encoder.eval()
            cast(CodeGenerator, nets["generator"]).decoder.eval()
            terms = self.descend_transport(nets, optimizers, batches)
        encoder.steps += 1
        return terms

    @abstractmethod
    def descend_transport(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """Update the generator once, and the maps that learn beside it."""

    def steps_done(self, nets: Networks) -> int:
        """Return the steps of the run so far, where they are counted: with an autoencoder."""
        return int(cast(Encoder, nets["encoder"]).steps)

    def in_codes(self, nets: Networks) -> bool:
        """Whether the generator learns in the space of codes at this step."""
        if self.autoencoder is None:
            return False
        return self.n_codes == 0 or self.steps_done(nets) < self.n_features + self.n_codes

    def rows(self, nets: Networks, x: Tensor) -> Tensor:
        """Return the features of samples, shape (n, k), in single precision."""
        return torch.cat([each.rows(nets, x) for each in self.maps], 1)

    def data_rows(self, nets: Networks, batches: Batches) -> Tensor:
        """Return the rows of all data, which are computed once: maps that still learn have none to keep."""
        first = self.autoencoder
        if first is not None and self.in_codes(nets):
            return batches.all_rows("codes", partial(first.rows, nets))
        return batches.all_rows("samples", partial(self.rows, nets))

    def real(self, nets: Networks, batches: Batches) -> Tensor:
        """Return the rows of the next mini-batch of samples."""
        if self.in_codes(nets):
            return self.data_rows(nets, batches)[batches.indices()]
        return self.rows(nets, batches.real())

    def generated(self, nets: Networks, batches: Batches, *, apart: bool = False) -> Tensor:
        """Return the rows of a mini-batch of the generator, differentiable in its parameters unless it is taken `apart`."""
        first = self.autoencoder
        with torch.set_grad_enabled(torch.is_grad_enabled() and not apart):
            if first is not None and self.in_codes(nets):
                return first.of_codes(cast(CodeGenerator, nets["generator"]).codes(batches.noise()))
            samples = generate(nets, batches)
        return self.rows(nets, samples)
