"""What a solver hands on: the value, the potentials and the plan of a batch of solved problems, plan unbuilt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from otgan.namespace import Array, beside, ones

__all__ = ["STEEPEST", "Coupling", "Solved", "center"]

STEEPEST = 1e150
"""What stands for a gradient in a weight that is beyond the range."""


class Coupling(ABC):
    """A batch of B solved problems between points x (B, n, d) and y (B, m, d) of weights a and b.

    Everything is float64, detached, and of the library and on the device that the solver works with; weights are those
    that were solved for.

    Attributes
    ----------
    value : Array, shape (B,)
        The objective at the solution.
    balanced : bool
        Whether the marginals are constraints, for normalized weights, and not penalties.
    f, g : Array, shapes (B, n) and (B, m)
        Potentials in units of the cost, with ⟨a, f⟩ = ⟨b, g⟩.
    error : Array, shape (B,)
        L1 error of both marginals.
    rounding : Array, shape (B,)
        By how much the rounding of costs and potentials may change that error; NaN where it left nothing of the plan.
    iterations : Array, shape (B,)
    epsilon : Array, shape (B,), or None
        None where the problem is exact.
    backend : str
    p : float
        The power of the distance.
    """

    a: Array
    b: Array
    value: Array
    f: Array
    g: Array
    error: Array
    rounding: Array
    iterations: Array
    epsilon: Array | None
    backend: str
    p: float
    balanced: bool = True

    @property
    def entire(self) -> Coupling:
        """The solution of all points, where this is that of a rank's own."""
        return self

    @abstractmethod
    def linear_cost(self) -> Array:
        """⟨P, C⟩, shape (B,)."""

    @property
    def columns_of_plan(self) -> int:
        """Columns of P."""
        return int(self.b.shape[1])

    @abstractmethod
    def plan(self) -> Array:
        """P of shape (B, n, m)."""

    def plan_rows(self, rows: slice) -> Array:
        """Some rows of P, shape (B, k, m)."""
        return self.plan()[:, rows]

    def sparse(self) -> list[tuple[Array, Array, Array]] | None:
        """Arcs (i, j, mass) that carry all mass, of every problem, by rows; None where the plan is dense."""
        return None

    @abstractmethod
    def apply(self, v: Array, axis: int) -> Array:
        """P v for axis 1, Pᵀ v for axis 0, without P; v has shape (B, m or n, k)."""

    @abstractmethod
    def barycenters(self) -> Array:
        """Mean of the points y that each point x is sent to, shape (B, n, d)."""

    @abstractmethod
    def bounds(self) -> tuple[Array, Array]:
        """Certified lower and upper bounds of the exact cost min ⟨P, C⟩, each of shape (B,)."""

    @property
    def per_cost(self) -> Array:
        """Derivative of the value by the cost ⟨P, C⟩ in the caller's units, shape (B,)."""
        return ones(len(self.value), self.value)

    @abstractmethod
    def point_gradients(self) -> tuple[Array, Array]:
        """Gradients of the value in x and y at the solution, shapes (B, n, d) and (B, m, d)."""

    def slope(self, potential: Array, of_x: bool) -> Array:
        """Gradient of the value in the weights of points that have a potential, on the side of x or of y."""
        del of_x
        return potential

    def weight_gradients(self) -> tuple[Array, Array]:
        """Gradients of the value in a and b (up to a constant, for normalized weights)."""
        return self.slope(self.f, True), self.slope(self.g, False)

    def differentiable_gradients(self, x: Any, y: Any, a: Any, b: Any) -> tuple[Any, ...]:
        """Gradients of the value in x, y, a and b, tensors, that can be differentiated again, or refuse to be."""
        from otgan.autograd import once  # whoever asks has torch

        grads = (*self.point_gradients(), *self.weight_gradients())
        return tuple(once(beside(grad, x), x, y, a, b) for grad in grads)


class Solved(Coupling):
    """What a solver itself hands on: a coupling in normal form, whose potentials can be extended to more points."""

    @abstractmethod
    def extended(
        self, points: Array, others: Array, potential: Array, weights: Array, *, of_x: bool
    ) -> Array:
        """Potential of new points of weight 0 on one side, shape (B, k), from that of the other side's points.

        Parameters
        ----------
        points, others : Array, shapes (B, k, d) and (B, m, d)
        potential, weights : Array, shape (B, m)
            Of `others`.
        of_x : bool
            Whether the new points are on the side of x.
        """


def center(f: Array, g: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Shift potentials so that ⟨a, f⟩ = ⟨b, g⟩, which changes neither the plan nor the dual value."""
    shift = 0.5 * ((b * g).sum(1) - (a * f).sum(1))[:, None]
    return f + shift, g - shift
