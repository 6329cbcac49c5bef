"""Blocks of costs between all points, formed anew whenever they are looked at: by products of matrices where there are places."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from otgan import threads
from otgan.blas import one_thread
from otgan.costs import Cost
from otgan.costs.places import Places
from otgan.costs.squares import NEAR, SQUARES, factors
from otgan.exact.search.law import Law, cost_of, fill_costs, law_of
from otgan.exact.sparse_plan import Floats
from otgan.jit import EXACT, compiled
from otgan.memory import available

__all__ = ["Blocks"]

_TILE = 2**17
"""Costs that are looked at together: they stay in cache."""

_KEPT = 2**29
"""Bytes up to which costs are kept."""

_FAST = 24
"""Dimensions up to which costs are formed nearly as fast as they are read."""

_ROWS, _WIDE = 96, 8
"""Rows of a product of matrices, where there are more dimensions than so few."""


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
        self.product: _Product | None = None
        self.kept: Any = None
        self.first = 0
        if places is not None and places.order == SQUARES and not places.angle:
            self.product = _Product(places, unit, self.dtype)

    def part(self, rows: Any, columns: Any) -> Blocks:
        """Return the costs between some rows and columns, all of them for None, formed in the same way."""
        found = copy(self)
        found.x = self.x if rows is None else self.x[rows]
        found.y = self.y if columns is None else self.y[columns]
        found.shape = len(found.x), len(found.y)
        if self.kept is not None:
            if rows is not None:
                found.kept, found.first = self.kept[rows - self.first], 0
            found.kept = found.kept[:, slice(None) if columns is None else columns]
        elif self.product is not None:
            found.product = self.product.part(rows, columns)
        return found

    def keep(self, first: int = 0, last: int | None = None) -> None:
        """Form the costs of the rows from one number to another once, and keep them where there is room: no others are asked for."""
        last = self.shape[0] if last is None else last
        need = (last - first) * self.shape[1] * self.dtype.itemsize
        if self.kept is None and need <= min(_KEPT, available(need)):
            kept = self.room(last - first)

            def form(worker: int, start: int, stop: int) -> None:
                del worker
                block = self.fill(first + start, first + stop, kept[start:stop])
                if not np.may_share_memory(block, kept):
                    kept[start:stop] = block

            with one_thread():
                threads.in_turns(form, last - first, self.step, None if self.cost.concurrent else 1)
            self.kept, self.first = kept, first

    def rough(self, unit: float) -> Any:
        """Return kept costs in float32, divided by a unit, or None."""
        if self.kept is None:
            return None
        return np.multiply(
            self.kept, 1 / unit, out=np.empty(self.kept.shape, np.float32), casting="same_kind"
        )

    @property
    def wide(self) -> bool:
        """Whether there are so many dimensions that it takes long to form costs."""
        return self.product is not None and self.x.shape[1] > _FAST

    @property
    def step(self) -> int:
        """Rows of a block: it stays in cache, but a product of matrices needs so many not to be slow."""
        least = _ROWS if self.product is not None and self.x.shape[1] > _WIDE else 1
        return max(least, _TILE // self.shape[1])

    def pairs(self, i: Any, j: Any) -> Floats:
        """Costs of single pairs, to full accuracy."""
        if self.product is None:
            return self.cost.entries(self.x[i], self.y[j]) / self.unit
        found = np.empty(len(i))
        fill_costs(self.product.x, self.product.y, self.product.law, i, j, found)
        return found

    def room(self, rows: int) -> Any:
        """Memory for a block."""
        return np.empty((rows, self.shape[1]), self.dtype)

    def fill(self, start: int, stop: int, room: Any) -> Any:
        """Return the costs of some rows, to be read only; they may be in the memory given."""
        if self.kept is not None:
            return self.kept[start - self.first : stop - self.first]
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
        left, right = factors(self.x, self.y)
        self.norms = left[:, -2].copy(), right[:, -1].copy()
        self.left, self.right = left.astype(dtype), np.ascontiguousarray(right.T.astype(dtype))

    def part(self, rows: Any, columns: Any) -> _Product:
        """Return the product of some rows and columns."""
        found, (of_x, of_y) = copy(self), self.norms
        if rows is not None:
            found.x, found.left, of_x = self.x[rows], self.left[rows], of_x[rows]
        if columns is not None:
            found.y, found.right, of_y = self.y[columns], self.right[:, columns], of_y[columns]
        found.norms = of_x, of_y
        return found

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
