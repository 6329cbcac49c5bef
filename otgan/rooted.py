"""A solution seen as a distance: root, unit and gradients at once, where each alone may leave the range of float64."""

from __future__ import annotations

from functools import cached_property

from otgan.namespace import Array, beside, namespace
from otgan.restored import Restored

__all__ = ["Rooted", "root"]


def root(value: Array, p: float) -> Array:
    """value^(1/p) with the gradient 0, not infinity or NaN, at 0."""
    if p == 1:
        return value
    xp, positive = namespace(value), value > 0
    return xp.where(positive, xp.where(positive, value, 1.0) ** (1 / p), 0.0)


class Rooted(Restored):
    """The distance (min ⟨P, C⟩)^(1/p), in the caller's units, as the value of a coupling whose form is rooted."""

    @cached_property
    def value(self) -> Array:
        """The distance, shape (B,)."""
        return root(self.inner.value, self.p) * self.form.length

    @property
    def _slope(self) -> Array:
        """Derivative of the distance in normal form by the cost V, (1/p) V^(1/p − 1): 0 where V is, unless it is 1."""
        value, xp = self.inner.value, namespace(self.inner.value)
        if self.p == 1:
            return xp.ones_like(value)
        positive = value > 0
        return xp.where(positive, xp.where(positive, value, 1.0) ** (1 / self.p - 1) / self.p, 0.0)

    @property
    def per_cost(self) -> Array:
        """Derivative of the distance by the cost in the caller's units."""
        return self._slope * self.form.length ** (1 - self.p)

    def point_gradients(self) -> tuple[Array, Array]:
        """Gradients of the distance in x and y."""
        unit = (self.form.length / self.form.unit)[:, None, None]
        sides = zip((self.form.x, self.form.y), self.inner.point_gradients(), strict=True)
        slope = self._slope[:, None, None]
        in_x, in_y = (side.scatter(pull * slope * unit) for side, pull in sides)
        return in_x, in_y

    def weight_gradients(self) -> tuple[Array, Array]:
        """Gradients of the distance in a and b."""
        unit, slope = beside(self.form.length, self._slope)[:, None], self._slope[:, None]
        in_a, in_b = (each * slope * unit for each in super().weight_gradients())
        return in_a, in_b
