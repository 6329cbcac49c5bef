"""The normal form of a problem: no points without mass, coordinates of order one.

Every solver works on normal forms, so that none meets points that must not matter, or costs out of range. Points of
weight 0 are left out, and get their potentials afterwards, on the way back (:mod:`otgan.restored`). What brings costs to
order one is the cost's own affair: powers of two, which are exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from otgan.costs.base import Cost
from otgan.coupling import Coupling, Solved
from otgan.measure import Measure
from otgan.namespace import (
    Array,
    arange,
    as_tensor,
    beside,
    detached,
    double,
    full,
    is_double,
    is_tensor,
    namespace,
    of_type,
    ones,
    zeros,
)
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
    index : Array, shape (B, k), or None
        Which points of the original they are; None where all are kept.
    kept : Array, shape (B, k), bool, or None
        Which entries of `index` are points, and not what fills a problem with fewer of them up.
    whole : Measure
        The measure as it was given.
    unit : Array, shape (B,)
    origin : Array, shape (B, 1, d)
        What was taken from the points before they were divided.
    """

    measure: Measure
    index: Array | None
    kept: Array | None
    whole: Measure
    unit: Array
    origin: Array

    @classmethod
    def of(cls, whole: Measure) -> Side:
        """Leave out the points of weight 0; the unit is 1 and the origin 0."""
        one = ones(whole.count, whole.points)
        zero = zeros((whole.count, 1, whole.points.shape[2]), whole.points, whole.points.dtype)
        heavy = detached(whole.weights) > 0
        sizes = heavy.sum(1).tolist()
        if tuple(sizes) == (whole.sizes or (heavy.shape[1],) * len(sizes)):
            return cls(whole, None, None, whole, one, zero)
        # A stable sort brings the heavy points to the front, in their order.
        xp = namespace(heavy)
        index = xp.argsort(~heavy, axis=1, stable=True)[:, : max(sizes)]
        kept = arange(max(sizes), heavy) < beside(np.array(sizes), heavy)[:, None]
        # What fills a problem up is a copy of its first point, as in any ragged batch.
        index = xp.where(kept, index, index[:, :1])
        row = arange(whole.count, index)[:, None]
        ragged = None if len(set(sizes)) == 1 else tuple(sizes)
        given = None if whole.given is None else whole.given[row, index] * kept
        measure = replace(
            whole,
            points=whole.points[row, index],
            weights=whole.weights[row, index] * kept,
            sizes=ragged,
            given=given,
        )
        return cls(measure, index, kept, whole, one, zero)

    def in_units(self, unit: Array, origin: Array) -> Side:
        """Return the side with an origin taken from its points and divided by a power of two, in memory of its own.

        A result computes from it what it is asked for, when the caller's array may hold something else.
        """
        if isinstance(unit, np.ndarray) and (unit == 1).all() and not origin.any():
            centered = points = self.measure.points.copy()
        else:
            centered = self.measure.points - origin
            points = centered / of_type(unit, origin.dtype)[:, None, None]
        if not is_double(points.dtype) and bool(((centered != 0) & (abs(points) < _SUBNORMAL)).any()):
            # beside the largest coordinates it has no room for these
            points = double(centered) / unit[:, None, None]
        return replace(self, measure=replace(self.measure, points=points), unit=unit, origin=origin)

    def as_tensors(self) -> Side:
        """Return the side with tensors for arrays."""
        index, kept = (None if each is None else as_tensor(each) for each in (self.index, self.kept))
        unit, origin = as_tensor(self.unit), as_tensor(self.origin)
        return Side(self.measure.as_tensors(), index, kept, self.whole.as_tensors(), unit, origin)

    def scatter(self, values: Array, fill: float = 0.0) -> Array:
        """Put one value or row a kept point, (B, k, ...), in its place among all points, (B, n, ...)."""
        if self.index is None or self.kept is None:
            return values
        # What fills a problem up goes to one more row, which is cut off.
        n, xp = self.whole.points.shape[1], namespace(values)
        row, index = arange(len(values), values)[:, None], xp.where(self.kept, self.index, n)
        out = full((len(values), n + 1, *values.shape[2:]), fill, values, values.dtype)
        if is_tensor(values):
            return out.index_put((row, index), values)[:, :n]  # which may need a gradient
        out[row, index] = values
        return out[:, :n]

    def gather(self, values: Array) -> Array:
        """Take one value or row a point, (B, n, ...), for the kept points, (B, k, ...); 0 where filled up."""
        if self.index is None or self.kept is None:
            return values
        taken = values[arange(len(values), values)[:, None], self.index]
        return taken * self.kept.reshape(*self.kept.shape, *[1] * (values.ndim - 2))

    def left_out(self) -> tuple[Array, Array] | None:
        """Points of weight 0 in units, float64, and where they are: (B, n, d) and a mask (B, n); None where none are."""
        if self.index is None:
            return None
        light = detached(self.whole.weights) == 0
        points = double(detached(self.whole.points)) - double(self.origin)
        return points / self.unit[:, None, None], light


@dataclass(frozen=True, eq=False)
class NormalForm:
    """Two measures in normal form, in one unit.

    Attributes
    ----------
    x, y : Side
    cost : Cost
        The cost between points in normal form.
    unit : Array, shape (B,), float64
        The power of two that coordinates were divided by.
    length : Array, shape (B,), float64
        What a distance of the normal form is multiplied by.
    scale : Array, shape (B,), float64
        What a cost of the normal form is multiplied by: length^p, or 1 where a root is taken of it first.
    """

    x: Side
    y: Side
    cost: Cost
    unit: Array
    length: Array
    scale: Array

    @classmethod
    def of(cls, problem: Pair, cost: Cost, *, rooted: bool = False) -> NormalForm:
        """Bring a problem to normal form.

        Parameters
        ----------
        problem : Pair
            In the library that the solver works with.
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
        x, y = (Side.of(side.detached()) for side in (problem.x, problem.y))
        normal = cost.normal(x.measure.points, y.measure.points, rooted=rooted)
        scale = ones(len(normal.length), normal.length) if rooted else normal.length**cost.p
        sides = [side.in_units(normal.unit, normal.origin) for side in (x, y)]
        return cls(sides[0], sides[1], normal.cost, normal.unit, normal.length, scale)

    @property
    def pair(self) -> Pair:
        """The problem that solvers see."""
        x, y = self.x.measure, self.y.measure
        if x.points.dtype == y.points.dtype:
            return Pair(x, y)
        return Pair(*(replace(side, points=double(side.points)) for side in (x, y)))

    def restore(self, coupling: Solved, epsilon: Array | None = None) -> Coupling:
        """Return the solution of the normal form as that of the problem: all points, the caller's units.

        Parameters
        ----------
        coupling : Solved
        epsilon : Array, shape (B,), optional
            ε as the caller gave it.
        """
        return Restored(coupling, self, epsilon)

    def against_itself(self) -> tuple[NormalForm, NormalForm]:
        """Return the normal forms of x with itself and of y with itself, in the same unit."""
        costs = self.cost.of_selves()
        return replace(self, y=self.x, cost=costs[0]), replace(self, x=self.y, cost=costs[1])
