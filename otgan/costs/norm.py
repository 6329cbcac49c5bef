"""Costs ‖x − y‖^p of a norm: what does not change where both points move, and scales as they do."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from otgan.costs.base import Cost, Normal
from otgan.costs.tiles import power_of_two
from otgan.mistakes import OutOfRangeError
from otgan.rounding import CostError

__all__ = ["Norm"]

_LARGEST = 305
"""Decimal exponent of a cost beyond which there is no room for sums, on either end of the range."""

_UNDERFLOWN = 1e-300
"""Cost below which the digits of its differences are lost."""


@dataclass(frozen=True)
class Norm(Cost):
    """A power of a norm of the difference, ‖x − y‖^p with p >= 1."""

    sorts = True
    unit_of_distance = "units of the samples"

    @abstractmethod
    def length(self, difference: Tensor) -> Tensor:
        """‖v‖ of vectors v along the last dimension."""

    def origin(self, x: Tensor, y: Tensor) -> Tensor:
        """A point near both clouds."""
        return 0.5 * (x.mean(-2, keepdim=True) + y.mean(-2, keepdim=True))

    def entries(self, x: Tensor, y: Tensor) -> Tensor:
        """Costs of single pairs, from differences."""
        return self.length(x - y) ** self.p

    def majorant(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """By convexity ‖x − y‖^p <= 2^(p−1) (‖x − o‖^p + ‖y − o‖^p), about the origin o."""
        x, y = x.double(), y.double()
        origin = self.origin(x, y)
        sides = [2 ** (self.p - 1) * self.length(side - origin) ** self.p for side in (x, y)]
        return sides[0], sides[1]

    def largest(self, x: Tensor, y: Tensor) -> Tensor:
        """(max ‖x − o‖ + max ‖y − o‖)^p."""
        x, y = x.double(), y.double()
        origin = self.origin(x, y)
        radii = [self.length(side - origin).amax(1) for side in (x, y)]
        return (radii[0] + radii[1]) ** self.p

    def normal(self, x: Tensor, y: Tensor, *, rooted: bool) -> Normal:
        """Take an origin from the points and divide them by a power of two, which is exact; the cost stays."""
        both = torch.cat([x, y], 1)
        origin = _sharp_origin(both)
        unit, spread = _unit((both - origin).double())
        if not rooted:
            _check_range(unit, spread, self.p)
        return Normal(self, origin, unit, unit)

    def underflow(self, d: int) -> float:
        """Cost below which squares of d differences, or the cost itself, leave the range."""
        return max(float((d * 1e-307) ** (self.p / 2)), 1e-315)

    def vanishes(self, x: Tensor, y: Tensor) -> Tensor:
        """Tell which points differ though their cost is next to 0."""
        return ((x - y).abs().amax(1) > 0) & (self.entries(x, y) < _UNDERFLOWN)

    def error_of_differences(self, x: Tensor, y: Tensor) -> CostError:
        """That of costs from differences of coordinates: relative to the costs, but where they underflow."""
        lost = self.underflow(x.shape[-1])
        tiny = [torch.full(side.shape[:2], lost, dtype=torch.float64, device=side.device) for side in (x, y)]
        return CostError(CostError.relative_of_differences(x.shape[-1], self.p), *tiny)

    def error(
        self, x: Tensor, y: Tensor, *, exact: bool = False, direct: bool = False, origin: Tensor | None = None
    ) -> CostError:
        """Return that of costs from differences."""
        del exact, direct, origin
        return self.error_of_differences(x, y)


def _sharp_origin(both: Tensor) -> Tensor:
    """What is taken from every point of a problem first, shape (B, 1, d).

    In every coordinate that is one of the points' own value where all values lie within a factor of two, so that the
    differences are exact (Sterbenz' lemma), and 0 elsewhere. What is left is as large as the points are apart.
    """
    low, high = both.amin(1, keepdim=True), both.amax(1, keepdim=True)
    near = ((low > 0) & (high <= 2 * low)) | ((high < 0) & (low >= 2 * high))
    return torch.where(near, both[:, :1], 0.0)


def _unit(both: Tensor) -> tuple[Tensor, Tensor]:
    """A power of two near each problem's largest coordinate, and the length of its bounding box in it; shapes (B,)."""
    unit = power_of_two(both.abs().amax((1, 2)))
    box = both.amax(1) / unit[:, None] - both.amin(1) / unit[:, None]
    return unit, torch.linalg.vector_norm(box, dim=1)


def _check_range(unit: Tensor, spread: Tensor, p: float) -> None:
    """Raise where the largest cost, p (log spread + log unit), is out of the range of float64."""
    apart = spread > 0
    exponent = p * (torch.where(apart, spread, 1.0).log10() + unit.log10())
    wrong = apart & ((exponent > _LARGEST) | (exponent < -_LARGEST))
    if not bool(wrong.any()):
        return
    k = int(wrong.nonzero()[0])
    length = float(spread[k].log10() + unit[k].log10())
    raise OutOfRangeError(
        f"points about 1e{length:.0f} apart{f' (problem {k})' if len(wrong) > 1 else ''} have costs ‖x − y‖^{p:g} "
        "beyond the range of float64: divide the samples by a length of their own order first (otgan.emd, whose "
        "result is a length, does so by itself)"
    )
