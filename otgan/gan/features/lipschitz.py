"""Features that learn beside the generator, and are held to a slope: the critic of a Wasserstein GAN with several outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.functional import normalize

from otgan.gan.features.base import Learning, Maker, Sloped
from otgan.gan.losses.slopes import gradient_norms
from otgan.gan.networks import Networks, Space

__all__ = ["Lipschitz"]


@dataclass(frozen=True)
class Lipschitz(Sloped):
    """A network's outputs f(x), whose slope along a random direction of rows, ‖∇⟨u, f⟩(x)‖₂, is held near 1 between data and samples.

    No map of Lipschitz constant 1 takes two laws further apart than they are, W₁(f#P, f#Q) ≤ W₁(P, Q), and one with a
    single output, the critic of a WGAN, reaches that. With more of them a generator is told more than along which line it
    lags. The u are uniform on the sphere of radius √k, so that the mean square of those slopes is ‖J(x)‖²_F, which is no
    less than the square of the Lipschitz constant at x; with one output the penalty is that of a WGAN-GP.
    """

    name: ClassVar[str] = "lipschitz"
    default: ClassVar[int] = 16
    learning: ClassVar[Learning] = Learning.AGAINST
    network_name: ClassVar[str] = "features"

    def network(self, space: Space, make: Maker) -> nn.Module:
        """Make the network, a critic of that many outputs."""
        del space
        return make(self.size)

    def rows(self, nets: Networks, x: Tensor) -> Tensor:
        """Return the outputs."""
        rows: Tensor = nets[self.network_name](x).float()
        return rows.reshape(len(x), self.size)

    def steepness(self, nets: Networks, x: Tensor, directions: Tensor) -> Tensor:
        """E (‖∇⟨u, f⟩(x)‖₂ − 1)², each sample with a direction of its own: rows of N(0, I) are, shape (n, k), brought to the length √k."""
        u = normalize(directions, dim=1) * self.size**0.5
        slopes = gradient_norms(lambda places: (self.rows(nets, places) * u).sum(1), x)
        return (slopes - 1).square().mean()
