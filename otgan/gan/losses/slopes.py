"""How steep a function of samples is, differentiable in its parameters."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["gradient_norms"]


def gradient_norms(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """‖∇f(x)‖₂ of each sample, shape (n,), in float32 and differentiable in the function's parameters."""
    x = x.detach().float().requires_grad_()
    with torch.autocast(x.device.type, enabled=False):
        (gradient,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
        # The norm's own derivative at an exact 0 is taken as 0 by torch.
        norms: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return norms
