"""The normal form of a problem: no points without mass, coordinates of order one; and the way back from it.

Every solver works on normal forms, so that none meets points that must not matter, or costs out of range. Points of
weight 0 are left out, and get their potentials afterwards. What brings costs to order one is the cost's own affair:
powers of two, which are exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from otgan.costs.base import Cost
from otgan.coupling import STEEPEST, Coupling, Solved, once
from otgan.measure import Measure, Pair
from otgan.mistakes import WrongValueError
from otgan.rounding import UNIT

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


class Restored(Coupling):
    """The solution of a normal form, seen from the problem that it stands for.

    Points of weight 0 take no part in the plan; their potentials are what a new point there would have, the soft or
    hard minimum over the other side, and −∞ where the type of the samples cannot hold it.
    """

    def __init__(self, inner: Solved, form: NormalForm, epsilon: Tensor | None) -> None:
        self.inner, self.form, self.epsilon, self.p = inner, form, epsilon, form.cost.p
        self.a, self.b = form.x.scatter(inner.a), form.y.scatter(inner.b)
        self.balanced, self.backend, self.iterations = inner.balanced, inner.backend, inner.iterations

    @cached_property
    def value(self) -> Tensor:  # type: ignore[override]
        """The objective at the solution."""
        return self.inner.value * self.form.scale

    @cached_property
    def error(self) -> Tensor:  # type: ignore[override]
        """L1 error of both marginals, which has no unit."""
        return self.inner.error

    @property
    def rounding(self) -> Tensor:  # type: ignore[override]
        """What rounding may add to the error."""
        return self.inner.rounding

    @cached_property
    def f(self) -> Tensor:  # type: ignore[override]
        """Potential of x."""
        y = self.form.y.measure.points.detach().double()
        return self._potential(self.form.x, self.inner.f, y, self.inner.g, self.inner.b, of_x=True)

    @cached_property
    def g(self) -> Tensor:  # type: ignore[override]
        """Potential of y."""
        x, f, weights = self.form.x.measure.points.detach().double(), self.inner.f, self.inner.a
        light = self.form.x.left_out()
        if self.inner.epsilon is None and light is not None:
            # Hard minima must be feasible for pairs of two points of weight 0 as well.
            f = self.f / self.form.scale[:, None]
            known = torch.isfinite(f)
            x, weights = torch.where(known[..., None], light[0], 0.0), known.double()
        return self._potential(self.form.y, self.inner.g, x, f, weights, of_x=False)

    def _potential(
        self, here: Side, own: Tensor, others: Tensor, other: Tensor, weights: Tensor, *, of_x: bool
    ) -> Tensor:
        """Potential of all points of a side, those of weight 0 included, in the caller's units."""
        scale = self.form.scale[:, None]
        values = here.scatter(own) * scale
        light = here.left_out()
        if light is None:
            return values
        points, mask = light
        # Only the points of weight 0, as many a problem as the problem with most of them has.
        index = torch.argsort(~mask, dim=1, stable=True)[:, : int(mask.sum(1).max())]
        some = points.gather(1, index[..., None].expand(-1, -1, points.shape[2]))
        found = self.inner.extended(some, others, other, weights, of_x=of_x) * scale
        largest = torch.finfo(
            here.whole.dtype
        ).max  # what the samples' type cannot hold is not there for anybody
        found = torch.where(found.abs() <= largest, found, -torch.inf)
        return values.scatter(1, index, torch.where(mask.gather(1, index), found, values.gather(1, index)))

    def linear_cost(self) -> Tensor:
        """⟨P, C⟩, shape (B,)."""
        return self.inner.linear_cost() * self.form.scale

    def plan(self) -> Tensor:
        """P of shape (B, n, m)."""
        form, inner = self.form, self.inner.plan()
        return form.y.scatter(form.x.scatter(inner).mT).mT

    def apply(self, v: Tensor, axis: int) -> Tensor:
        """P v for axis 1, Pᵀ v for axis 0."""
        into, out = (self.form.y, self.form.x) if axis == 1 else (self.form.x, self.form.y)
        return out.scatter(self.inner.apply(into.gather(v), axis))

    def barycenters(self) -> Tensor:
        """Mean of the points y that each point x is sent to; NaN where x has no weight."""
        if not self.form.cost.embedded:
            raise WrongValueError(
                f"a barycentric map needs points, which cost={self.form.cost.name!r} does not tell: use apply(y) / "
                "apply(ones) with points of your own"
            )
        means = self.inner.barycenters() * self.form.unit[:, None, None] + self.form.y.origin.double()
        return self.form.x.scatter(means, math.nan)

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Certified bounds of the exact cost, in the caller's units."""
        # The product with a power of two is exact, unless p is no whole number: then power and product are rounded.
        inexact = torch.where(torch.frexp(self.form.scale).mantissa == 0.5, 0.0, 4 * UNIT)
        lower, upper = self.inner.bounds()
        return lower * self.form.scale * (1 - inexact), upper * self.form.scale * (1 + inexact)

    def pull(self) -> tuple[Tensor, Tensor]:
        """Gradients of the value in x and y; points of weight 0 pull with no force."""
        unit = (self.form.scale / self.form.unit)[:, None, None]
        in_x, in_y = self.inner.pull()
        return self.form.x.scatter(in_x * unit), self.form.y.scatter(in_y * unit)

    def weight_gradients(self) -> tuple[Tensor, Tensor]:
        """Gradients of the value in a and b, the potentials; finite everywhere, for products with weights of 0."""
        scale = self.form.scale[:, None]
        inner = self.inner.weight_gradients()
        sides = []
        for side, own, full in ((self.form.x, inner[0], self.f), (self.form.y, inner[1], self.g)):
            values = side.scatter(own * scale)
            light = side.left_out()
            if light is not None:
                # A potential that no number can hold is −∞ for the plan, and larger than any for the value.
                level = (full / scale).masked_fill(full == -torch.inf, torch.inf)
                slope = self.inner.slope(level, side is self.form.x) * scale
                # Mass that far away would raise the value beyond any number.
                slope = torch.where(torch.isfinite(slope), slope, STEEPEST)
                values = torch.where(light[1], slope, values)
            sides.append(values)
        return sides[0], sides[1]

    def differentiable_gradients(self, x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        """Gradients of the value that can be differentiated again."""
        form, unit, scale = self.form, self.form.unit, self.form.scale
        sides = (form.x, form.y)
        points = [
            s.gather(v.double() - s.origin.double()) / unit[:, None, None]
            for s, v in zip(sides, (x, y), strict=True)
        ]
        weights = [s.gather(v.double()) for s, v in zip(sides, (a, b), strict=True)]
        inner = self.inner.differentiable_gradients(*points, *weights)
        pulls, slopes = [], []
        for side, pull, own, constant in zip(
            sides, inner[:2], inner[2:], self.weight_gradients(), strict=True
        ):
            force, values = (
                side.scatter(pull * (scale / unit)[:, None, None]),
                side.scatter(own * scale[:, None]),
            )
            light = side.left_out()
            if light is not None:
                # What points of weight 0 add to second derivatives is not computed, and not taken for 0.
                force = torch.where(light[1][..., None], once(torch.zeros_like(force), a, b), force)
                values = torch.where(light[1], once(constant, x, y, a, b), values)
            pulls.append(force)
            slopes.append(values)
        return (*pulls, *slopes)
