"""Gradients of the whole batch: before an optimizer steps, the sum of those that the ranks have of their rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from otgan.gan.parallel.team import Team

__all__ = ["summed_gradients"]

_MOST = 2**24
"""Numbers that are summed at once."""


@contextlib.contextmanager
def summed_gradients(team: Team, optimizers: Mapping[str, Optimizer]) -> Iterator[None]:
    """Have the optimizers step by the sums over the ranks, which have the same bits on all."""
    handles = [
        optimizer.register_step_pre_hook(partial(_sum, team, name)) for name, optimizer in optimizers.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def _sum(team: Team, name: str, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    del args, kwargs
    kinds: dict[torch.dtype, list[Tensor]] = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                kinds.setdefault(parameter.dtype, []).append(parameter.grad)
    for several in kinds.values():
        for gradients in _bundles(several):
            flat = team.added(torch.cat([each.reshape(-1) for each in gradients]), f"gradients of {name}")
            for each, found in zip(gradients, flat.split([each.numel() for each in gradients]), strict=True):
                each.copy_(found.view(each.shape))


def _bundles(gradients: list[Tensor]) -> Iterator[list[Tensor]]:
    """Yield them in bundles of so many numbers, that memory is needed for one bundle at a time."""
    bundle: list[Tensor] = []
    for each in gradients:
        if bundle and sum(map(torch.numel, bundle)) + each.numel() > _MOST:
            yield bundle
            bundle = []
        bundle.append(each)
    yield bundle
