"""The Chebyshev (maximum) cost ‖x − y‖_∞^p, p >= 1."""

from __future__ import annotations

import math
from dataclasses import dataclass

from otgan.costs.norm import Norm
from otgan.costs.squares import pair_norms, raised
from otgan.namespace import Array, namespace

__all__ = ["Chebyshev"]


@dataclass(frozen=True)
class Chebyshev(Norm):
    """C = ‖x − y‖_∞^p, the largest difference of a coordinate to the power p."""

    name = "chebyshev"
    metric = "‖x − y‖_∞"
    order = math.inf

    def length(self, difference: Array) -> Array:
        """‖v‖_∞."""
        return namespace(difference).max(abs(difference), axis=-1)

    def share(self, d: int) -> float:
        """‖v‖_∞ >= ‖v‖₂ / √d."""
        return d**-0.5

    def block(
        self, x: Array, y: Array, *, exact: bool = False, direct: bool = False, origin: Array | None = None
    ) -> Array:
        """Costs from differences."""
        del exact, direct, origin
        return raised(pair_norms(x, y, math.inf), self.p)

    def differentiable(self, x: Array, y: Array) -> Array:
        """Costs whose slope is that of the largest coordinates, in equal parts where several are equal."""
        return abs(x[:, :, None] - y[:, None]).amax(-1) ** self.p
