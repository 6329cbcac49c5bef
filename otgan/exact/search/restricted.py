"""A transport problem restricted to few arcs, to which those that are missing are added.

Arcs are listed for every point: those of least reduced cost under some potentials, the reference, and the reduced cost of the
last of them, its reach. Where potentials have since risen by no more than half of the reach, at either end, an arc that is
on no list cannot have become worth anything: so only points whose potential has risen by more are looked at again.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from otgan.deadline import NEVER, Deadline
from otgan.exact.search.processes import Processes
from otgan.exact.sparse_plan import Floats

__all__ = ["Lists", "Restricted", "Search"]

Ints = NDArray[np.int64]

_PATIENCE, _GROWTH = 4.0, 6.0
"""What going by way of the root costs at first, in reaches, and by how much more as long as mass does."""

_FLOOR = 0.1
"""Least reach that is reckoned with there, relative to the mean: where points are doubled it is 0."""

_ADDED = 8
"""Arcs that a point contributes when it is looked at again."""

_RISEN = 0.8
"""Share of the points that have risen from which on all are listed anew."""

_VIOLATION = 1e-14
"""Reduced cost, relative to the mean cost, that makes an arc a missing one."""


_ROUNDING = 2.0**-44
"""What arcs that are known may cost less than their potentials, relative to the largest of those: what the simplex takes
for rounding, and more than is lost on the way there."""


class Lists(NamedTuple):
    """Arcs i·m + j of least reduced cost of the points of either side, ascending, and the reach of every point.

    The reach is infinite where all arcs are listed. `least` is the least C − g of every row.
    """

    codes: Ints
    least: Floats
    row_reach: Floats
    column_reach: Floats


class Search(Protocol):
    """Finds arcs between rows and columns."""

    shape: tuple[int, int]
    processes: Processes

    def costs(self, codes: Ints) -> Floats:
        """Costs of arcs i·m + j."""

    def lists(self, f: Floats, g: Floats, count: int) -> Lists:
        """The arcs of least reduced cost of every point of either side."""

    def violated(
        self, f: Floats, g: Floats, rows: Ints, columns: Ints, count: int, slack: float
    ) -> tuple[Ints, Floats, Floats]:
        """Arcs from some rows, or to some columns, whose reduced cost is below −slack; and the least C − g and C − f there.

        C − g of a row is none above f, and C − f of a column none above g.
        """

    def transform(self, g: Floats, below: Floats) -> Floats:
        """The least C − g of every row, none above a limit."""


class Restricted:
    """The problem on the arcs that are known.

    Parameters
    ----------
    search : Search
    masses : tuple of ndarray of int64, shapes (n,) and (m,)
        Of rows and columns, positive, with one total.
    f, g : ndarray
        Potentials near the optimal ones.
    count : int
        Arcs that every point contributes at first.
    unit : float
        The mean cost.
    """

    def __init__(
        self, search: Search, masses: tuple[Ints, Ints], f: Floats, g: Floats, count: int, unit: float
    ) -> None:
        self.search, self.unit = search, unit
        self.network = search.processes.network(*masses)
        self.start = self.reference = (f, g)
        self.f, self.g = f, g
        lists = search.lists(f, g, count)
        self.count, self.reach = count, (lists.row_reach, lists.column_reach)
        self.feasible = lists.least, g
        self.codes, self.cost = lists.codes, search.costs(lists.codes)
        self.missing = 1.0
        reach = np.maximum(np.concatenate(self.reach), 0.0)
        reach[~np.isfinite(reach)] = reach.max(initial=0.0, where=np.isfinite(reach)) or unit
        self.penalty = _PATIENCE * np.maximum(reach, _FLOOR * reach.mean() or _FLOOR * unit)

    def solve(self, deadline: Deadline = NEVER) -> None:
        """Find the plan of least cost on the arcs that are known; mass that they cannot carry stays missing.

        Raises
        ------
        OutOfTimeError
            If the deadline passes first.
        """
        m, (f, g) = len(self.g), self.start
        i = self.codes // m
        j = self.codes - i * m
        # Costs above the first potentials are small numbers, which lose less.
        self.network.solve_sparse(i, j, self.cost - f[i] - g[j], self.penalty, deadline)
        self.missing = self.network.missing
        if self.missing > 0:
            self.penalty = _GROWTH * self.penalty
        u, v = self.network.potentials
        self.f, self.g = f + u, g + v

    def expand(self) -> tuple[int, Floats, Floats]:
        """Add arcs that are missing; return how many there are, and potentials that are feasible for all arcs.

        Whatever the simplex has taken for rounding is taken off them.
        """
        largest = max(float(np.abs(side).max()) for side in (self.f, self.g))
        up, across = self.f - self.reference[0], self.g - self.reference[1]
        # What one side gains and the other loses changes nothing: as few as can be are to have risen.
        level = _level(0.5 * self.reach[0] - up, across - 0.5 * self.reach[1])
        rows, columns = up + level > 0.5 * self.reach[0], across - level > 0.5 * self.reach[1]
        few = rows.sum() + columns.sum() <= _RISEN * (len(rows) + len(columns))
        if not few and self.missing == 0:
            lists = self.search.lists(self.f, self.g, self.count)
            self.reference, self.reach = (self.f, self.g), (lists.row_reach, lists.column_reach)
            return self._add(lists.codes), lists.least, self.g
        found, low, under = self.search.violated(
            self.f, self.g, np.flatnonzero(rows), np.flatnonzero(columns), _ADDED, _VIOLATION * self.unit
        )
        f, g = self.f - _ROUNDING * largest, self.g.copy()
        f[rows], g[columns] = np.minimum(low, f[rows]), under
        return self._add(found), f, g

    def _add(self, codes: Ints) -> int:
        """Take arcs into the problem; return how many of them are new."""
        place = np.searchsorted(self.codes, codes)
        known = self.codes[np.minimum(place, len(self.codes) - 1)] == codes
        new = codes[~known]
        self.codes = np.insert(self.codes, place[~known], new)
        self.cost = np.insert(self.cost, place[~known], self.search.costs(new))
        return len(new)

    @property
    def flow(self) -> tuple[Ints, Floats]:
        """Arcs that carry mass, and how much, of a total of 1."""
        i, j, mass = self.network.flow
        codes = i * len(self.g) + j
        order = np.argsort(codes)
        return codes[order], mass[order]


def _level(above: Floats, below: Floats) -> float:
    """The number that is larger than as few of some numbers, and smaller than as few of some others, as can be."""
    above, below = np.sort(above[np.isfinite(above)]), np.sort(below[np.isfinite(below)])
    if not (len(above) and len(below)):
        return 0.0
    levels = np.concatenate([above, below])
    wrong = np.searchsorted(above, levels) + len(below) - np.searchsorted(below, levels, side="right")
    return float(levels[wrong.argmin()])
