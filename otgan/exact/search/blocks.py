"""Blocks of costs between all points, formed anew whenever they are looked at: by products of matrices where there are places."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from otgan.costs import Cost
from otgan.costs.places import Places
from otgan.costs.squares import NEAR, SQUARES
from otgan.exact.search.law import Law, cost_of, law_of
from otgan.exact.sparse_plan import Floats
from otgan.jit import EXACT, compiled

__all__ = ["Blocks"]


class Blocks:
    """Costs between n points and m points, by blocks of rows.

    Parameters
    ----------
    x, y : ndarray, shapes (n, d) and (m, d)
        Float64.
    cost : Cost
    single : bool, default False
        Whether in float32, as accurate as an expansion is; else near points keep their relative accuracy.
    unit : float, default 1
        What costs are divided by.
    """

    def __init__(self, x: Floats, y: Floats, cost: Cost, *, single: bool = False, unit: float = 1.0) -> None:
        self.x, self.y, self.cost, self.unit = x, y, cost, unit
        self.shape, self.dtype = (len(x), len(y)), np.dtype(np.float32 if single else np.float64)
        self.origin = cost.origin(x[None], y[None])
        places = cost.places(x, y)
        self.product = None
        if places is not None and places.order == SQUARES and not places.angle:
            self.product = _Product(places, unit, self.dtype)

    def room(self, rows: int) -> Any:
        """Memory for a block."""
        return np.empty((rows, self.shape[1]), self.dtype)

    def fill(self, start: int, stop: int, room: Any) -> Any:
        """Return the costs of some rows, which may be in the memory given."""
        if self.product is not None:
            return self.product.fill(start, stop, room)
        block = self.cost.block(self.x[None, start:stop], self.y[None], exact=True, origin=self.origin)[0]
        return np.ascontiguousarray(block / self.unit if self.unit != 1 else block, self.dtype)


class _Product:
    """Costs that are powers of ‖x‖² + ‖y‖² − 2⟨x, y⟩, about the mean of all points."""

    def __init__(self, places: Places, unit: float, dtype: Any) -> None:
        origin = 0.5 * (places.x.mean(0) + places.y.mean(0))
        self.x, self.y = (np.ascontiguousarray(side - origin) for side in (places.x, places.y))
        self.exact = dtype == np.float64
        if not self.exact:  # whose range is small
            largest = max(float(np.abs(side).max()) for side in (self.x, self.y)) or 1.0
            self.x, self.y = self.x / largest, self.y / largest
            places = replace(places, factor=places.factor * largest**places.p)
        self.law: Law = law_of(places.divided(unit))
        self.norms = tuple(np.square(side).sum(1) for side in (self.x, self.y))
        one_x, one_y = (np.ones((len(side), 1)) for side in (self.x, self.y))
        left = np.concatenate([-2 * self.x, self.norms[0][:, None], one_x], 1)
        right = np.concatenate([self.y, one_y, self.norms[1][:, None]], 1)
        self.left, self.right = left.astype(dtype), np.ascontiguousarray(right.T.astype(dtype))

    def fill(self, start: int, stop: int, room: Any) -> Any:
        """Return the costs of some rows, in the memory given."""
        block = room[: stop - start]
        np.matmul(self.left[start:stop], self.right, out=block)
        finish(block, start, (self.x, self.y), self.norms, self.law, NEAR if self.exact else 0.0)
        return block


@compiled(EXACT)
def finish(block: Any, first: int, points: Any, norms: Any, law: Any, near: float) -> None:
    """Make costs of squared distances.

    Parameters
    ----------
    block : array, shape (rows, m)
    first : int
        Number of the first row.
    points : tuple of array, shapes (n, d) and (m, d)
    norms : tuple of array, shapes (n,) and (m,)
        Their squared norms.
    law : tuple
    near : float
        Share of the norms below which squares are computed anew, from differences.
    """
    (x, y), (of_x, of_y) = points, norms
    d = x.shape[1]
    for k in range(len(block)):
        row, i = block[k], first + k
        count = 0
        for j in range(len(row)):
            count += row[j] <= near * (of_x[i] + of_y[j])
        if count > 0:
            for j in range(len(row)):
                if row[j] <= near * (of_x[i] + of_y[j]):
                    apart = 0.0
                    for c in range(d):
                        apart += (x[i, c] - y[j, c]) * (x[i, c] - y[j, c])
                    row[j] = apart
        for j in range(len(row)):
            row[j] = cost_of(row[j], law)
