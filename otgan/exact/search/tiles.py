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
from otgan.exact.search.processes import ALONE, Processes
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
    processes : Processes
        Who looks: each at the costs of some rows.
    """

    def __init__(
        self, x: Floats, y: Floats, cost: Cost, deadline: Deadline = NEVER, processes: Processes = ALONE
    ) -> None:
        self.x, self.y, self.cost = x, y, cost
        self.deadline, self.processes = processes.clock(deadline), processes
        self.shape = len(x), len(y)
        self.ends = processes.ends(len(x))
        self.blocks = Blocks(x, y, cost)
        if self.blocks.wide:
            self.blocks.keep(*processes.part(self.ends))

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
            ends, least = self._least(self.blocks, f, g, nothing, (f, g), rows)[:2]
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
        rows: Ints | None = None,
    ) -> tuple[Any, ...]:
        """The least C − g of rows and the least C − f of columns, so many of each, with their places, where below limits.

        Rows are all or some; each process looks at those that are its own.
        """

        def visit(start: int, stop: int) -> tuple[tuple[Any, ...], Any]:
            own = np.arange(start, stop) if rows is None else rows[start:stop]
            whole = rows is None and stop - start == blocks.shape[0]
            here = blocks if whole else blocks.part(own, None)
            found = self._looked(here, f[own], g, counts, (limits[0][own], limits[1]))
            # Numbers of rows are whole ones, of which there are not so many.
            starts = np.where(found[2] < 0, -1, own[found[2]] if len(own) else -1)
            return found[:2], np.concatenate([found[3], starts], 1)

        ends = self.ends if rows is None else np.searchsorted(rows, self.ends).tolist()
        of_rows, of_columns = self.processes.visited("look at costs", visit, ends, _merged)
        low, starts = np.split(of_columns, 2, 1)
        return (*of_rows, starts.astype(np.int32), low)

    def _looked(
        self,
        blocks: Blocks,
        f: Floats,
        g: Floats,
        counts: tuple[int, int],
        limits: tuple[Floats, Floats],
    ) -> tuple[Any, ...]:
        """The same, of all rows of some blocks."""
        n, m = blocks.shape
        least = np.repeat(limits[0][:, None], counts[0], 1)
        ends = np.full((n, counts[0]), -1, np.int32)
        nothing = np.full((m, counts[1]), -1, np.int32), np.repeat(limits[1][:, None], counts[1], 1)
        if not (n and m):
            return ends, least, *nothing
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
        merged = _merged(np.stack([np.concatenate(both, 1) for both in zip(low, starts, strict=True)]))
        low_of_all, starts_of_all = np.split(merged, 2, 1)
        return ends, least, starts_of_all.astype(np.int32), low_of_all


def _merged(lists: Any) -> Any:
    """Make one of several lists of every column: values and then numbers, shape (lists, m, ..., 2 k)."""
    if len(lists) == 1 or not lists.shape[-1]:
        return lists[0]
    values, items = (np.concatenate(part, -1) for part in np.split(lists, 2, -1))
    order = np.argsort(values, -1, kind="stable")[..., : lists.shape[-1] // 2]
    return np.concatenate([np.take_along_axis(part, order, -1) for part in (values, items)], -1)


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
