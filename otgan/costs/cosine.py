"""The cosine cost (1 − cos ∠(x, y))^p: half the squared distance between directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from otgan.costs.base import Cost
from otgan.costs.places import Places
from otgan.costs.squares import raised, squared_distances
from otgan.mistakes import WrongValueError
from otgan.namespace import Array, detached, double, full, namespace
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
        """Check that every point with weight has a direction."""
        for name, side in (("x", both.x), ("y", both.y)):
            zero = (detached(side.points) == 0).all(2) & (detached(side.weights) > 0)
            if bool(zero.any()):
                where = [int(index[0]) for index in namespace(zero).nonzero(zero)]
                problem = f" of problem {where[0]}" if both.batched else ""
                raise WrongValueError(
                    f"{name} must hold no zero vectors for cost='cosine', as those have no direction, got one at "
                    f"sample {where[1]}{problem}: drop it, or shift the samples"
                )
        return self

    def block(
        self, x: Array, y: Array, *, exact: bool = False, direct: bool = False, origin: Array | None = None
    ) -> Array:
        """Half of squared distances between unit vectors."""
        del origin
        half = squared_distances(_unit(x), _unit(y), exact=exact or self.p != 1, direct=direct)
        half *= 0.5
        return raised(half, self.p)

    def error(
        self, x: Array, y: Array, *, exact: bool = False, direct: bool = False, origin: Array | None = None
    ) -> CostError:
        """Unit vectors are off by (d + 4) u, half squares of them by (3 d + 16) 4 u and twice that of their distance."""
        del exact, direct, origin
        d = x.shape[2]
        size = self.p * 2 ** (self.p - 1) * (16 * d + 80) * UNIT
        sides = [full(side.shape[:2], size, side) for side in (x, y)]
        return CostError(CostError.relative_of_differences(d, 2 * self.p), sides[0], sides[1])

    def entries(self, x: Array, y: Array) -> Array:
        """Costs of single pairs, from differences."""
        return (0.5 * namespace(x).square(_unit(x) - _unit(y)).sum(-1)) ** self.p

    def places(self, x: Array, y: Array) -> Places:
        """Unit vectors."""
        return Places(_unit(double(x)), _unit(double(y)), 2, 2 * self.p, factor=0.5**self.p)

    def majorant(self, x: Array, y: Array) -> tuple[Array, Array]:
        """No cost is above 2^p."""
        half = 2 ** (self.p - 1)
        return full(x.shape[:2], half, x), full(y.shape[:2], half, y)

    def differentiable(self, x: Array, y: Array) -> Array:
        """From the inner products, whose slope is 0 where directions coincide, at every p >= 1."""
        return (1 - _unit(x) @ _unit(y).mT).clamp_min(0) ** self.p

    def entry_gradients(self, x: Array, y: Array, mass: Array) -> tuple[Array, Array]:
        """Gradients of Σ massᵢ C(xᵢ, yᵢ) by automatic differentiation."""
        import torch

        with torch.enable_grad():
            here, there = x.detach().requires_grad_(), y.detach().requires_grad_()
            total = (mass * (1 - (_unit(here) * _unit(there)).sum(-1)).clamp_min(0) ** self.p).sum()
        in_x, in_y = torch.autograd.grad(total, (here, there))
        return in_x, in_y


def _unit(points: Array) -> Array:
    """Points divided by their lengths; first by a coordinate, so that no square leaves the range."""
    xp, held = namespace(points), detached(points)
    largest = xp.max(abs(held), axis=-1, keepdims=True)
    scaled = points / xp.where(largest > 0, largest, 1.0)
    return scaled / xp.clip(xp.linalg.vector_norm(scaled, axis=-1, keepdims=True), 0.5, None)
