"""What the systems share whose generator may live in the codes of an autoencoder that learns first."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast

from torch import Tensor, nn
from torch.optim import Optimizer

from otgan.gan.datasets.batches import Batches
from otgan.gan.errors import OptionError
from otgan.gan.features import FeatureNames, Features
from otgan.gan.features.autoencoder import Autoencoder, CodeGenerator, Encoder, learning_rate
from otgan.gan.features.base import Sloped
from otgan.gan.networks import Conditional, Kind, Space, beside, residual_mlp
from otgan.gan.systems.base import Networks, Optimizers, System, Terms
from otgan.gan.systems.fields import Count, Rate

__all__ = ["SAMPLES", "Coded"]

SAMPLES = FeatureNames("samples")

_APART = 100.0
"""The squared distance between classes, over the mean square of rows: that of ten standard deviations."""


@dataclass(frozen=True, kw_only=True)
class Coded(System):
    """A generator of samples, or of the codes of an autoencoder, whose decoder it then ends with.

    With an autoencoder a run has two parts. First the autoencoder learns, for `n_features` steps. Then the generator of
    codes learns in their space: the autoencoder stays as it is, and nothing is decoded.

    Parameters
    ----------
    features : str
        Where the generator lives: "samples", coordinates or pixels themselves; "autoencoder:16", codes of an autoencoder
        that learns first; "wae:16", codes of one that is held near N(0, I).
    n_features : int
        Steps in which an autoencoder learns first, where there is one.
    code_width, code_depth : int
        Units of the generator of codes, and its residual blocks.
    lr_autoencoder : float
        Adam's, at its highest: it rises at first, and falls to the end of those steps.
    """

    features: FeatureNames = SAMPLES
    n_features: Count = 1000
    code_width: Count = 512
    code_depth: Count = 3
    lr_autoencoder: Rate = 3e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.autoencoder is not None and self.batch < self.autoencoder.least_batch:
            raise OptionError(
                f"features={self.features} takes batches of at least {self.autoencoder.least_batch}, got batch={self.batch}"
            )

    @classmethod
    def for_data(cls, kind: str, options: Mapping[str, Any] | None = None) -> Self:
        """Make the system with the library's defaults for a kind of data and of features, and options of one's own."""
        given = dict(options or {})
        if kind in {Kind.IMAGES, Kind.COLOR} and "features" in given:
            named = FeatureNames.read("features", given["features"])
            maps = named.maps()
            if any(isinstance(each, Autoencoder) for each in maps):
                kind = Kind.IMAGES
            elif any(isinstance(each, Sloped) for each in maps):
                kind = Kind.COLOR
            elif kind == Kind.IMAGES or named != cls.for_data(kind).features:
                kind = f"{Kind.IMAGES} without codes"
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

    def labelled(self, rows: Tensor, batches: Batches, label: Tensor | None) -> Tensor:
        """Return rows with their labels as more coordinates, where there are any.

        In these different classes lie ten standard deviations apart: that is 1 for each coordinate of samples, or for a map that is no
        steeper than they are, and for all of any other map together. It is no more, as digits of the distances within a class would be lost.
        """
        if label is None:
            return rows
        dim = math.prod(batches.points.shape[1:])
        spread = sum(1 if each.size and not isinstance(each, Sloped) else dim for each in self.maps)
        return beside(rows, label, batches.classes, math.sqrt(_APART * spread / 2))

    def make_codes(self, size: int, classes: int = 0) -> nn.Module:
        """Make this system's generator of codes of so many numbers."""
        layers = residual_mlp(self.latent + classes, size, width=self.code_width, depth=self.code_depth)
        return Conditional(layers, classes) if classes else layers

    def networks(self, space: Space) -> dict[str, nn.Module]:
        """Make the generator, and the networks of the maps."""
        first, alone = self.autoencoder, space.without_classes  # maps are of samples, whatever their classes
        if first is None:
            nets = {"generator": self.make_generator(space)}
        else:
            decoder = self.make_generator(alone, latent=first.size)
            codes = self.make_codes(first.size, space.classes)
            nets = {"generator": CodeGenerator(codes, decoder, first.size)}
        for each in self.maps:
            network = each.network(alone, lambda outputs: self.make_critic(alone, outputs=outputs))
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
        """Teach the autoencoder, where there is one that is not taught yet, or update the generator."""
        first = self.autoencoder
        if first is None:
            return self.learn(nets, optimizers, batches)
        done, encoder = self.steps_done(nets), cast(Encoder, nets[first.network_name])
        if done < self.n_features:
            rate = self.lr_autoencoder * learning_rate(done, self.n_features)
            terms = {"reconstruction": first.learn(nets, optimizers["autoencoder"], batches, rate)}
            if done == self.n_features - 1:
                first.settle(nets, batches)
        else:
            encoder.eval()
            cast(CodeGenerator, nets["generator"]).decoder.eval()
            terms = self.learn(nets, optimizers, batches)
        encoder.steps += 1
        return terms

    @abstractmethod
    def learn(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """Update the generator once, and whatever learns beside it."""

    def steps_done(self, nets: Networks) -> int:
        """Return the steps of the run so far, where they are counted: with an autoencoder."""
        return int(cast(Encoder, nets["encoder"]).steps)
