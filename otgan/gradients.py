"""Gradients of transport problems, for torch: values as functions of points and weights, by the envelope theorem."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from otgan.autograd import once
from otgan.coupling import STEEPEST, Coupling
from otgan.namespace import as_tensor
from otgan.pair import Pair
from otgan.rounding import in_type

__all__ = ["value_of"]


def value_of(coupling: Coupling, problem: Pair, own: tuple[Tensor, ...] = ()) -> Tensor:
    """The coupling's value, shape (B,), with gradients in points and weights by the envelope theorem.

    Gradients in what a cost itself is made of are the cost's to add.

    Parameters
    ----------
    coupling : Coupling
    problem : Pair
    own : tuple of Tensor
        What the cost itself is made of, or depends on: gradients in points and weights cannot be differentiated in it.
    """
    x, y = problem.x.points, problem.y.points
    a, b = problem.x.weights, problem.y.weights
    if not coupling.balanced:
        a, b = a * problem.x.mass[:, None], b * problem.y.mass[:, None]
    value: Tensor
    if torch.is_grad_enabled() and any(t.requires_grad for t in (x, y, a, b)):
        value = _Value.apply(x, y, a, b, coupling, own)
    else:
        value = as_tensor(coupling.value, x.device)
    return value


class _Value(torch.autograd.Function):
    """The value as a function of points and weights: at the solution only the explicit dependence counts."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor, a: Tensor, b: Tensor, coupling: Coupling, own: tuple[Tensor, ...]
    ) -> Tensor:
        ctx.coupling, ctx.own, ctx.dtypes = coupling, own, (x.dtype, y.dtype, a.dtype, b.dtype)
        ctx.save_for_backward(x, y, a, b)
        return as_tensor(coupling.value, x.device).clone()

    @staticmethod
    @np.errstate(all="ignore")
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        need_x, need_y, need_a, need_b = ctx.needs_input_grad[:4]
        if torch.is_grad_enabled():  # create_graph=True
            grads = ctx.coupling.differentiable_gradients(*ctx.saved_tensors)
            if ctx.own:  # a term of 0 that is an error to differentiate in these, and in these alone
                grads = tuple(grad + once(torch.zeros_like(grad), *ctx.own) for grad in grads)
            shaped = [upstream.reshape(-1, *[1] * (grad.ndim - 1)) * grad for grad in grads]
            kept = zip(shaped, ctx.needs_input_grad, ctx.dtypes, strict=False)
            return (*(in_type(grad, dtype) if need else None for grad, need, dtype in kept), None, None)
        out: list[Tensor | None] = [None] * 4
        if need_x or need_y:
            pulls = [as_tensor(each, upstream.device) for each in ctx.coupling.point_gradients()]
            for k, need in enumerate((need_x, need_y)):
                out[k] = in_type(upstream[:, None, None] * pulls[k], ctx.dtypes[k]) if need else None
        if need_a or need_b:
            slopes = [as_tensor(each, upstream.device) for each in ctx.coupling.weight_gradients()]
            for k, need in enumerate((need_a, need_b)):
                # Mass far away may be worth more than any number; its product with a weight of 0 must stay 0.
                steep = (upstream[:, None] * slopes[k]).clamp(-STEEPEST, STEEPEST) if need else None
                out[2 + k] = None if steep is None else steep.to(ctx.dtypes[2 + k])
        return (*out, None, None)
