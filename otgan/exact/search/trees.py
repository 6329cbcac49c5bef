"""Two sets of points, each in a tree, and the arcs between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.deadline import NEVER, Deadline
from otgan.exact.search.law import Law, fill_costs
from otgan.exact.search.nearest import least_arcs
from otgan.exact.search.processes import ALONE, Processes
from otgan.exact.search.restricted import Lists
from otgan.exact.search.shortlist import arcs_of, reach_of, violating
from otgan.exact.search.tree import Tree
from otgan.exact.sparse_plan import Floats

__all__ = ["Trees"]

Ints = NDArray[np.int64]


class Trees:
    """Rows and columns in trees: points and potentials are in the order of their leaves.

    Parameters
    ----------
    x, y : Tree
    law : tuple
    deadline : Deadline
    processes : Processes
        Who searches: each for some of the points.
    """

    def __init__(
        self, x: Tree, y: Tree, law: Law, deadline: Deadline = NEVER, processes: Processes = ALONE
    ) -> None:
        self.x, self.y, self.law = x, y, law
        self.deadline, self.processes = processes.clock(deadline), processes
        self.shape = x.points.shape[1], y.points.shape[1]

    def costs(self, codes: Ints) -> Floats:
        """Costs of arcs i·m + j."""
        found = np.empty(len(codes))
        i, j = np.divmod(codes, self.shape[1])
        fill_costs(self.x.points.T, self.y.points.T, self.law, i, j, found)
        return found

    def lists(self, f: Floats, g: Floats, count: int) -> Lists:
        """The arcs of least reduced cost of every point of either side."""
        columns, least = self._least(self.x.points, self.y, g, count)
        rows, low = self._least(self.y.points, self.x, f, count)
        return Lists(
            arcs_of(columns, rows), least[:, 0].copy(), reach_of(least, f, count), reach_of(low, g, count)
        )

    def violated(
        self, f: Floats, g: Floats, rows: Ints, columns: Ints, count: int, slack: float
    ) -> tuple[Ints, Floats, Floats]:
        """Arcs from some rows, or to some columns, whose reduced cost is below −slack; and the least C − g and C − f there."""
        ends, least = self._least(self.x.points[:, rows], self.y, g, count, f[rows])
        starts, low = self._least(self.y.points[:, columns], self.x, f, count, g[columns])
        codes = violating(
            (rows, ends, least, f[rows] - slack), (columns, starts, low, g[columns] - slack), len(g)
        )
        return codes, least[:, 0], low[:, 0]

    def transform(self, g: Floats, below: Floats) -> Floats:
        """The least C − g of every row, none above a limit."""
        return self._least(self.x.points, self.y, g, 1, below)[1][:, 0]

    def _least(
        self, points: Floats, other: Tree, g: Floats, count: int, below: Floats | None = None
    ) -> tuple[Any, ...]:
        """Find the points of a tree of least C − g, of some points each process."""

        def look(start: int, stop: int) -> tuple[Any, ...]:
            here = np.ascontiguousarray(points[:, start:stop])
            limits = None if below is None else below[start:stop]
            return least_arcs(here, other, g, self.law, count, limits, self.deadline)

        return self.processes.rows("nearest points", look, self.processes.ends(points.shape[1]))
