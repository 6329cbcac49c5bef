"""The city-block (Manhattan, L1) cost ‖x − y‖₁^p, p >= 1."""

from __future__ import annotations

from dataclasses import dataclass

from otgan.costs.norm import Norm
from otgan.costs.squares import pair_norms, raised
from otgan.namespace import Array

__all__ = ["Cityblock"]


@dataclass(frozen=True)
class Cityblock(Norm):
    """C = ‖x − y‖₁^p, the sum of the differences of all coordinates to the power p."""

    name = "cityblock"
    metric = "‖x − y‖₁"
    order = 1

    @property
    def definite(self) -> bool:
        """At p = 1: the kernel is a product of Laplace kernels."""
        return self.p == 1

    def length(self, difference: Array) -> Array:
        """‖v‖₁."""
        return abs(difference).sum(-1)

    def share(self, d: int) -> float:
        """‖v‖₁ >= ‖v‖₂."""
        del d
        return 1.0

    def block(
        self, x: Array, y: Array, *, exact: bool = False, direct: bool = False, origin: Array | None = None
    ) -> Array:
        """Costs from differences."""
        del exact, direct, origin
        return raised(pair_norms(x, y, 1), self.p)

    def differentiable(self, x: Array, y: Array) -> Array:
        """Costs whose slope where coordinates coincide is 0."""
        return abs(x[:, :, None] - y[:, None]).sum(-1) ** self.p
