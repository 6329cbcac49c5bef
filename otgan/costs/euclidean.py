"""The Euclidean cost ‖x − y‖₂^p, p >= 1: squared distances as products of matrices, and what is special at p = 2."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from otgan.costs.exponents import Exponents
from otgan.costs.norm import Norm
from otgan.costs.squares import (
    DIRECT,
    MANY,
    NEAR,
    SQUARES,
    cost_matrix,
    pair_norms,
    products,
)
from otgan.namespace import Array, double, is_tensor, namespace, norms, square_norms
from otgan.rounding import CostError

__all__ = ["Euclidean"]


@dataclass(frozen=True)
class Euclidean(Norm):
    """C = ‖x − y‖₂^p."""

    name = "euclidean"
    metric = "‖x − y‖₂"
    order = 2
    expands = True

    @property
    def definite(self) -> bool:
        """Up to p = 2 (Schoenberg 1938)."""
        return self.p <= SQUARES

    def length(self, difference: Array) -> Array:
        """‖v‖₂."""
        return norms(difference)

    def share(self, d: int) -> float:
        """The norms are the same."""
        del d
        return 1.0

    def block(
        self, x: Array, y: Array, *, exact: bool = False, direct: bool = False, origin: Array | None = None
    ) -> Array:
        """Costs by :func:`cost_matrix`."""
        return cost_matrix(x, y, self.p, exact=exact, direct=direct, origin=origin)

    def error(
        self, x: Array, y: Array, *, exact: bool = False, direct: bool = False, origin: Array | None = None
    ) -> CostError:
        """That of :func:`cost_matrix` in float64."""
        exact = exact or self.p != SQUARES
        if direct or (exact and x.shape[-1] <= DIRECT):
            return self.error_of_differences(x, y)
        origin = self.origin(x, y) if origin is None else origin
        near = NEAR if exact else 0.0
        return CostError.of_expansion(x, y, self.p, origin, near, self.underflow(x.shape[-1]))

    def mean(self, x: Array, y: Array, a: Array, b: Array) -> Array:
        """Mean cost of independent draws; for p = 2 it follows from the moments."""
        if self.p != SQUARES:
            return super().mean(x, y, a, b)
        a, b = a / a.sum(-1)[:, None], b / b.sum(-1)[:, None]
        x, y = double(x), double(y)
        center_x, center_y = (a[:, None] @ x)[:, 0], (b[:, None] @ y)[:, 0]
        spread_x = (a * square_norms(x - center_x[:, None])).sum(-1)
        spread_y = (b * square_norms(y - center_y[:, None])).sum(-1)
        return spread_x + spread_y + square_norms(center_x - center_y)

    @property
    def has_moments(self) -> bool:
        """For p = 2."""
        return self.p == SQUARES

    def exponents(
        self,
        x: Array,
        y: Array,
        row: Array,
        column: Array,
        scale: Array,
        dtype: Any,
        direct: bool,
    ) -> Exponents:
        """Return one product of matrices for p = 2, and costs of scaled points for other p."""
        if direct:
            return super().exponents(x, y, row, column, scale, dtype, direct)
        x, y = double(x), double(y)
        origin = self.origin(x, y)
        kind = _SquaredExponents if self.p == SQUARES else _PowerExponents
        return kind(x - origin, y - origin, row, column, scale, dtype, self.p)

    def differentiable(self, x: Array, y: Array) -> Array:
        """For p = 2 an expansion; else from differences, of which coincident pairs take no part."""
        if self.p == SQUARES:
            return x.square().sum(-1)[..., None] + y.square().sum(-1)[:, None] - 2 * x @ y.mT
        square = (x[:, :, None] - y[:, None]).square().sum(-1)
        apart, where = square > 0, namespace(x).where
        return where(apart, where(apart, square, 1.0) ** (self.p / 2), 0.0)

    def smooth(self, x: Array, y: Array) -> Array:
        """Costs between points of shape (n, d) and (m, d), in their type, once differentiable at no more memory than n m."""
        if self.p == SQUARES:
            return cost_matrix(x[None], y[None], 2)[0]
        return pair_norms(x, y, 2) ** self.p

    def gradients(self, x: Array, y: Array, mass: Array, cost: Array) -> tuple[Array, Array]:
        """Σⱼ massᵢⱼ p ‖xᵢ − yⱼ‖^(p−2) (xᵢ − yⱼ), where a coincident pair pulls with no force; likewise in y."""
        if self.p == SQUARES:
            return _pulled(x, y, mass)
        if self.p > SQUARES:
            return _pulled(x, y, mass * _force(cost, self.p))
        # Below p = 2 the force grows without bound as two points come near, and with it the rounding of
        # x Σ force − force y: there the differences themselves are summed.
        xp, (k, i, j) = namespace(x), _near(x, y, cost, self.p)
        if len(k) > MANY * math.prod(cost.shape):
            return _pulled_by_coordinates(x, y, mass * xp.where(cost == 0, 0.0, _force(cost, self.p)))
        some = cost[k, i, j]
        force = mass[k, i, j] * xp.where(some == 0, 0.0, _force(some, self.p))
        single = 2 * force[:, None] * (x[k, i] - y[k, j])
        rest = mass * _force(cost, self.p)
        rest[k, i, j] = 0.0
        in_x, in_y = _pulled(x, y, rest)
        return _with_more(in_x, (k, i), single), _with_more(in_y, (k, j), -single)

    def differentiable_gradients(self, x: Array, y: Array, mass: Array) -> tuple[Array, Array]:
        """The formula of :meth:`gradients`, written for a graph."""
        if self.p == SQUARES:
            return _pulled(x, y, mass)
        difference = x[:, :, None] - y[:, None]
        square = difference.square().sum(-1)
        apart, where = square > 0, namespace(x).where
        force = where(apart, mass * self.p * where(apart, square, 1.0) ** (self.p / 2 - 1), 0.0)
        pull = force[..., None] * difference
        return pull.sum(2), -pull.sum(1)

    def entry_gradients(self, x: Array, y: Array, mass: Array) -> tuple[Array, Array]:
        """Gradients of Σ massᵢ C(xᵢ, yᵢ), 0 where the two coincide."""
        difference = x - y
        distance = self.length(difference)
        force = namespace(x).where(distance > 0, self.p * distance.clamp_min(1e-300) ** (self.p - 2), 0.0)
        pull = (mass * force)[:, None] * difference
        return pull, -pull


class _SquaredExponents(Exponents):
    """(f + g − ‖x‖² − ‖y‖² + 2⟨x, y⟩)/s as a product of rows (x, f', 1) and (y, 1, g')."""

    def __init__(
        self, x: Array, y: Array, row: Array, column: Array, scale: Array, dtype: Any, p: float
    ) -> None:
        del p
        scale = scale[:, None, None]
        row = row[..., None] / scale - x.square().sum(-1, keepdim=True) / scale
        column = column[..., None] / scale - y.square().sum(-1, keepdim=True) / scale
        xp = namespace(x)
        self.left = xp.concat([2 * x / scale, row, xp.ones_like(row)], axis=2).to(dtype)
        self.right = xp.concat([y, xp.ones_like(column), column], axis=2).to(dtype)

    def fill(self, rows: slice, out: Array) -> None:
        """One product of matrices."""
        products(self.left[:, rows], self.right, out=out)


class _PowerExponents(Exponents):
    """Exponents from costs between points scaled by s^(-1/p), formed in the type asked for."""

    def __init__(
        self, x: Array, y: Array, row: Array, column: Array, scale: Array, dtype: Any, p: float
    ) -> None:
        scale = scale[:, None, None]
        length = scale ** (1 / p)
        self.x, self.y, self.p = (x / length).to(dtype), (y / length).to(dtype), p
        self.row, self.column = (row[..., None] / scale).to(dtype), (column[..., None] / scale).to(dtype)

    def fill(self, rows: slice, out: Array) -> None:
        """Form the costs in the type of the points."""
        out.copy_(cost_matrix(self.x[:, rows], self.y, self.p).neg_())
        out.add_(self.row[:, rows]).add_(self.column.mT)


def _pulled(x: Array, y: Array, force: Array) -> tuple[Array, Array]:
    """Sums of 2 force (x − y) over y, and of the opposite over x."""
    return 2 * (x * force.sum(2)[..., None] - force @ y), 2 * (y * force.sum(1)[..., None] - force.mT @ x)


def _pulled_by_coordinates(x: Array, y: Array, force: Array) -> tuple[Array, Array]:
    """The same from differences, one coordinate after another."""
    in_x, in_y = (namespace(side).empty_like(side) for side in (x, y))
    for k in range(x.shape[2]):
        pull = x[..., :, None, k] - y[..., None, :, k]
        pull *= force
        pull *= 2
        in_x[..., k], in_y[..., k] = pull.sum(2), -pull.sum(1)
    return in_x, in_y


def _near(x: Array, y: Array, cost: Array, p: float) -> tuple[Array, ...]:
    """Indices (problem, x, y) of the pairs that are nearer than a share of their coordinates."""
    xp = namespace(x)
    squares = [(side**2).sum(2) for side in (x, y)]
    most = (NEAR * (xp.max(squares[0], axis=1) + xp.max(squares[1], axis=1))) ** (p / 2)
    close = cost[:0] if bool((xp.min(cost, axis=(1, 2)) > most).all()) else cost <= most[:, None, None]
    k, i, j = xp.nonzero(close)
    near = cost[k, i, j] <= (NEAR * (squares[0][k, i] + squares[1][k, j])) ** (p / 2)
    return k[near], i[near], j[near]


def _force(cost: Array, p: float) -> Array:
    """Half the derivative of C = r^p by r², (p/2) r^(p−2): infinite at r = 0 below p = 2."""
    force = 1 / cost if p == 1 else cost ** ((p - 2) / p)
    force *= p / 2
    return force


def _with_more(sums: Array, where: tuple[Array, ...], more: Array) -> Array:
    """Add rows to those of a tensor or array at the places that are named, some of them many times."""
    if is_tensor(sums):
        return sums.index_put_(where, more, accumulate=True)
    np.add.at(sums, where, more)
    return sums
