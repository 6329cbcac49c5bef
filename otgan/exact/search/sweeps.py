"""Approximate potentials of large problems, in float32: where an exact solver that looks at all costs starts to look.

Sinkhorn sweeps at a small ε, from coarse to fine: a random quarter of the points is solved first, by the same rule,
and its potentials are extended to all. A sweep visits every kernel entry once: the sums of a row make the row exact, and
its entries then add to the sums of the columns.
"""

from __future__ import annotations

from collections.abc import Callable
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
from otgan.exact.sparse_plan import Floats
from otgan.geometry.compiled.powers import exp2
from otgan.jit import SUMS, compiled

__all__ = ["approximate_potentials"]

_EPSILON = 1e-2
"""ε of the last sweeps, relative to the mean cost."""

_COARSEST = 600
"""Points of the smaller side from which on no coarser problem is solved first."""

_ANNEALED, _REFINED = 8, 6
"""Sweeps a level of ε on the coarsest problem, and on every finer one."""

_RELAXATION = 1.5
"""Overrelaxation of the sweeps, which speeds up what is smooth in the potentials (Thibault et al. 2021)."""

_MOST = 86.0
"""Largest power of two that a kernel entry may be: beyond, its potentials are far from what they will be."""

Singles = NDArray[np.float32]


def approximate_potentials(
    blocks: Blocks,
    a: Floats,
    b: Floats,
    unit: float,
    deadline: Deadline = NEVER,
    processes: Processes = ALONE,
) -> tuple[Floats, Floats]:
    """Potentials f and g near the optimal ones, accurate to float32.

    Parameters
    ----------
    blocks : Blocks
        Of the costs in float64, which may be kept.
    a, b : ndarray, shapes (n,) and (m,)
        Positive weights.
    unit : float
        The mean cost.
    deadline : Deadline
    processes : Processes
        Who shares the sweeps over many points; those over few every process does for itself.

    Raises
    ------
    OutOfTimeError
        If the deadline passes first.
    """
    rng = np.random.default_rng(0)
    problem = _Sweeps(blocks.x, blocks.y, a, b, blocks.cost, unit, deadline, processes)
    problem.blocks.kept, problem.blocks.first = blocks.rough(unit), blocks.first
    f, g = processes.vectors(*_coarse_to_fine(problem, rng))
    return unit * f.astype(np.float64), unit * g.astype(np.float64)


