"""Steps of gradients, for torch: what may be differentiated once only, and what must stay within the range of its type."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from otgan.mistakes import UnsupportedError
from otgan.rounding import in_type

__all__ = ["in_double", "in_single", "once"]


_TWICE = (
    "otgan's distances are differentiable once, got a second derivative (create_graph=True and a backward pass through the "
    "gradient): detach the gradient, or use finite differences of it"
)


def once(gradient: Tensor, *inputs: Tensor, why: str = _TWICE) -> Tensor:
    """A gradient that depends on inputs, and is an error to differentiate in them where it is not 0 upstream."""
    found: Tensor = _Once.apply(gradient, why, *inputs)
    return found


class _Once(torch.autograd.Function):
    """A gradient that depends on the inputs but cannot be differentiated in them.

    torch's `once_differentiable` takes such a gradient for a constant where nothing upstream needs a gradient; the
    second derivatives of a sum of losses would then lack a term, quietly.
    """

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, why: str, *inputs: Tensor) -> Tensor:
        ctx.why, ctx.count = why, 2 + len(inputs)
        return gradient.clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[None, ...]:
        if not any(bool(each.any()) for each in upstream):  # nobody asks
            return (None,) * ctx.count
        raise UnsupportedError(ctx.why)


def in_double(x: Tensor) -> Tensor:
    """Return a tensor in float64, whose gradient comes back as numbers of its own type.

    A point of weight 0 may be worth more than any number; times the 0 of a mask its gradient must be 0.
    """
    found: Tensor = _InDouble.apply(x)
    return found


class _InDouble(torch.autograd.Function):
    """The forward pass is exact; the backward pass stays within the range of the type."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.dtype = x.dtype
        return x.double()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        largest = torch.finfo(ctx.dtype).max
        return upstream.clamp(-largest, largest).to(ctx.dtype)


def in_single(x: Tensor) -> Tensor:
    """Return a tensor of a narrower type in float32; a gradient that its own type cannot hold is an OverflowError."""
    found: Tensor = _InSingle.apply(x)
    return found


class _InSingle(torch.autograd.Function):
    """The forward pass is exact, and the way back says what it cannot."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.dtype = x.dtype
        return x.float()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        found: Tensor = in_type(upstream, ctx.dtype)
        return found
