"""Two sets of points, each in a tree, and the arcs between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from otgan.deadline import NEVER, Deadline
from otgan.exact.search.law import Law, fill_costs
from otgan.exact.search.nearest import least_arcs
from otgan.exact.search.restricted import Lists
from otgan.exact.search.shortlist import arcs_of, reach_of, violating
from otgan.exact.search.tree import Tree
from otgan.exact.sparse_plan import Floats

__all__ = ["Trees"]

Ints = NDArray[np.int64]


class Trees:
    """Rows and columns in trees: points and potentials are in the order of their leaves."""

    def __init__(self, x: Tree, y: Tree, law: Law, deadline: Deadline = NEVER) -> None:
        self.x, self.y, self.law, self.deadline = x, y, law, deadline
        self.shape = x.points.shape[1], y.points.shape[1]

    def costs(self, codes: Ints) -> Floats:
        """Costs of arcs i·m + j."""
        found = np.empty(len(codes))
        i, j = np.divmod(codes, self.shape[1])
        fill_costs(self.x.points.T, self.y.points.T, self.law, i, j, found)
        return found

    def lists(self, f: Floats, g: Floats, count: int) -> Lists:
        """The arcs of least reduced cost of every point of either side."""
        columns, least = least_arcs(self.x.points, self.y, g, self.law, count, deadline=self.deadline)
        rows, low = least_arcs(self.y.points, self.x, f, self.law, count, deadline=self.deadline)
        return Lists(
            arcs_of(columns, rows), least[:, 0].copy(), reach_of(least, f, count), reach_of(low, g, count)
        )

    def violated(
        self, f: Floats, g: Floats, rows: Ints, columns: Ints, count: int, slack: float
    ) -> tuple[Ints, Floats, Floats]:
        """Arcs from some rows, or to some columns, whose reduced cost is below −slack; and the least C − g and C − f there."""
        here, there = (
            np.ascontiguousarray(side.points[:, some]) for side, some in ((self.x, rows), (self.y, columns))
        )
        ends, least = least_arcs(here, self.y, g, self.law, count, f[rows], self.deadline)
        starts, low = least_arcs(there, self.x, f, self.law, count, g[columns], self.deadline)
        codes = violating(
            (rows, ends, least, f[rows] - slack), (columns, starts, low, g[columns] - slack), len(g)
        )
        return codes, least[:, 0], low[:, 0]

    def transform(self, g: Floats, below: Floats) -> Floats:
        """The least C − g of every row, none above a limit."""
        return least_arcs(self.x.points, self.y, g, self.law, 1, below, self.deadline)[1][:, 0]
