"""The sliced Wasserstein distance: transport on lines in random directions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otgan.autograd import once
from otgan.distances.distance import Distance
from otgan.distances.metric import Length
from otgan.distances.option import Option
from otgan.distances.sampling import rooted
from otgan.distances.scaled import in_units, lengths
from otgan.distances.splits import Pool, Sides
from otgan.distances.terms import Terms
from otgan.distances.words import number
from otgan.form import Form
from otgan.namespace import as_numpy
from otgan.options import check_power
from otgan.pair import Pair, pair
from otgan.quiet import quiet
from otgan.rooted import root
from otgan.spelling import answer_misspelt

__all__ = ["METRIC", "directions", "sliced"]

_OPTIONS = {
    option.name: option
    for option in (
        Option("projections", "count", 200, meaning="how many directions to project on"),
        Option("seed", "seed", 0),
    )
}

_TILE = 2**20
"""Projected points held at once."""

_UNIT = 2.0**-52
"""The distance from 1 to the next number of float64."""


@quiet
@answer_misspelt
def sliced(
    x: Any, y: Any, a: Any = None, b: Any = None, *, p: float = 2, projections: int = 200, seed: int = 0
) -> Any:
    r"""Sliced Wasserstein distance SW_p = (E_θ W_p(⟨θ, x⟩, ⟨θ, y⟩)^p)^(1/p), θ uniform on the sphere; the root is taken.

    The mean runs over random directions; on each of them transport is exact, for any weights. On the line there is
    nothing to be drawn: it is W_p. It takes n log n time and memory for n + m points.

    Parameters
    ----------
    x, y : array-like
        Samples of shape (n, d) and (m, d), or (n,) and (m,) on the line; batches as for :func:`otgan.transport`.
    a, b : array-like, optional
        Weights, uniform if omitted; each side is normalized to total 1. Samples of weight 0 are left out.
    p : float, default 2
        Power of the distance, p >= 1.
    projections : int, default 200
        How many directions. The error that they leave falls as one over its root; :func:`otgan.compare` says it.
    seed : int, default 0
        What the directions follow from: those of ``otgan.distances.sliced_transport.directions(d, projections, seed)``.

    Returns
    -------
    float, ndarray of B, or Tensor
        In the units of the samples. A tensor carries gradients in points and weights; at coincident points and at
        distance 0 they are 0. A sample of weight 0 gets the gradient of its normalization only.

    Raises
    ------
    TypeError, ValueError
        If the input is not what is expected.
    OverflowError
        If the distance is beyond the range of the samples' type.

    See Also
    --------
    otgan.emd : Exact transport, as a length.
    otgan.bures : Transport of means and covariances.

    Notes
    -----
    .. math::

        \mathrm{SW}_p = \bigl(\mathbb E_\theta\, W_p(\langle \theta, x \rangle, \langle \theta, y \rangle)^p\bigr)^{1/p},
        \qquad \theta \text{ uniform on the sphere}

    References
    ----------
    N. Bonneel et al., "Sliced and Radon Wasserstein barycenters of measures", J. Math. Imaging Vis. 51, 2015.

    Examples
    --------
    >>> import otgan
    >>> otgan.sliced([0.0, 1.0], [1.0, 3.0], p=1)
    1.5
    """
    p = check_power(p)
    projections, seed = _OPTIONS["projections"].check(projections), _OPTIONS["seed"].check(seed)
    both = pair(x, y, a, b)
    return Form.of(both).scalar(_sliced(both, p, projections, seed))


def directions(d: int, projections: int, seed: int) -> Tensor:
    """Return unit vectors, shape (projections, d), float64, independent and uniform on the sphere; (1, 1) on the line."""
    if d == 1:
        return torch.ones(1, 1, dtype=torch.float64)
    drawn = np.random.default_rng(seed).standard_normal((projections, d))
    return torch.from_numpy(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def _sliced(both: Pair, p: float, projections: int, seed: int) -> Tensor:
    """The distance of each problem, shape (B,)."""
    costs, unit = _costs(both, p, projections, seed)
    return lengths(root(costs.mean(1), p) * unit, both.x.dtype)


def _costs(both: Pair, p: float, projections: int, seed: int) -> tuple[Tensor, Tensor]:
    """The costs W_p^p in every direction, shape (B, L), and the length whose power p they are measured in, shape (B,)."""
    inside, unit = in_units(both)
    (x, a), (y, b) = ((side.points, side.weights) for side in (inside.x, inside.y))
    span, slack = _span(torch.cat([x, y], 1).detach())
    x, y = (points / span[:, None, None] for points in (x, y))
    theta = directions(x.shape[2], projections, seed).to(x.device)
    even = x.shape == y.shape and _uniform(inside) and not (a.requires_grad or b.requires_grad)
    costs: Tensor = _Costs.apply(x, y, a, b, theta, slack, p, even)
    return costs, unit * span


def _span(ends: Tensor) -> tuple[Tensor, Tensor]:
    """Return the length that projections are measured in, and how long in it is no length, each of shape (B,)."""
    # No projection is longer than the diagonal of the box that holds the points: in it no power is too large.
    span = torch.linalg.vector_norm(ends.amax(1) - ends.amin(1), dim=1)
    span = torch.where(span > 0, span, 1.0)
    # The projections of one point in two places of a list may differ by this: no more than that is a distance of 0.
    largest = torch.linalg.vector_norm(ends, dim=2).amax(1) / span
    return span, largest * (0.0 if ends.shape[2] == 1 else 4 * _UNIT)


class _Costs(torch.autograd.Function):
    """The costs on all lines, some at a time; what is held for the gradient is the points, not their projections."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        y: Tensor,
        a: Tensor,
        b: Tensor,
        theta: Tensor,
        slack: Tensor,
        p: float,
        even: bool,
    ) -> Tensor:
        ctx.save_for_backward(x, y, a, b, theta, slack)
        ctx.p, ctx.even = p, even
        some = _some(x, y, theta)
        return torch.cat([_on_lines(x, y, a, b, theta[rows], slack, p, even) for rows in some], 1)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, y, a, b, theta, slack = ctx.saved_tensors
        inputs = x, y, a, b
        wanted = [k for k, need in enumerate(ctx.needs_input_grad[:4]) if need]
        found = [torch.zeros_like(inputs[k]) for k in wanted]
        for rows in _some(x, y, theta):
            with torch.enable_grad():
                leaves = [each.detach().clone().requires_grad_(k in wanted) for k, each in enumerate(inputs)]
                here, there, *weights = leaves
                costs = _on_lines(here, there, weights[0], weights[1], theta[rows], slack, ctx.p, ctx.even)
                total = (upstream[:, rows].detach() * costs).sum()
            parts = torch.autograd.grad(total, [leaves[k] for k in wanted])
            found = [whole + part for whole, part in zip(found, parts, strict=True)]
        out: list[Tensor | None] = [None] * 8
        for k, gradient in zip(wanted, found, strict=True):
            # Enabled by create_graph=True.
            out[k] = once(gradient, *inputs) if torch.is_grad_enabled() else gradient
        return tuple(out)