def _coarse_to_fine(problem: _Sweeps, rng: np.random.Generator) -> tuple[Singles, Singles]:
    n, m = problem.shape
    if min(n, m) <= _COARSEST:
        g = np.zeros(m, np.float32)
        f, level = problem.extended(g), 0.25
        while True:
            f, g = problem.swept(f, g, level, _ANNEALED)
            if level <= _EPSILON:
                return f, g
            level = max(level / 4, _EPSILON)
    some_x, some_y = (rng.permutation(k)[: k // 4] for k in (n, m))
    (g,) = problem.processes.vectors(_coarse_to_fine(problem.part(some_x, some_y), rng)[1])
    f = problem.part(np.arange(n), some_y).extended(g)
    g = problem.extended_back(f)
    for level in (4 * _EPSILON, _EPSILON):
        f, g = problem.swept(f, g, level, _REFINED)
    return f, g


class _Sweeps:
    """A problem in float32, at costs of mean 1."""

    def __init__(
        self,
        x: Floats,
        y: Floats,
        a: Floats,
        b: Floats,
        cost: Cost,
        unit: float,
        deadline: Deadline,
        processes: Processes,
    ) -> None:
        self.points, self.weights, self.cost, self.unit = (x, y), (a, b), cost, unit
        self.shape, self.rest = (len(x), len(y)), (deadline, processes)
        self.processes = processes if processes.shares(*self.shape, part=True) else ALONE
        self.deadline, self.ends = self.processes.clock(deadline), self.processes.ends(len(x))
        self.a, self.b = ((w / w.sum()).astype(np.float32) for w in (a, b))
        self.blocks = Blocks(x, y, cost, single=True, unit=unit)

    def part(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> _Sweeps:
        """Return the problem of some points."""
        (x, y), (a, b) = self.points, self.weights
        return _Sweeps(x[rows], y[columns], a[rows], b[columns], self.cost, self.unit, *self.rest)

    def extended(self, g: Singles) -> Singles:
        """The c-transform of g: the least C − g of every row."""
        f = np.empty(self.shape[0], np.float32)

        def look(worker: int, rows: slice, block: Singles) -> None:
            del worker
            f[rows] = (block - g).min(1)

        def visit(start: int, stop: int) -> tuple[Singles, ...]:
            self._visit(look, start, stop)
            return (f[start:stop],)

        return self.processes.rows("minima of rows", visit, self.ends)[0]

    def extended_back(self, f: Singles) -> Singles:
        """The c-transform of f: the least C − f of every column."""
        least = np.full((threads.count(), self.shape[1]), np.inf, np.float32)

        def look(worker: int, rows: slice, block: Singles) -> None:
            np.minimum(least[worker], (block - f[rows, None]).min(0), out=least[worker])

        def visit(start: int, stop: int) -> tuple[tuple[Singles, ...], Singles]:
            self._visit(look, start, stop)
            return (), least.min(0)

        return self.processes.visited("minima of columns", visit, self.ends, lambda parts: parts.min(0))[1]

    def swept(self, f: Singles, g: Singles, epsilon: float, count: int) -> tuple[Singles, Singles]:
        """Take `count` Sinkhorn steps in f and g at one ε."""
        self.blocks.keep(*self.processes.part(self.ends))
        f, scale = f.copy(), np.float32(epsilon)
        inverse = np.float32(1 / (epsilon * np.log(2)))
        tiny, relaxed = np.float32(1e-30), np.float32(_RELAXATION)
        for _ in range(count):
            columns = np.zeros((threads.count(), self.shape[1]), np.float32)
            level = g * inverse

            def sweep(
                worker: int, rows: slice, block: Singles, level: Any = level, columns: Any = columns
            ) -> None:
                room = np.empty(self.shape[1], np.float32)
                here = f[rows]
                sweep_rows(block, here, level, self.a[rows], self.b, inverse, scale, room, columns[worker])

            def visit(
                start: int, stop: int, sweep: Any = sweep, columns: Any = columns
            ) -> tuple[tuple[Singles, ...], Singles]:
                self._visit(sweep, start, stop)
                return (), columns.sum(0)

            sums = self.processes.visited("sweep", visit, self.ends, lambda parts: parts.sum(0))[1]
            g = g - relaxed * scale * np.log(np.maximum(sums, tiny))
        return self.processes.rows("sweeps", lambda start, stop: (f[start:stop],), self.ends)[0], g

    def _visit(self, look: Callable[[int, slice, Singles], None], first: int, last: int) -> None:
        """Call look(worker, rows, costs of those rows) for the rows from one number to another."""
        n, step = last - first, self.blocks.step
        workers = threads.workers(n, step) if self.cost.concurrent else 1
        rooms = [self.blocks.room(1 if self.blocks.kept is not None else step) for _ in range(workers)]

        def visit(worker: int, start: int, stop: int) -> None:
            if self.deadline.passed:
                raise OutOfTimeError
            rows = slice(first + start, first + stop)
            look(worker, rows, self.blocks.fill(rows.start, rows.stop, rooms[worker]))

        with one_thread():
            threads.in_turns(visit, n, step, workers)


@compiled(SUMS)
def sweep_rows(
    block: Any, f: Any, level: Any, a: Any, b: Any, inverse: Any, epsilon: Any, room: Any, columns: Any
) -> None:
    """Make rows exact, overrelaxed, and add their entries to the sums of the columns.

    Parameters
    ----------
    block : array of float32, shape (rows, m)
        Costs.
    f : array, shape (rows,)
    level : array, shape (m,)
        g / (ε log 2).
    a, b : array, shapes (rows,) and (m,)
    inverse, epsilon : float32
        1 / (ε log 2), and ε.
    room, columns : array, shape (m,)
    """
    m, most, none, few = len(level), np.float32(_MOST), np.float32(0), np.float32(1e-30)
    relaxed = np.float32(_RELAXATION)
    for i in range(len(block)):
        row, base, total = block[i], f[i] * inverse, none
        for j in range(m):
            entry = exp2(min(base + level[j] - row[j] * inverse, most), none)
            room[j] = entry
            total += entry * b[j]
        total = max(total, few)
        share = a[i] / total
        for j in range(m):
            columns[j] += share * room[j]
        f[i] -= relaxed * epsilon * np.float32(np.log(total))
