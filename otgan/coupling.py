"""What a solver hands on: the value, the potentials and the plan of a batch of solved problems, plan unbuilt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from otgan.form import in_type
from otgan.mistakes import UnsupportedError
from otgan.pair import Pair

__all__ = ["STEEPEST", "Coupling", "Solved", "center", "once", "value_of"]

STEEPEST = 1e150
"""What stands for a gradient in a weight that is beyond the range."""


class Coupling(ABC):
    """A batch of B solved problems between points x (B, n, d) and y (B, m, d) of weights a and b.

    Everything is float64 on the device of the points, and detached; weights are those that were solved for.

    Attributes
    ----------
    value : Tensor, shape (B,)
        The objective at the solution.
    balanced : bool
        Whether the marginals are constraints, for normalized weights, and not penalties.
    f, g : Tensor, shapes (B, n) and (B, m)
        Potentials in units of the cost, with ⟨a, f⟩ = ⟨b, g⟩.
    error : Tensor, shape (B,)
        L1 error of both marginals.
    rounding : Tensor, shape (B,)
        By how much the rounding of costs and potentials may change that error; NaN where it left nothing of the plan.
    iterations : Tensor, shape (B,)
    epsilon : Tensor, shape (B,), or None
        None where the problem is exact.
    backend : str
    p : float
        The power of the distance.
    """

    a: Tensor
    b: Tensor
    value: Tensor
    f: Tensor
    g: Tensor
    error: Tensor
    rounding: Tensor
    iterations: Tensor
    epsilon: Tensor | None
    backend: str
    p: float
    balanced: bool = True

    @abstractmethod
    def linear_cost(self) -> Tensor:
        """⟨P, C⟩, shape (B,)."""

    @abstractmethod
    def plan(self) -> Tensor:
        """P of shape (B, n, m)."""

    @abstractmethod
    def apply(self, v: Tensor, axis: int) -> Tensor:
        """P v for axis 1, Pᵀ v for axis 0, without P; v has shape (B, m or n, k)."""

    @abstractmethod
    def barycenters(self) -> Tensor:
        """Mean of the points y that each point x is sent to, shape (B, n, d)."""

    @abstractmethod
    def bounds(self) -> tuple[Tensor, Tensor]:
        """Certified lower and upper bounds of the exact cost min ⟨P, C⟩, each of shape (B,)."""

    @abstractmethod
    def point_gradients(self) -> tuple[Tensor, Tensor]:
        """Gradients of the value in x and y at the solution, shapes (B, n, d) and (B, m, d)."""

    def slope(self, potential: Tensor, of_x: bool) -> Tensor:
        """Gradient of the value in the weights of points that have a potential, on the side of x or of y."""
        del of_x
        return potential

    def weight_gradients(self) -> tuple[Tensor, Tensor]:
        """Gradients of the value in a and b (up to a constant, for normalized weights)."""
        return self.slope(self.f, True), self.slope(self.g, False)

    def differentiable_gradients(self, x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        """Gradients of the value in x, y, a and b that can be differentiated again, or refuse to be."""
        grads = (*self.point_gradients(), *self.weight_gradients())
        return tuple(once(grad, x, y, a, b) for grad in grads)


class Solved(Coupling):
    """What a solver itself hands on: a coupling in normal form, whose potentials can be extended to more points."""

    @abstractmethod
    def extended(
        self, points: Tensor, others: Tensor, potential: Tensor, weights: Tensor, *, of_x: bool
    ) -> Tensor:
        """Potential of new points of weight 0 on one side, shape (B, k), from that of the other side's points.

        Parameters
        ----------
        points, others : Tensor, shapes (B, k, d) and (B, m, d)
        potential, weights : Tensor, shape (B, m)
            Of `others`.
        of_x : bool
            Whether the new points are on the side of x.
        """


def center(f: Tensor, g: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Shift potentials so that ⟨a, f⟩ = ⟨b, g⟩, which changes neither the plan nor the dual value."""
    shift = 0.5 * ((b * g).sum(1, keepdim=True) - (a * f).sum(1, keepdim=True))
    return f + shift, g - shift


def value_of(coupling: Coupling, problem: Pair) -> Tensor:
    """The coupling's value, shape (B,), with gradients in points and weights by the envelope theorem.

    Gradients in what a cost itself is made of are the cost's to add.
    """
    x, y = problem.x.points, problem.y.points
    a, b = problem.x.weights, problem.y.weights
    if not coupling.balanced:
        a, b = a * problem.x.mass[:, None], b * problem.y.mass[:, None]
    if torch.is_grad_enabled() and any(t.requires_grad for t in (x, y, a, b)):
        value: Tensor = _Value.apply(x, y, a, b, coupling)
        return value
    return coupling.value


class _Value(torch.autograd.Function):
    """The value as a function of points and weights: at the solution only the explicit dependence counts."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, a: Tensor, b: Tensor, coupling: Coupling) -> Tensor:
        ctx.coupling, ctx.dtypes = coupling, (x.dtype, y.dtype, a.dtype, b.dtype)
        ctx.save_for_backward(x, y, a, b)
        return coupling.value.clone()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        need_x, need_y, need_a, need_b = ctx.needs_input_grad[:4]
        if torch.is_grad_enabled():  # create_graph=True
            grads = ctx.coupling.differentiable_gradients(*ctx.saved_tensors)
            shaped = [upstream.reshape(-1, *[1] * (grad.ndim - 1)) * grad for grad in grads]
            kept = zip(shaped, ctx.needs_input_grad, ctx.dtypes, strict=False)
            return (*(in_type(grad, dtype) if need else None for grad, need, dtype in kept), None)
        out: list[Tensor | None] = [None] * 4
        if need_x or need_y:
            pulls = ctx.coupling.point_gradients()
            for k, need in enumerate((need_x, need_y)):
                out[k] = in_type(upstream[:, None, None] * pulls[k], ctx.dtypes[k]) if need else None
        if need_a or need_b:
            slopes = ctx.coupling.weight_gradients()
            for k, need in enumerate((need_a, need_b)):
                # Mass far away may be worth more than any number; its product with a weight of 0 must stay 0.
                steep = (upstream[:, None] * slopes[k]).clamp(-STEEPEST, STEEPEST) if need else None
                out[2 + k] = None if steep is None else steep.to(ctx.dtypes[2 + k])
        return (*out, None)


def once(gradient: Tensor, *inputs: Tensor) -> Tensor:
    """A gradient that depends on inputs, and is an error to differentiate in them where it is not 0 upstream."""
    found: Tensor = _Once.apply(gradient, *inputs)
    return found


class _Once(torch.autograd.Function):
    """A gradient that depends on the inputs but cannot be differentiated in them.

    torch's `once_differentiable` takes such a gradient for a constant where nothing upstream needs a gradient; the
    second derivatives of a sum of losses would then lack a term, quietly.
    """

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, *inputs: Tensor) -> Tensor:
        ctx.count = 1 + len(inputs)
        return gradient.clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[None, ...]:
        if not any(bool(each.any()) for each in upstream):  # nobody asks
            return (None,) * ctx.count
        raise UnsupportedError(
            "otgan's distances are differentiable once, got a second derivative (create_graph=True and a backward "
            "pass through the gradient): detach the gradient, or use finite differences of it"
        )
