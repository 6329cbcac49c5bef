"""The way back from the normal form: its solution as that of the problem, of all points and in the caller's units."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from otgan.coupling import STEEPEST, Coupling, Solved
from otgan.mistakes import WrongValueError
from otgan.namespace import (
    Array,
    arange,
    as_numpy,
    as_tensor,
    beside,
    detached,
    double,
    largest_of,
    namespace,
)
from otgan.rounding import UNIT

if TYPE_CHECKING:
    from otgan.normal_form import NormalForm, Side

__all__ = ["Restored"]

_MANTISSA = 0.5
"""What a power of two has before its exponent, as :func:`numpy.frexp` splits numbers."""

_WEIGHTLESS = (
    "there are no second derivatives in weights that are 0, got some (create_graph=True and a backward pass through the gradient): "
    "leave these points out, or give them a little weight"
)


class Restored(Coupling):
    """The solution of a normal form, seen from the problem that it stands for.

    Points of weight 0 take no part in the plan; their potentials are what a new point there would have, the soft or
    hard minimum over the other side, and −∞ where the type of the samples cannot hold it.
    """

    def __init__(self, inner: Solved, form: NormalForm, epsilon: Array | None) -> None:
        self.inner, self.form, self.epsilon, self.p = inner, form, epsilon, form.cost.p
        self.a, self.b = form.x.scatter(inner.a), form.y.scatter(inner.b)
        self.balanced, self.backend, self.iterations = inner.balanced, inner.backend, inner.iterations

    @cached_property
    def value(self) -> Array:
        """The objective at the solution."""
        return self.inner.value * self.form.scale

    @cached_property
    def error(self) -> Array:
        """L1 error of both marginals, which has no unit."""
        return self.inner.error

    @property
    def rounding(self) -> Array:
        """What rounding may add to the error."""
        return self.inner.rounding

    @cached_property
    def f(self) -> Array:
        """Potential of x."""
        y = double(detached(self.form.y.measure.points))
        return self._potential(self.form.x, self.inner.f, y, self.inner.g, self.inner.b, of_x=True)

    @cached_property
    def g(self) -> Array:
        """Potential of y."""
        x, f, weights = double(detached(self.form.x.measure.points)), self.inner.f, self.inner.a
        light = self.form.x.left_out()
        if self.inner.epsilon is None and light is not None:
            # Hard minima must be feasible for pairs of two points of weight 0 as well.
            f = self.f / self.form.scale[:, None]
            xp = namespace(f)
            known = xp.isfinite(f)
            x, weights = xp.where(known[..., None], light[0], 0.0), double(known)
        return self._potential(self.form.y, self.inner.g, x, f, weights, of_x=False)

    def _potential(
        self, here: Side, own: Array, others: Array, other: Array, weights: Array, *, of_x: bool
    ) -> Array:
        """Potential of all points of a side, those of weight 0 included, in the caller's units."""
        scale = self.form.scale[:, None]
        values = here.scatter(own) * scale
        light = here.left_out()
        if light is None:
            return values
        points, mask = light
        xp = namespace(values)
        # Only the points of weight 0, as many a problem as the problem with most of them has.
        row = arange(len(values), values)[:, None]
        index = xp.argsort(~mask, axis=1, stable=True)[:, : int(mask.sum(1).max())]
        found = self.inner.extended(points[row, index], others, other, weights, of_x=of_x) * scale
        largest = largest_of(here.whole.dtype)  # what the samples' type cannot hold is not there for anybody
        found = xp.where(abs(found) <= largest, found, -math.inf)
        values = xp.asarray(values, copy=True)
        values[row, index] = xp.where(mask[row, index], found, values[row, index])
        return values

    def linear_cost(self) -> Array:
        """⟨P, C⟩, shape (B,)."""
        return self.inner.linear_cost() * self.form.scale

    def plan(self) -> Array:
        """P of shape (B, n, m)."""
        form, inner = self.form, self.inner.plan()
        return form.y.scatter(form.x.scatter(inner).mT).mT

    def plan_rows(self, rows: slice) -> Array:
        """Some rows of P: alone, where no point of x was left out."""
        if self.form.x.index is not None:
            return super().plan_rows(rows)
        return self.form.y.scatter(self.inner.plan_rows(rows).mT).mT

    def sparse(self) -> list[tuple[Array, Array, Array]] | None:
        """Arcs between all points, by rows: those of weight 0 have none."""
        arcs = self.inner.sparse()
        if arcs is None:
            return None
        places = [None if side.index is None else as_numpy(side.index) for side in (self.form.x, self.form.y)]
        return [
            (*(end if of is None else of[k][end] for of, end in zip(places, ends, strict=True)), mass)
            for k, (*ends, mass) in enumerate(arcs)
        ]

    def apply(self, v: Array, axis: int) -> Array:
        """P v for axis 1, Pᵀ v for axis 0."""
        into, out = (self.form.y, self.form.x) if axis == 1 else (self.form.x, self.form.y)
        return out.scatter(self.inner.apply(into.gather(v), axis))

    def barycenters(self) -> Array:
        """Mean of the points y that each point x is sent to; NaN where x has no weight."""
        if not self.form.cost.embedded:
            raise WrongValueError(
                f"a barycentric map needs points, which cost={self.form.cost.name!r} does not tell: use apply(y) / "
                "apply(ones) with points of your own"
            )
        means = self.inner.barycenters() * self.form.unit[:, None, None] + double(self.form.y.origin)
        return self.form.x.scatter(means, math.nan)

    def bounds(self) -> tuple[Array, Array]:
        """Certified bounds of the exact cost, in the caller's units."""
        # The product with a power of two is exact, unless p is no whole number: then power and product are rounded.
        scale = self.form.scale
        mantissa = beside(np.frexp(as_numpy(scale))[0], scale)
        inexact = 4 * UNIT * (mantissa != _MANTISSA)
        lower, upper = self.inner.bounds()
        return lower * scale * (1 - inexact), upper * scale * (1 + inexact)

    def point_gradients(self) -> tuple[Array, Array]:
        """Gradients of the value in x and y; points of weight 0 pull with no force."""
        unit = (self.form.scale / self.form.unit)[:, None, None]
        in_x, in_y = self.inner.point_gradients()
        return self.form.x.scatter(in_x * unit), self.form.y.scatter(in_y * unit)

    def weight_gradients(self) -> tuple[Array, Array]:
        """Gradients of the value in a and b, the potentials; finite everywhere, for products with weights of 0."""
        scale = self.form.scale[:, None]
        inner = self.inner.weight_gradients()
        sides = []
        for side, own, full in ((self.form.x, inner[0], self.f), (self.form.y, inner[1], self.g)):
            values = side.scatter(own * scale)
            light = side.left_out()
            if light is not None:
                # A potential that no number can hold is −∞ for the plan, and larger than any for the value.
                xp = namespace(full)
                level = xp.where(full == -math.inf, math.inf, full / scale)
                slope = self.inner.slope(level, side is self.form.x) * scale
                # Mass that far away would raise the value beyond any number.
                slope = xp.where(xp.isfinite(slope), slope, STEEPEST)
                values = xp.where(light[1], slope, values)
            sides.append(values)
        return sides[0], sides[1]

    def differentiable_gradients(self, x: Any, y: Any, a: Any, b: Any) -> tuple[Any, ...]:
        """Gradients of the value, in tensors, that can be differentiated again."""
        if self.inner.epsilon is None:  # an exact plan has no derivative, or none that is not 0
            return super().differentiable_gradients(x, y, a, b)
        import torch

        from otgan.autograd import once

        unit, scale = as_tensor(self.form.unit), as_tensor(self.form.scale)
        sides = (self.form.x.as_tensors(), self.form.y.as_tensors())
        points = [
            s.gather(v.double() - s.origin.double()) / unit[:, None, None]
            for s, v in zip(sides, (x, y), strict=True)
        ]
        weights = [s.gather(v.double()) for s, v in zip(sides, (a, b), strict=True)]
        inner = self.inner.differentiable_gradients(*points, *weights)
        # What a point of weight 0 would add to the others' gradients, were it given mass, is not computed, and not taken for 0.
        weightless = [
            v[light[1]] for s, v in zip(sides, (a, b), strict=True) if (light := s.left_out()) is not None
        ]
        if weightless:
            inner = tuple(each + once(torch.zeros_like(each), *weightless, why=_WEIGHTLESS) for each in inner)
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
                values = torch.where(light[1], once(as_tensor(constant), x, y, a, b), values)
            pulls.append(force)
            slopes.append(values)
        return (*pulls, *slopes)
