"""The normal form of a problem: no points without mass, coordinates of order one.

Every solver works on normal forms, so that none meets points that must not matter, or costs out of range. Points of
weight 0 are left out, and get their potentials afterwards, on the way back (:mod:`otgan.restored`). What brings costs to
order one is the cost's own affair: powers of two, which are exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from otgan.costs.base import Cost
from otgan.coupling import Coupling, Solved
from otgan.measure import Measure
from otgan.pair import Pair
from otgan.restored import Restored

__all__ = ["NormalForm", "Side"]

_SUBNORMAL = 1.2e-38
"""Numbers of float32 below it have lost digits."""


@dataclass(frozen=True, eq=False)
class Side:
    """One measure in normal form.

    Attributes
    ----------
    measure : Measure
        The points with mass, divided by the unit.
    index : Tensor, shape (B, k), or None
        Which points of the original they are; None where all are kept.
    kept : Tensor, shape (B, k), bool, or None
        Which entries of `index` are points, and not what fills a problem with fewer of them up.
    whole : Measure
        The measure as it was given.
    unit : Tensor, shape (B,)
    origin : Tensor, shape (B, 1, d)
        What was taken from the points before they were divided.
    """

    measure: Measure
    index: Tensor | None
    kept: Tensor | None
    whole: Measure
    unit: Tensor
    origin: Tensor

    @classmethod
    def of(cls, whole: Measure) -> Side:
        """Leave out the points of weight 0; the unit is 1 and the origin 0."""
        one = torch.ones(whole.points.shape[0], dtype=torch.float64, device=whole.device)
        zero = torch.zeros_like(whole.points[:, :1])
        heavy = whole.weights.detach() > 0
        sizes = heavy.sum(1).tolist()
        if tuple(sizes) == (whole.sizes or (heavy.shape[1],) * len(sizes)):
            return cls(whole, None, None, whole, one, zero)
        # A stable sort brings the heavy points to the front, in their order.
        index = torch.argsort(~heavy, dim=1, stable=True)[:, : max(sizes)]
        kept = (
            torch.arange(max(sizes), device=whole.device) < torch.tensor(sizes, device=whole.device)[:, None]
        )
        # What fills a problem up is a copy of its first point, as in any ragged batch.
        index = torch.where(kept, index, index[:, :1])
        points = whole.points.gather(1, index[..., None].expand(-1, -1, whole.points.shape[2]))
        weights = whole.weights.gather(1, index) * kept
        ragged = None if len(set(sizes)) == 1 else tuple(sizes)
        given = None if whole.given is None else whole.given.gather(1, index) * kept
        measure = replace(whole, points=points, weights=weights, sizes=ragged, given=given)
        return cls(measure, index, kept, whole, one, zero)

    def in_units(self, unit: Tensor, origin: Tensor) -> Side:
        """Return the side with an origin taken from its points and divided by a power of two."""
        centered = self.measure.points - origin
        points = centered / unit[:, None, None].to(origin.dtype)
        if points.dtype == torch.float32 and bool(((centered != 0) & (points.abs() < _SUBNORMAL)).any()):
            points = (
                centered.double() / unit[:, None, None]
            )  # beside the largest coordinates it has no room for these
        return replace(self, measure=replace(self.measure, points=points), unit=unit, origin=origin)

    def scatter(self, values: Tensor, fill: float = 0.0) -> Tensor:
        """Put one value or row a kept point, (B, k, ...), in its place among all points, (B, n, ...)."""
        if self.index is None or self.kept is None:
            return values
        # What fills a problem up goes to one more row, which is cut off.
        n = self.whole.points.shape[1]
        index = self.index.where(self.kept, n).reshape(*self.index.shape, *[1] * (values.ndim - 2))
        out = values.new_full((values.shape[0], n + 1, *values.shape[2:]), fill)
        return out.scatter(1, index.expand_as(values), values)[:, :n]

    def gather(self, values: Tensor) -> Tensor:
        """Take one value or row a point, (B, n, ...), for the kept points, (B, k, ...); 0 where filled up."""
        if self.index is None or self.kept is None:
            return values
        index = self.index.reshape(*self.index.shape, *[1] * (values.ndim - 2))
        mask = self.kept.reshape(*self.kept.shape, *[1] * (values.ndim - 2))
        return values.gather(1, index.expand(-1, -1, *values.shape[2:])) * mask

    def left_out(self) -> tuple[Tensor, Tensor] | None:
        """Points of weight 0 in units, float64, and where they are: (B, n, d) and a mask (B, n); None where none are."""
        if self.index is None:
            return None
        light = self.whole.weights.detach() == 0
        points = self.whole.points.detach().double() - self.origin.double()
        return points / self.unit[:, None, None], light


@dataclass(frozen=True, eq=False)
class NormalForm:
    """Two measures in normal form, in one unit.

    Attributes
    ----------
    x, y : Side
    cost : Cost
        The cost between points in normal form.
    unit : Tensor, shape (B,), float64
        The power of two that coordinates were divided by.
    length : Tensor, shape (B,), float64
        What a distance of the normal form is multiplied by.
    scale : Tensor, shape (B,), float64
        What a cost of the normal form is multiplied by: length^p, or 1 where a root is taken of it first.
    """

    x: Side
    y: Side
    cost: Cost
    unit: Tensor
    length: Tensor
    scale: Tensor

    @classmethod
    def of(cls, problem: Pair, cost: Cost, *, rooted: bool = False) -> NormalForm:
        """Bring a problem to normal form.

        Parameters
        ----------
        problem : Pair
        cost : Cost
            As it was posed with the pair.
        rooted : bool
            Whether results leave as lengths: then costs may be beyond float64, and stay in units of length^p.

        Raises
        ------
        OverflowError
            If costs in the caller's units are beyond float64, or all vanish though points differ.
        """
        # Gradients follow from the solution: what is solved needs no graph, and a result that is kept must hold none.
        x, y = (
            Side.of(replace(side, points=side.points.detach(), weights=side.weights.detach()))
            for side in (problem.x, problem.y)
        )
        normal = cost.normal(x.measure.points, y.measure.points, rooted=rooted)
        scale = torch.ones_like(normal.length) if rooted else normal.length**cost.p
        sides = [side.in_units(normal.unit, normal.origin) for side in (x, y)]
        return cls(sides[0], sides[1], normal.cost, normal.unit, normal.length, scale)

    @property
    def pair(self) -> Pair:
        """The problem that solvers see."""
        x, y = self.x.measure, self.y.measure
        dtype = torch.promote_types(x.points.dtype, y.points.dtype)
        return Pair(*(replace(side, points=side.points.to(dtype)) for side in (x, y)))

    def restore(self, coupling: Solved, epsilon: Tensor | None = None) -> Coupling:
        """Return the solution of the normal form as that of the problem: all points, the caller's units.

        Parameters
        ----------
        coupling : Solved
        epsilon : Tensor, shape (B,), optional
            ε as the caller gave it.
        """
        return Restored(coupling, self, epsilon)

    def against_itself(self) -> tuple[NormalForm, NormalForm]:
        """Return the normal forms of x with itself and of y with itself, in the same unit."""
        costs = self.cost.of_selves()
        return replace(self, y=self.x, cost=costs[0]), replace(self, x=self.y, cost=costs[1])
