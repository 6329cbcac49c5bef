"""The search for arcs by a look at all costs, a block at a time: where there are many dimensions, or no places."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan import threads
from otgan.blas import one_thread
from otgan.costs import Cost
from otgan.deadline import NEVER, Deadline
from otgan.exact.endings import OutOfTimeError
from otgan.exact.search.blocks import Blocks
from otgan.exact.search.restricted import Lists
from otgan.exact.search.shortlist import arcs_of, insert, reach_of, violating
from otgan.exact.sparse_plan import Floats
from otgan.jit import EXACT, compiled

__all__ = ["Tiles"]

Ints = NDArray[np.int64]

_ENTRIES = 2**16
"""Arcs whose costs are formed together."""

_CHUNK = 64
"""Costs of which it is asked first whether any is low enough."""


class Tiles:
    """Rows and columns as points of any number of dimensions.

    Parameters
    ----------
    x, y : ndarray, shapes (n, d) and (m, d)
        Float64.
    cost : Cost
    deadline : Deadline
    """

    def __init__(self, x: Floats, y: Floats, cost: Cost, deadline: Deadline = NEVER) -> None:
        self.x, self.y, self.cost, self.deadline = x, y, cost, deadline
        self.shape = len(x), len(y)
        self.blocks = Blocks(x, y, cost)

    def costs(self, codes: Ints) -> Floats:
        """Costs of arcs i·m + j."""
        m, found = len(self.y), np.empty(len(codes))

        def form(worker: int, start: int, stop: int) -> None:
            del worker
            i, j = np.divmod(codes[start:stop], m)
            found[start:stop] = self.blocks.pairs(i, j)

        step = max(1, _ENTRIES // self.x.shape[1])
        threads.in_turns(form, len(codes), step, None if self.cost.concurrent else 1)
        return found

    def lists(self, f: Floats, g: Floats, count: int) -> Lists:
        """The arcs of least reduced cost of every point of either side."""
        n, m = self.shape
        ends, least, starts, low = self._least(
            self.blocks, f, g, (min(count, m), min(count, n)), (np.full(n, np.inf), np.full(m, np.inf))
        )
        return Lists(
            arcs_of(ends, starts), least[:, 0].copy(), reach_of(least, f, count), reach_of(low, g, count)
        )

    def violated(
        self, f: Floats, g: Floats, rows: Ints, columns: Ints, count: int, slack: float
    ) -> tuple[Ints, Floats, Floats]:
        """Arcs from some rows, or to some columns, whose reduced cost is below −slack; and the least C − g and C − f there."""
        n, m = self.shape
        counts = min(count, m), min(count, n)
        if len(rows) * m + len(columns) * n >= n * m:
            below, under = np.full(n, -np.inf), np.full(m, -np.inf)
            below[rows], under[columns] = f[rows], g[columns]
            ends, least, starts, low = self._least(self.blocks, f, g, counts, (below, under))
            ends, least, starts, low = ends[rows], least[rows], starts[columns], low[columns]
        else:
            nothing, none = (counts[0], 0), (0, counts[1])
            some = self.blocks.part(rows, None)
            ends, least = self._least(some, f[rows], g, nothing, (f[rows], g))[:2]
            some = self.blocks.part(None, columns)
            starts, low = self._least(some, f, g[columns], none, (f, g[columns]))[2:]
        codes = violating((rows, ends, least, f[rows] - slack), (columns, starts, low, g[columns] - slack), m)
        return codes, least[:, 0], low[:, 0]

    def transform(self, g: Floats, below: Floats) -> Floats:
        """The least C − g of every row, none above a limit."""
        return self._least(self.blocks, below, g, (1, 0), (below, g))[1][:, 0]

    def _least(
        self,
        blocks: Blocks,
        f: Floats,
        g: Floats,
        counts: tuple[int, int],
        limits: tuple[Floats, Floats],
    ) -> tuple[Any, ...]:
        """The least C − g of rows and the least C − f of columns, so many of each, with their places, where below limits."""
        n, m = blocks.shape
        least = np.repeat(limits[0][:, None], counts[0], 1)
        ends = np.full((n, counts[0]), -1, np.int32)
        if not (n and m):
            return (
                ends,
                least,
                np.full((m, counts[1]), -1, np.int32),
                np.repeat(limits[1][:, None], counts[1], 1),
            )
        step = blocks.step
        workers = threads.workers(n, step) if self.cost.concurrent else 1
        rooms = [blocks.room(step) for _ in range(workers)]
        # Every worker has lists of columns of its own.
        low = [np.repeat(limits[1][:, None], counts[1], 1) for _ in range(workers)]
        starts = [np.full((m, counts[1]), -1, np.int32) for _ in range(workers)]
        highest = [limits[1].copy() for _ in range(workers)]

        def look(worker: int, start: int, stop: int) -> None:
            if self.deadline.passed:
                raise OutOfTimeError
            block = blocks.fill(start, stop, rooms[worker])
            if counts[0]:
                look_along(block, g, least[start:stop], ends[start:stop])
            if counts[1]:
                look_across(block, f[start:stop], start, low[worker], starts[worker], highest[worker])

        with one_thread():
            threads.in_turns(look, n, step, workers)
        return (ends, least, *_merged(starts, low, counts[1]))


def _merged(found: list[NDArray[np.int32]], least: list[Floats], count: int) -> tuple[Any, Any]:
    """Make one of several lists of every column."""
    if len(found) == 1 or not count:
        return found[0], least[0]
    items, values = np.concatenate(found, 1), np.concatenate(least, 1)
    order = np.argsort(values, 1, kind="stable")[:, :count]
    return np.take_along_axis(items, order, 1), np.take_along_axis(values, order, 1)


@compiled(EXACT)
def look_along(block: Any, g: Any, least: Any, found: Any) -> None:
    """Keep the least C − g of rows.

    Parameters
    ----------
    block : array, shape (rows, m)
        Costs.
    g : array, shape (m,)
    least, found : array, shape (rows, k)
        What is known already, in ascending order.
    """
    m, last = block.shape[1], least.shape[1] - 1
    for i in range(len(block)):
        for begin in range(0, m, _CHUNK):
            some, levels = block[i, begin : begin + _CHUNK], g[begin : begin + _CHUNK]
            limit, low = least[i, last], 0
            for j in range(len(some)):  # without a branch, eight at a time
                low += some[j] - levels[j] < limit
            if low > 0:
                for j in range(len(some)):
                    if some[j] - levels[j] < least[i, last]:
                        insert(least[i], found[i], some[j] - levels[j], begin + j)


@compiled(EXACT)
def look_across(block: Any, f: Any, first: int, least: Any, found: Any, limit: Any) -> None:
    """Keep the least C − f of columns.

    Parameters
    ----------
    block : array, shape (rows, m)
    f : array, shape (rows,)
    first : int
        Number of the first row.
    least, found : array, shape (m, k)
    limit : array, shape (m,)
        The largest of the least.
    """
    m, last = block.shape[1], least.shape[1] - 1
    for i in range(len(block)):
        at = f[i]
        for begin in range(0, m, _CHUNK):
            some, limits = block[i, begin : begin + _CHUNK], limit[begin : begin + _CHUNK]
            low = 0
            for j in range(len(some)):
                low += some[j] - at < limits[j]
            if low > 0:
                for j in range(len(some)):
                    if some[j] - at < limits[j]:
                        insert(least[begin + j], found[begin + j], some[j] - at, first + i)
                        limits[j] = least[begin + j, last]
