"""Means over all pairs of points of a function of their distance, in tiles: a matrix n × m is never held."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from otgan.autograd import once
from otgan.costs import Cost
from otgan.costs.tiles import tiles_of
from otgan.distances.scaled import DISTANCE

__all__ = ["mean_over_pairs", "means_of_splits"]

_TILE = 2**20
"""Entries that are formed in passing."""

Function = Callable[[Tensor], Tensor]


def mean_over_pairs(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    function: Function,
    *,
    cost: Cost = DISTANCE,
    own: tuple[Tensor, ...] = (),
    distinct: bool = False,
) -> Tensor:
    """Σᵢⱼ aᵢ bⱼ function(d(xᵢ, yⱼ)) of each problem, shape (B,), differentiable once in points and weights.

    At coincident points the derivative of the distance is taken as 0.

    Parameters
    ----------
    x, y : Tensor, shapes (B, n, d) and (B, m, d), float64
    a, b : Tensor, shapes (B, n) and (B, m)
    function : callable
        Of distances, (B, k, m), differentiable.
    cost : Cost
        The distance d.
    own : tuple of Tensor
        What the distance itself is made of, or depends on: gradients cannot be differentiated in it.
    distinct : bool
        Leave out the pairs of one place in both lists, i = j.
    """
    found: Tensor = _Mean.apply(x, y, a, b, function, cost, own, distinct)
    return found


@torch.no_grad()
def means_of_splits(
    x: Tensor, a: Tensor, b: Tensor, function: Function, *, cost: Cost = DISTANCE
) -> tuple[Tensor, Tensor, Tensor]:
    """Σᵢⱼ function(d(xᵢ, xⱼ)) aᵢaⱼ, bᵢbⱼ and aᵢbⱼ for K pairs of weights of the same points, each of shape (K,).

    Parameters
    ----------
    x : Tensor, shape (1, n, d), float64
    a, b : Tensor, shape (n, K)
    function : callable
        Of distances, (1, k, n).
    cost : Cost
        The distance d.
    """
    both = torch.cat([a, b], 1)
    within_a, within_b, across = x.new_zeros(3, a.shape[1])
    for rows in tiles_of(x.shape[1], x.shape[1], _TILE):
        of_a, of_b = (function(cost.block(x[:, rows], x, exact=True))[0] @ both).chunk(2, dim=1)
        within_a += (a[rows] * of_a).sum(0)
        within_b += (b[rows] * of_b).sum(0)
        across += (a[rows] * of_b).sum(0)
    return within_a, within_b, across


def _left_out(values: Tensor, rows: slice) -> Tensor:
    """Replace by 0 what belongs to one place in both lists."""
    i = torch.arange(rows.start, rows.stop, device=values.device)
    same = i[:, None] == torch.arange(values.shape[2], device=values.device)
    return torch.where(same, 0.0, values)


class _Mean(torch.autograd.Function):
    """The mean, whose slopes in the weights are sums over the other side, and in the points a second visit of all pairs."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        y: Tensor,
        a: Tensor,
        b: Tensor,
        function: Function,
        cost: Cost,
        own: tuple[Tensor, ...],
        distinct: bool,
    ) -> Tensor:
        f, g = torch.empty_like(a), torch.zeros_like(b)
        for rows in tiles_of(x.shape[1], x.shape[0] * y.shape[1], _TILE):
            values = function(cost.block(x[:, rows], y, exact=True))
            values = _left_out(values, rows) if distinct else values
            f[:, rows] = (values @ b[..., None])[..., 0]
            g += (a[:, None, rows] @ values)[:, 0]
        ctx.save_for_backward(x, y, a, b, f, g)
        ctx.function, ctx.cost, ctx.own, ctx.distinct = function, cost, own, distinct
        return (a * f).sum(1)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Any, ...]:
        x, y, a, b, f, g = ctx.saved_tensors
        found: list[Tensor | None] = [None, None, upstream[:, None] * f, upstream[:, None] * g]
        if ctx.needs_input_grad[0] or ctx.needs_input_grad[1]:
            held = x.detach(), y.detach(), a.detach(), b.detach()
            found[:2] = _forces(*held, upstream.detach(), ctx.function, ctx.cost, ctx.distinct)
        if torch.is_grad_enabled():  # create_graph=True
            found = [None if each is None else once(each, x, y, a, b, *ctx.own) for each in found]
        return (
            *(each if need else None for each, need in zip(found, ctx.needs_input_grad, strict=False)),
            *[None] * 4,
        )


def _forces(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    upstream: Tensor,
    function: Function,
    cost: Cost,
    distinct: bool,
) -> list[Tensor | None]:
    """Gradients in the points, tile by tile."""
    in_x, in_y = torch.zeros_like(x), torch.zeros_like(y)
    for rows in tiles_of(x.shape[1], x.shape[0] * y.shape[1], _TILE):
        apart = cost.block(x[:, rows], y, exact=True)
        with torch.enable_grad():
            values = function(apart.requires_grad_())
            values = _left_out(values, rows) if distinct else values
            total = (upstream[:, None, None] * a[:, rows, None] * values * b[:, None]).sum()
        (slopes,) = torch.autograd.grad(total, apart)
        forces = cost.gradients(x[:, rows], y, slopes, apart.detach())
        in_x[:, rows] = forces[0]
        in_y += forces[1]
    return [in_x, in_y]
