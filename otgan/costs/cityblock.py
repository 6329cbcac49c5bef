"""The city-block (Manhattan, L1) cost ‖x − y‖₁^p, p >= 1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from otgan.costs.norm import Norm

__all__ = ["Cityblock"]


@dataclass(frozen=True)
class Cityblock(Norm):
    """C = ‖x − y‖₁^p, the sum of the differences of all coordinates to the power p."""

    name = "cityblock"
    metric = "‖x − y‖₁"

    @property
    def definite(self) -> bool:
        """At p = 1: the kernel is a product of Laplace kernels."""
        return self.p == 1

    def length(self, difference: Tensor) -> Tensor:
        """‖v‖₁."""
        return torch.linalg.vector_norm(difference, 1, dim=-1)

    def share(self, d: int) -> float:
        """‖v‖₁ >= ‖v‖₂."""
        del d
        return 1.0

    def block(
        self, x: Tensor, y: Tensor, *, exact: bool = False, direct: bool = False, origin: Tensor | None = None
    ) -> Tensor:
        """Costs from differences."""
        del exact, direct, origin
        return torch.cdist(x, y, p=1).pow_(self.p)

    def differentiable(self, x: Tensor, y: Tensor) -> Tensor:
        """Costs whose slope where coordinates coincide is 0."""
        return (x[:, :, None] - y[:, None]).abs().sum(-1) ** self.p
