"""What the systems share that descend a cost of transport: where it is taken, and where the generator lives meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor

from otgan.gan.datasets.batches import Batches
from otgan.gan.errors import OptionError
from otgan.gan.features import FeatureNames, Learning
from otgan.gan.features.autoencoder import CodeGenerator
from otgan.gan.features.base import Sloped
from otgan.gan.networks import given
from otgan.gan.systems.base import Networks, fake, generate
from otgan.gan.systems.coded import SAMPLES, Coded
from otgan.gan.systems.fields import Rate, Updates

__all__ = ["Transports"]


@dataclass(frozen=True, kw_only=True)
class Transports(Coded):
    """A generator that descends a cost of transport between rows: the features of its samples, and those of the data.

    Where it is conditional, what is transported are samples with their classes, as in the joint distribution optimal
    transport of Courty et al. 2017. Their labels are more coordinates of the rows, in which different classes lie ten standard
    deviations apart. Batches have equally many samples of each class, so that no plan leads from one class to another: one
    problem has the plans of all classes for its blocks. A problem for each class would be as many of different sizes, and
    tables and networks of potentials, which are of no batch, would have to be cut apart too.

    With features of an autoencoder a run may have a third part: after `n_codes` steps in the space of the codes, if there
    is an end to them, all of the generator learns by the features of its samples, of which there may be others beside the
    codes.

    Parameters
    ----------
    features : str
        Maps of samples to rows, joined by a plus sign where several stand side by side: "samples", coordinates or pixels
        themselves; "adversarial:64", a network's outputs on the unit sphere, where the cost is bounded, which ascend
        what the generator descends; "lipschitz:16", outputs that do so on no sphere, with slopes near 1; "autoencoder:16", codes
        of an autoencoder that learns first; "wae:16", codes of one that is held near N(0, I); "random:256", random convolutions. A number k alone is "adversarial:k", 0 "samples".
    n_codes : int
        Steps in the space of an autoencoder's codes, before samples are compared; 0 for no end.
    penalty : float
        The weight of E (slope − 1)² of features that are held to one.
    """

    features: FeatureNames = SAMPLES
    n_codes: Updates = 0
    penalty: Rate = 10.0

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

    @property
    def adversarial(self) -> bool:
        """Whether a map learns beside the generator."""
        return any(each.learning is Learning.AGAINST for each in self.maps)

    def steepness(self, nets: Networks, batches: Batches) -> Tensor | float:
        """Return what features are charged for another slope than they are to have, between data and samples; 0 where none has one to keep."""
        charged: Tensor | float = 0.0
        for each in self.maps:
            if isinstance(each, Sloped):
                x, y = batches.points[batches.more()], fake(nets, batches)
                t = batches.uniform(len(x), *[1] * (x.ndim - 1))
                directions = batches.normal(len(x), each.size)
                charged = self.penalty * each.steepness(nets, torch.lerp(y, x, t), directions)
        return charged

    def in_codes(self, nets: Networks) -> bool:
        """Whether the generator learns in the space of codes at this step."""
        if self.autoencoder is None:
            return False
        return self.n_codes == 0 or self.steps_done(nets) < self.n_features + self.n_codes

    def rows(self, nets: Networks, x: Tensor) -> Tensor:
        """Return the features of samples, shape (n, k), in single precision."""
        return torch.cat([each.rows(nets, x) for each in self.maps], 1)

    def placed(self, nets: Networks, x: Tensor, batches: Batches) -> Tensor:
        """Return the rows of samples that are of the classes of the mini-batch at hand."""
        return self.labelled(self.rows(nets, x), batches, batches.label)

    def data_rows(self, nets: Networks, batches: Batches) -> Tensor:
        """Return the rows of all data, which are computed once: maps that still learn have none to keep."""
        first = self.autoencoder
        if first is not None and self.in_codes(nets):
            return batches.all_rows("codes", partial(first.rows, nets))
        return batches.all_rows("samples", partial(self.rows, nets))

    def real(self, nets: Networks, batches: Batches, *, more: bool = False) -> Tensor:
        """Return the rows of the next mini-batch of samples, or of one `more` of the same classes."""
        which = batches.more() if more else batches.indices()
        in_codes = self.in_codes(nets)
        rows = self.data_rows(nets, batches)[which] if in_codes else self.rows(nets, batches.points[which])
        return self.labelled(rows, batches, batches.label)

    def generated(self, nets: Networks, batches: Batches, *, apart: bool = False) -> Tensor:
        """Return the rows of a mini-batch of the generator, differentiable in its parameters unless it is taken `apart`."""
        first, label = self.autoencoder, batches.label
        with torch.set_grad_enabled(torch.is_grad_enabled() and not apart):
            if first is not None and self.in_codes(nets):
                codes = given({"codes": cast(CodeGenerator, nets["generator"]).codes}, label)["codes"]
                return self.labelled(first.of_codes(codes(batches.noise())), batches, label)
            samples = generate(nets, batches)
        return self.placed(nets, samples, batches)

    def fresh(self, nets: Networks, batches: Batches, *, apart: bool = False) -> Tensor:
        """Return the same where no data are drawn, whose classes come one mini-batch after the other too."""
        batches.go_on()
        return self.generated(nets, batches, apart=apart)
