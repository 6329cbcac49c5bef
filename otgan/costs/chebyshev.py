"""The Chebyshev (maximum) cost ‖x − y‖_∞^p, p >= 1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from otgan.costs.norm import Norm

__all__ = ["Chebyshev"]


@dataclass(frozen=True)
class Chebyshev(Norm):
    """C = ‖x − y‖_∞^p, the largest difference of a coordinate to the power p."""

    name = "chebyshev"
    metric = "‖x − y‖_∞"

    def length(self, difference: Tensor) -> Tensor:
        """‖v‖_∞."""
        return torch.linalg.vector_norm(difference, torch.inf, dim=-1)

    def share(self, d: int) -> float:
        """‖v‖_∞ >= ‖v‖₂ / √d."""
        return d**-0.5

    def block(
        self, x: Tensor, y: Tensor, *, exact: bool = False, direct: bool = False, origin: Tensor | None = None
    ) -> Tensor:
        """Costs from differences."""
        del exact, direct, origin
        return torch.cdist(x, y, p=torch.inf).pow_(self.p)

    def differentiable(self, x: Tensor, y: Tensor) -> Tensor:
        """Costs whose slope is that of the largest coordinates, in equal parts where several are equal."""
        return (x[:, :, None] - y[:, None]).abs().amax(-1) ** self.p
