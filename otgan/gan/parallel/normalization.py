"""Batch normalization by the statistics of the rows of all ranks, differentiable as often as one wants."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from otgan.gan.parallel.division import Part, part
from otgan.mistakes import WrongValueError

__all__ = ["forward_of"]


def forward_of(module: nn.Module) -> Callable[..., Any]:
    """Return what a module computes of the rank's rows: a batch normalization with the statistics of all."""
    forward: Callable[..., Any] = module.forward
    return partial(_normalize, module, forward) if isinstance(module, _BatchNorm) else forward


def _normalize(module: _BatchNorm, forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Normalize by the batch's statistics where the module would, and the batch is shared out."""
    within = part()
    if within is None or not (module.training or module.running_mean is None):
        return forward(x)
    whole = x if x.dtype is torch.float64 else x.float()
    axes, shape = [0, *range(2, x.ndim)], [1, -1, *[1] * (x.ndim - 2)]
    counted = 0 if within.idle else 1
    n = sum(within.team.noted("rows of a batch normalization", counted * (x.numel() // x.shape[1])))
    if n <= 1:
        raise WrongValueError(
            f"a batch normalization in training takes more than one number a channel, got {tuple(x.shape)}"
        )
    mean = _Summed.apply(counted * whole.sum(axes), within) / n
    centered = whole - mean.reshape(shape)
    variance = _Summed.apply(counted * centered.square().sum(axes), within) / n
    _follow(module, mean.detach(), variance.detach() * (n / (n - 1)))
    found = centered * (variance + module.eps).rsqrt().reshape(shape)
    if module.affine:
        found = found * module.weight.reshape(shape) + module.bias.reshape(shape)
    return found.to(x.dtype)


@torch.no_grad()
def _follow(module: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Let the running statistics follow, as torch has it."""
    if not module.training or module.running_mean is None or module.running_var is None:
        return
    share = module.momentum or 0.0
    if module.num_batches_tracked is not None:
        module.num_batches_tracked += 1
        share = 1 / float(module.num_batches_tracked) if module.momentum is None else share
    for running, now in ((module.running_mean, mean), (module.running_var, variance)):
        running.mul_(1 - share).add_(now.to(running.dtype), alpha=share)


class _Summed(torch.autograd.Function):
    """The sum of what the ranks have. Each uses it in rows of its own: so the gradients are summed as well."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, within: Part) -> Tensor:
        ctx.within = within
        return within.team.added(own)  # of how many rows was told just before

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        ctx.within.team.noted("statistics of a batch", 0)
        return _Summed.apply(upstream, ctx.within), None
