"""The network simplex for transport, on a matrix of costs or on a list of arcs, cold or from the tree of before."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from otgan.deadline import NEVER, Deadline
from otgan.exact.endings import LIMIT, OutOfTimeError, SimplexError
from otgan.exact.network.pricing import PIVOTS, STATE, improve_dense, improve_sparse
from otgan.exact.network.tree import Tree
from otgan.exact.sparse_plan import Floats

__all__ = ["Flow", "Network"]

Ints = NDArray[np.int64]

_EFFORT = 2**23
"""Costs looked at before the clock is: some hundredths of a second."""


class Flow(NamedTuple):
    """Arcs that carry mass, from row i to column j."""

    i: Ints
    j: Ints
    mass: Floats


class Network:
    """A transport problem, and the tree that its last solve has left.

    The first solve starts from a tree of artificial arcs, every other one from the tree before: it takes few pivots where
    costs have changed a little, or arcs have been added.

    Parameters
    ----------
    supply, demand : ndarray of int64, shapes (n,) and (m,)
        Masses of the rows and the columns, positive, with one total.
    """

    def __init__(self, supply: Ints, demand: Ints) -> None:
        self.supply, self.demand = supply, demand
        self._total = int(supply.sum())
        self._tree = Tree.star(np.concatenate([supply, demand]))

    def solve_dense(self, cost: Floats, limit: int = LIMIT, deadline: Deadline = NEVER) -> None:
        """Find the plan of least cost.

        Parameters
        ----------
        cost : ndarray, shape (n, m)
            Contiguous; of whatever sign, but reduced costs start better.
        limit : int, optional
            Pivots after which to give up.
        deadline : Deadline
            Looked at some times a second.

        Raises
        ------
        OutOfTimeError
            If the deadline passes first.
        SimplexError
            If the limit is reached first.
        """
        cost = np.ascontiguousarray(cost)
        # Twice this is more than any arc costs: none is worth less than to go by way of the root.
        self._reprice(lambda i, j: cost[i, j], float(np.abs(cost).max()) or 1.0)
        tree = self._tree
        self._improve(lambda state: improve_dense(tree, cost, state, _EFFORT, limit), limit, deadline)

    def solve_sparse(
        self, i: Ints, j: Ints, cost: Floats, penalty: float | Floats, deadline: Deadline = NEVER
    ) -> None:
        """Find the plan of least cost on some arcs; mass that they cannot carry goes by way of the root.

        Parameters
        ----------
        i, j : ndarray of int64, shape (k,)
            Rows and columns, sorted by i·m + j. Those of the solve before must be among them.
        cost : ndarray, shape (k,)
        penalty : float or ndarray, shape (n + m,)
            What it costs every row to come to the root, and every column from it. Arcs that cost more than both ends pay
            are not worth their while.
        deadline : Deadline

        Raises
        ------
        OutOfTimeError
            If the deadline passes first.
        """
        n, m = len(self.supply), len(self.demand)
        codes = i * m + j
        self._reprice(lambda i, j: cost[np.searchsorted(codes, i * m + j)], penalty)
        tree, tails, heads = self._tree, i.astype(np.int32), (j + n).astype(np.int32)

        def run(state: Ints) -> bool:
            return bool(improve_sparse(tree, n, tails, heads, cost, state, _EFFORT, LIMIT))

        self._improve(run, LIMIT, deadline)

    @property
    def flow(self) -> Flow:
        """What the arcs of the tree carry, of a total of 1; those that carry nothing are left out."""
        i, j, nodes = self._arcs()
        mass = self._tree.flow[nodes]
        used = mass > 0
        return Flow(i[used], j[used], mass[used] / self._total)

    @property
    def missing(self) -> float:
        """The mass that no arc carries."""
        tree, n = self._tree, len(self.supply)
        return float(tree.flow[:n][tree.parent[:n] == len(tree.parent) - 1].sum() / self._total)

    @property
    def potentials(self) -> tuple[Floats, Floats]:
        """f and g: fᵢ + gⱼ is the cost of every arc of the tree, and no more than that of any other arc."""
        tree, n = self._tree, len(self.supply)
        return tree.potential[:n].copy(), -tree.potential[n:-1]

    def _arcs(self) -> tuple[Ints, Ints, Ints]:
        """Rows and columns of the arcs of the tree that are not artificial, and the nodes that hang from them."""
        parent, n = self._tree.parent, len(self.supply)
        nodes = (parent[:-1] < len(parent) - 1).nonzero()[0]
        up = parent[nodes].astype(np.int64)
        source = nodes < n
        return np.where(source, nodes, up), np.where(source, up, nodes) - n, nodes

    def _improve(self, run: Callable[[Ints], bool], limit: int, deadline: Deadline) -> None:
        """Pivot for a while at a time: between two the clock is looked at, and signals arrive."""
        state = np.zeros(STATE, np.int64)
        while not run(state):
            if state[PIVOTS] >= limit:
                raise SimplexError(
                    f"the network simplex ended without an optimum on {len(self.supply)} x {len(self.demand)} points: "
                    f"{limit} pivots were not enough; raise max_iter, or give epsilon for an entropic solution with bounds"
                )
            if deadline.passed:
                raise OutOfTimeError

    def _reprice(self, costs: Callable[[Ints, Ints], Floats], penalty: float | Floats) -> None:
        """Give the arcs of the tree their new costs."""
        tree = self._tree
        tree.price[:-1] = penalty
        if tree.parent[:-1].min() < len(tree.parent) - 1:  # it is a star no more
            i, j, nodes = self._arcs()
            tree.price[nodes] = costs(i, j)
