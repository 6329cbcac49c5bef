"""Features that learn beside the generator, to tell its samples from the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.functional import normalize

from otgan.gan.features.base import Features, Learning, Maker
from otgan.gan.networks import Networks, Space

__all__ = ["Adversarial"]


@dataclass(frozen=True)
class Adversarial(Features):
    """A network's outputs, on the unit sphere: there costs are bounded, so that one that is trained to be large stays a cost."""

    name: ClassVar[str] = "adversarial"
    least: ClassVar[int] = 2  # on a sphere of one dimension there are two points
    default: ClassVar[int] = 64
    learning: ClassVar[Learning] = Learning.AGAINST
    network_name: ClassVar[str] = "features"

    def network(self, space: Space, make: Maker) -> nn.Module:
        """Make the network, a critic of that many outputs."""
        del space
        return make(self.size)

    def rows(self, nets: Networks, x: Tensor) -> Tensor:
        """Return the outputs over their lengths."""
        return normalize(nets[self.network_name](x).float(), dim=1)
