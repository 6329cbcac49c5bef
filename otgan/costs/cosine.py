"""The cosine cost (1 − cos ∠(x, y))^p: half the squared distance between directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from otgan.costs.base import Cost
from otgan.costs.squares import squared_distances
from otgan.mistakes import WrongValueError
from otgan.pair import Pair
from otgan.rounding import UNIT, CostError

__all__ = ["Cosine"]


@dataclass(frozen=True)
class Cosine(Cost):
    """C = (1 − ⟨x, y⟩ / (‖x‖ ‖y‖))^p, between 0 and 2^p; lengths do not matter."""

    name = "cosine"
    metric = "1 − cos(x, y)"
    power = 1.0

    @property
    def definite(self) -> bool:
        """At p = 1, where it is half the squared distance of unit vectors."""
        return self.p == 1

    def fit(self, both: Pair) -> Self:
        """Check that every point has a direction."""
        for name, side in (("x", both.x), ("y", both.y)):
            zero = (side.points.detach() == 0).all(2)
            if bool(zero.any()):
                where = zero.nonzero()[0].tolist()
                problem = f" of problem {where[0]}" if both.batched else ""
                raise WrongValueError(
                    f"{name} must hold no zero vectors for cost='cosine', as those have no direction, got one at "
                    f"sample {where[1]}{problem}: drop it, or shift the samples"
                )
        return self

    def block(
        self, x: Tensor, y: Tensor, *, exact: bool = False, direct: bool = False, origin: Tensor | None = None
    ) -> Tensor:
        """Half of squared distances between unit vectors."""
        del origin
        half = squared_distances(_unit(x), _unit(y), exact=exact or self.p != 1, direct=direct).mul_(0.5)
        return half if self.p == 1 else half.pow_(self.p)

    def error(
        self, x: Tensor, y: Tensor, *, exact: bool = False, direct: bool = False, origin: Tensor | None = None
    ) -> CostError:
        """Unit vectors are off by (d + 4) u, half squares of them by (3 d + 16) 4 u and twice that of their distance."""
        del exact, direct, origin
        d = x.shape[2]
        size = self.p * 2 ** (self.p - 1) * (16 * d + 80) * UNIT
        sides = [torch.full(side.shape[:2], size, dtype=torch.float64, device=side.device) for side in (x, y)]
        return CostError(CostError.relative_of_differences(d, 2 * self.p), sides[0], sides[1])

    def entries(self, x: Tensor, y: Tensor) -> Tensor:
        """Costs of single pairs, from differences."""
        return (0.5 * (_unit(x) - _unit(y)).square().sum(-1)) ** self.p

    def majorant(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """No cost is above 2^p."""
        half = 2 ** (self.p - 1)
        x_part, y_part = (
            torch.full(side.shape[:2], half, dtype=torch.float64, device=side.device) for side in (x, y)
        )
        return x_part, y_part

    def differentiable(self, x: Tensor, y: Tensor) -> Tensor:
        """From the inner products, whose slope is 0 where directions coincide, at every p >= 1."""
        return (1 - _unit(x) @ _unit(y).mT).clamp_min(0) ** self.p

    def entry_gradients(self, x: Tensor, y: Tensor, mass: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of Σ massᵢ C(xᵢ, yᵢ) by automatic differentiation."""
        with torch.enable_grad():
            here, there = x.detach().requires_grad_(), y.detach().requires_grad_()
            total = (mass * (1 - (_unit(here) * _unit(there)).sum(-1)).clamp_min(0) ** self.p).sum()
        in_x, in_y = torch.autograd.grad(total, (here, there))
        return in_x, in_y


def _unit(points: Tensor) -> Tensor:
    """Points divided by their lengths; first by a coordinate, so that no square leaves the range."""
    largest = points.detach().abs().amax(-1, keepdim=True)
    scaled = points / torch.where(largest > 0, largest, 1.0)
    return scaled / torch.linalg.vector_norm(scaled, dim=-1, keepdim=True).clamp_min(0.5)