def _some(x: Tensor, y: Tensor, theta: Tensor) -> list[slice]:
    """Directions that are looked at together."""
    count = max(1, _TILE // (x.shape[0] * (x.shape[1] + y.shape[1])))
    return [slice(start, start + count) for start in range(0, len(theta), count)]


def _uniform(inside: Pair) -> bool:
    return all(not side.weighted and side.sizes is None for side in (inside.x, inside.y))


def _on_lines(
    x: Tensor, y: Tensor, a: Tensor, b: Tensor, theta: Tensor, slack: Tensor, p: float, even: bool
) -> Tensor:
    """W_p^p of the projections on lines, shape (B, L): the quantile functions are coupled."""
    here, there = (theta @ points.mT for points in (x, y))
    if even:
        return _power(here.sort(-1).values - there.sort(-1).values, slack, p).mean(-1)
    (here, upto_here), (there, upto_there) = _quantiles(here, a), _quantiles(there, b)
    upto_there = _aligned(upto_there, upto_here)
    levels, order = torch.cat([upto_here, upto_there], -1).sort(dim=-1, stable=True)
    of_x = (order < here.shape[-1]).long()
    # How many points of either side lie wholly below an interval between two levels.
    below_x = of_x.cumsum(-1) - of_x
    below_y = (1 - of_x).cumsum(-1) - (1 - of_x)
    mass = torch.cat([levels[..., :1], levels.diff(dim=-1)], -1)
    apart = here.gather(-1, below_x.clamp_max(here.shape[-1] - 1)) - there.gather(
        -1, below_y.clamp_max(there.shape[-1] - 1)
    )
    return (mass * _power(apart, slack, p)).sum(-1)


def _quantiles(projected: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Projections in order, and the mass up to each."""
    projected, order = projected.sort(dim=-1, stable=True)
    return projected, weights[:, None].expand_as(projected).gather(-1, order).cumsum(-1)


def _aligned(levels: Tensor, others: Tensor) -> Tensor:
    """Levels, those that differ from one of the others by the rounding of sums alone made equal to it."""
    count = others.shape[-1]
    slack = 2 * _UNIT * math.sqrt(count + levels.shape[-1])
    value, others = levels.detach(), others.detach()
    after = torch.searchsorted(others, value.contiguous()).clamp_max(count - 1)
    for index in (after, (after - 1).clamp_min(0)):
        near = others.gather(-1, index)
        value = torch.where((near - value).abs() <= slack, near, value)
    return levels + (value - levels.detach())


def _power(apart: Tensor, slack: Tensor, p: float) -> Tensor:
    length = apart.abs()
    length = torch.where(length <= slack[:, None, None], 0.0, length)
    return length if p == 1 else length**p


class _Sliced(Length):
    symbol = "SW_p"
    intervals = ("bracket",)
    uses_p = True
    options = tuple(_OPTIONS.values())

    def title(self, p: float | None) -> str:
        return f"Sliced W_{p:g}"

    def evaluate(self, both: Pair, terms: Terms) -> Tensor:
        return _sliced(both, terms.p, **terms.options)

    def of_splits(
        self, pool: Pool, sides: Sides, terms: Terms, tick: Callable[[int], object]
    ) -> NDArray[np.float64]:
        from otgan.distances.splits_on_lines import costs_of_splits  # numba takes its time

        inside, unit = in_units(pool.itself)
        points = inside.x.points
        if points.is_cuda:
            return super().of_splits(pool, sides, terms, tick)
        span, slack = _span(points)
        theta = directions(points.shape[2], **terms.options)
        scaled, costs = points / span, np.zeros(len(sides))
        for rows in _some(scaled, scaled, theta):
            at = as_numpy((theta[rows] @ scaled.mT)[0])
            costs += costs_of_splits(at, sides, pool.mass, slack=float(slack), p=terms.p)
        tick(len(sides))
        found = root(torch.from_numpy(costs / len(theta)), terms.p) * (unit * span)
        return as_numpy(lengths(found, pool.itself.x.dtype))

    def how(self, terms: Terms) -> str:
        del terms
        return "projected"

    def measured(self, both: Pair, terms: Terms) -> Distance:
        found = super().measured(both, terms)
        with torch.no_grad():
            costs, unit = _costs(both, terms.p, **terms.options)
        count = costs.shape[1]
        chance = None
        if count > 1:
            error = float(costs.std() / math.sqrt(count))
            of_root = rooted(error, float(costs.mean()), terms.p)
            chance = None if of_root is None else float(unit) * of_root
        return replace(found, monte_carlo_error=0.0 if both.x.points.shape[2] == 1 else chance)

    def certificate(self, distance: Distance) -> str:
        assert distance.options is not None
        if distance.monte_carlo_error == 0:
            return "line: exact"
        error = "" if distance.monte_carlo_error is None else f": ± {number(distance.monte_carlo_error, 2)}"
        return f"{distance.options['projections']} directions{error}"


METRIC = _Sliced(sliced)
