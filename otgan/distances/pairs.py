"""Means over all pairs of points of a function of their distance, in tiles: a matrix n × m is never held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from otgan.costs.squares import NEAR
from otgan.coupling import once
from otgan.distances.scaled import distances

__all__ = ["mean_over_pairs", "tiles"]

_TILE = 2**20
"""Entries that are formed in passing."""

_FEW = 8
"""Up to this dimension forces are summed coordinate by coordinate."""

Function = Callable[[Tensor], Tensor]


def mean_over_pairs(
    x: Tensor, y: Tensor, a: Tensor, b: Tensor, function: Function, *, distinct: bool = False
) -> Tensor:
    """Σᵢⱼ aᵢ bⱼ function(‖xᵢ − yⱼ‖) of each problem, shape (B,), differentiable once in points and weights.

    At coincident points the derivative of the distance is taken as 0.

    Parameters
    ----------
    x, y : Tensor, shapes (B, n, d) and (B, m, d), float64
    a, b : Tensor, shapes (B, n) and (B, m)
    function : callable
        Of distances, (B, k, m), differentiable.
    distinct : bool
        Leave out the pairs of one place in both lists, i = j.
    """
    found: Tensor = _Mean.apply(x, y, a, b, function, distinct)
    return found


def tiles(x: Tensor, y: Tensor) -> Iterator[slice]:
    """Rows of x that together with all of y make a tile."""
    rows = max(1, _TILE // max(1, x.shape[0] * y.shape[1]))
    return (slice(start, min(start + rows, x.shape[1])) for start in range(0, x.shape[1], rows))


def _left_out(values: Tensor, rows: slice) -> Tensor:
    """Replace by 0 what belongs to one place in both lists."""
    i = torch.arange(rows.start, rows.stop, device=values.device)
    same = i[:, None] == torch.arange(values.shape[2], device=values.device)
    return torch.where(same, 0.0, values)


class _Mean(torch.autograd.Function):
    """The mean, whose slopes in the weights are sums over the other side, and in the points a second visit of all pairs."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor, a: Tensor, b: Tensor, function: Function, distinct: bool
    ) -> Tensor:
        f, g = torch.empty_like(a), torch.zeros_like(b)
        for rows in tiles(x, y):
            values = function(distances(x[:, rows], y))
            values = _left_out(values, rows) if distinct else values
            f[:, rows] = (values @ b[..., None])[..., 0]
            g += (a[:, None, rows] @ values)[:, 0]
        ctx.save_for_backward(x, y, a, b, f, g)
        ctx.function, ctx.distinct = function, distinct
        return (a * f).sum(1)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Any, ...]:
        x, y, a, b, f, g = ctx.saved_tensors
        found: list[Tensor | None] = [None, None, upstream[:, None] * f, upstream[:, None] * g]
        if ctx.needs_input_grad[0] or ctx.needs_input_grad[1]:
            held = x.detach(), y.detach(), a.detach(), b.detach()
            found[:2] = _forces(*held, upstream.detach(), ctx.function, ctx.distinct)
        if torch.is_grad_enabled():  # create_graph=True
            found = [None if each is None else once(each, x, y, a, b) for each in found]
        return (
            *(each if need else None for each, need in zip(found, ctx.needs_input_grad, strict=False)),
            None,
            None,
        )


def _forces(
    x: Tensor, y: Tensor, a: Tensor, b: Tensor, upstream: Tensor, function: Function, distinct: bool
) -> list[Tensor | None]:
    """Gradients in the points, tile by tile."""
    in_x, in_y = torch.zeros_like(x), torch.zeros_like(y)
    for rows in tiles(x, y):
        apart = distances(x[:, rows], y)
        with torch.enable_grad():
            values = function(apart.requires_grad_())
            values = _left_out(values, rows) if distinct else values
            total = (upstream[:, None, None] * a[:, rows, None] * values * b[:, None]).sum()
        (slopes,) = torch.autograd.grad(total, apart)
        _push(x[:, rows], y, slopes, apart.detach(), in_x[:, rows], in_y)
    return [in_x, in_y]


def _push(x: Tensor, y: Tensor, slopes: Tensor, apart: Tensor, in_x: Tensor, in_y: Tensor) -> None:
    """Add to the gradients in the points what the slopes in their distances make of them: 0 at coincident points."""
    coincide = apart == 0
    apart = torch.where(coincide, 1.0, apart)
    if x.shape[2] <= _FEW:
        for k in range(x.shape[2]):
            force = slopes * ((x[:, :, None, k] - y[:, None, :, k]) / apart)
            in_x[..., k] += force.sum(2)
            in_y[..., k] -= force.sum(1)
        return
    # x Σ w − Σ w y loses the digits of points that are near beside how large they are: these are visited one by one.
    size = x.square().sum(2)[:, :, None] + y.square().sum(2)[:, None]
    near = (apart.square() <= NEAR * size) & ~coincide
    weights = torch.where(coincide | near, 0.0, slopes) / apart
    in_x += weights.sum(2, keepdim=True) * x - weights @ y
    in_y += weights.sum(1)[..., None] * y - weights.mT @ x
    for part in near.nonzero().split(2**22 // x.shape[2] + 1):
        batch, i, j = part.unbind(1)
        force = (slopes / apart)[batch, i, j, None] * (x[batch, i] - y[batch, j])
        in_x.index_put_((batch, i), force, accumulate=True)
        in_y.index_put_((batch, j), -force, accumulate=True)
