"""Means over all pairs of points of a function of their distance, in tiles: a matrix n × m is never held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from otgan.autograd import once
from otgan.costs import Cost
from otgan.costs.tiles import tiles_of
from otgan.distances.scaled import DISTANCE

__all__ = ["mean_over_pairs", "means_of_splits", "row_sums"]

_TILE = 2**18
"""Entries that are formed in passing: few enough that most stay in the processor's own memory from one step to the next."""

_TILE_OF_SPLITS = 2**20
"""The same where each entry goes into a product with many columns."""

_TILE_OF_GPU = 2**22

_UNEQUAL = 1e3
"""Times the smallest weight, or the lighter side of a split, from which on a difference of sums is no more accurate enough for the light ones."""

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
    x: Tensor,
    w: Tensor,
    chosen: Tensor,
    function: Function,
    *,
    cost: Cost = DISTANCE,
    distinct: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean of function(d(xᵢ, xⱼ)) within either side of K splits, and across them, each of shape (K,).

    One product of the distances with the weights m that were chosen serves all three: of the others, w − m, sums follow from
    those of all samples, which no split changes. Where little would be left of these differences the others have a product of
    their own.

    Parameters
    ----------
    x : Tensor, shape (1, n, d), float64
    w : Tensor, shape (n,)
        The weight of each sample, on whichever side it is.
    chosen : Tensor of bool, shape (n, K)
        Which samples are on the first side.
    function : callable
        Of distances, (1, k, n).
    cost : Cost
        The distance d.
    distinct : bool
        Leave the pairs of a sample with itself out of the sums within, whose divisor stays the square of a side's weight.
    """
    m, rest = chosen * w[:, None], ~chosen * w[:, None]
    masses = m.sum(0), rest.sum(0)
    lost = w.max() > _UNEQUAL * w.min() or torch.minimum(*masses).min() * _UNEQUAL < w.sum()
    sums = _sums_of_both if lost else _sums_by_differences
    within_m, within_rest, across = sums(x, w, m, rest, _values_of_splits(x, function, cost, distinct), cost)
    return within_m / masses[0] ** 2, within_rest / masses[1] ** 2, across / (masses[0] * masses[1])


def _values_of_splits(
    x: Tensor, function: Function, cost: Cost, distinct: bool
) -> Iterator[tuple[slice, int, Tensor]]:
    """Yield rows of a matrix of function(d(xᵢ, xⱼ)), from which column on they are: of what is symmetric, from the diagonal."""
    for rows in tiles_of(x.shape[1], x.shape[1], max(_tile(x), _TILE_OF_SPLITS)):
        start = rows.start if cost.symmetric else 0
        values = function(cost.block(x[:, rows], x[:, start:], exact=True))[0]
        if distinct:
            values.diagonal(rows.start - start).zero_()
        yield rows, start, values


def _sums_by_differences(
    x: Tensor, w: Tensor, m: Tensor, rest: Tensor, tiles: Iterator[tuple[slice, int, Tensor]], cost: Cost
) -> tuple[Tensor, Tensor, Tensor]:
    """mᵀ V m, rᵀ V r and mᵀ V r of each split, r = w − m, from V m alone."""
    del rest
    within = x.new_zeros(m.shape[1])
    rows_of_all, columns_of_all = torch.zeros_like(w), torch.zeros_like(w)
    for rows, start, values in tiles:
        rows_of_all[rows] += values @ w[start:]
        if cost.symmetric:
            beyond = values[:, rows.stop - start :]
            rows_of_all[rows.stop :] += w[rows] @ beyond
            part = values[:, : rows.stop - start] @ m[rows]
            part += 2 * (beyond @ m[rows.stop :])
        else:
            columns_of_all += w[rows] @ values
            part = values @ m
        within += (m[rows] * part).sum(0)
    columns_of_all = rows_of_all if cost.symmetric else columns_of_all
    to_all, from_all, total = rows_of_all @ m, columns_of_all @ m, w @ rows_of_all
    return within, total - to_all - from_all + within, to_all - within


def _sums_of_both(
    x: Tensor, w: Tensor, m: Tensor, rest: Tensor, tiles: Iterator[tuple[slice, int, Tensor]], cost: Cost
) -> tuple[Tensor, Tensor, Tensor]:
    """The same from V m and V r, without a difference: sums of what is positive are as accurate as their terms."""
    del w
    found = x.new_zeros(3, m.shape[1])
    for rows, start, values in tiles:
        near = values[:, : rows.stop - start] if cost.symmetric else values
        ours, theirs = (near @ (side[rows] if cost.symmetric else side) for side in (m, rest))
        found[0] += (m[rows] * ours).sum(0)
        found[1] += (rest[rows] * theirs).sum(0)
        found[2] += (m[rows] * theirs).sum(0)
        if cost.symmetric:
            ours, theirs = (values[:, rows.stop - start :] @ side[rows.stop :] for side in (m, rest))
            found[0] += 2 * (m[rows] * ours).sum(0)
            found[1] += 2 * (rest[rows] * theirs).sum(0)
            found[2] += (m[rows] * theirs + rest[rows] * ours).sum(0)
    return found[0], found[1], found[2]


@torch.no_grad()
def row_sums(x: Tensor, y: Tensor, b: Tensor, function: Function, *, cost: Cost = DISTANCE) -> Tensor:
    """Σⱼ bⱼ function(d(xᵢ, yⱼ)) for every i, of points (n, d) and (m, d), shape (n,)."""
    found = torch.zeros_like(x[:, 0])
    for rows in tiles_of(len(x), len(y), _tile(x)):
        found[rows] = function(cost.block(x[None, rows], y[None], exact=True))[0] @ b
    return found


def _tile(x: Tensor) -> int:
    return _TILE_OF_GPU if x.is_cuda else _TILE


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
        for rows in tiles_of(x.shape[1], x.shape[0] * y.shape[1], _tile(x)):
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
    for rows in tiles_of(x.shape[1], x.shape[0] * y.shape[1], _tile(x)):
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
