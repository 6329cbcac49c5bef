"""The network simplex for transport, on a matrix of costs or on a list of arcs, cold or from the tree of before."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from otgan.deadline import NEVER, Deadline
from otgan.exact.endings import LIMIT, OutOfTimeError, SimplexError
from otgan.exact.network.pricing import PIVOTS, STATE, improve_dense, improve_sparse
from otgan.exact.network.start import deal_all, deal_first, deal_sparse, nearest
from otgan.exact.network.tree import Tree, plant
from otgan.exact.sparse_plan import Floats

__all__ = ["Flow", "Network"]

Ints = NDArray[np.int64]

_EFFORT = 2**23
"""Costs looked at before the clock is: some hundredths of a second."""

_ROUNDS = 8
"""Times that rows are matched to their nearest columns together, before they are one by one."""


class Flow(NamedTuple):
    """Arcs that carry mass, from row i to column j."""

    i: Ints
    j: Ints
    mass: Floats


class Network:
    """A transport problem, and the tree that its last solve has left.

    The first solve starts from cheap arcs, every other one from that tree: it takes few pivots where costs have changed
    a little, or arcs have been added.

    Parameters
    ----------
    supply, demand : ndarray of int64, shapes (n,) and (m,)
        Masses of the rows and the columns, positive, with one total.
    """

    def __init__(self, supply: Ints, demand: Ints) -> None:
        self.supply, self.demand = supply, demand
        self._total = int(supply.sum())
        self._tree: Tree | None = None

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
        if self._tree is None:
            self._tree = self._cheap(cost)
        else:
            self._reprice(lambda i, j: cost[i, j], 0.0)
        tree = self._tree
        self._improve(lambda state: improve_dense(tree, cost, state, _EFFORT, limit), limit, deadline)

    def solve_sparse(
        self, i: Ints, j: Ints, cost: Floats, penalty: float, deadline: Deadline = NEVER
    ) -> None:
        """Find the plan of least cost on some arcs; mass that they cannot carry goes by way of the root.

        Parameters
        ----------
        i, j : ndarray of int64, shape (k,)
            Rows and columns, sorted by i·m + j. Those of the solve before must be among them.
        cost : ndarray, shape (k,)
        penalty : float
            What it costs to come to the root, or from it. Arcs that cost more than twice as much are not worth their
            while.
        deadline : Deadline

        Raises
        ------
        OutOfTimeError
            If the deadline passes first.
        """
        n, m = len(self.supply), len(self.demand)
        if self._tree is None:
            self._tree = self._thrifty(i, j + n, cost, penalty)
        else:
            codes = i * m + j
            self._reprice(lambda i, j: cost[np.searchsorted(codes, i * m + j)], penalty)
        tree, tails, heads = self._tree, i.astype(np.int32), (j + n).astype(np.int32)

        def run(state: Ints) -> bool:
            return bool(improve_sparse(tree, n, tails, heads, cost, state, _EFFORT, LIMIT))

        self._improve(run, LIMIT, deadline)
        if self.missing == 0:
            # What no arc needs to carry must not show in the potentials, which tell what other arcs are worth.
            tree.price[:-1][tree.parent[:-1] == n + m] = 0.0
            self._improve(run, LIMIT, deadline)

    @property
    def flow(self) -> Flow:
        """What the arcs of the tree carry, of a total of 1; those that carry nothing are left out."""
        i, j, nodes = self._arcs()
        mass = self._planted.flow[nodes]
        used = mass > 0
        return Flow(i[used], j[used], mass[used] / self._total)

    @property
    def missing(self) -> float:
        """The mass that no arc carries."""
        tree, n = self._planted, len(self.supply)
        return float(tree.flow[:n][tree.parent[:n] == len(tree.parent) - 1].sum() / self._total)

    @property
    def potentials(self) -> tuple[Floats, Floats]:
        """f and g: fᵢ + gⱼ is the cost of every arc of the tree, and no more than that of any other arc."""
        tree, n = self._planted, len(self.supply)
        return tree.potential[:n].copy(), -tree.potential[n:-1]

    @property
    def _planted(self) -> Tree:
        assert self._tree is not None, "a solve comes first"
        return self._tree

    def _arcs(self) -> tuple[Ints, Ints, Ints]:
        """Rows and columns of the arcs of the tree that are not artificial, and the nodes that hang from them."""
        parent, n = self._planted.parent, len(self.supply)
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

    def _reprice(self, costs: Callable[[Ints, Ints], Floats], penalty: float) -> None:
        """Give the arcs of the tree their new costs."""
        tree = self._planted
        i, j, nodes = self._arcs()
        tree.price[:-1] = np.where(tree.flow[:-1] > 0, penalty, 0.0)
        tree.price[nodes] = costs(i, j)

    def _cheap(self, cost: Floats) -> Tree:
        """Plant a tree by the least costs: rows that are nearest to their columns come first."""
        n, m = cost.shape
        left, closed = np.concatenate([self.supply, self.demand]), np.zeros(m)
        tails, heads, flows = np.empty((3, n + m), np.int64)
        value, index = np.empty(n), np.empty(n, np.int64)
        count, rows = 0, np.arange(n)
        for _ in range(_ROUNDS):
            nearest(cost, closed, rows, value, index)
            order = rows[value[rows].argsort()]
            count = deal_first(order, index, closed, left, tails, heads, flows, count)
            rows = left[:n].nonzero()[0]
            if not len(rows):
                break
        count = deal_all(cost, rows, closed, left, tails, heads, flows, count)
        tails, heads, flows = tails[:count], heads[:count], flows[:count]
        return self._planted_from(tails, heads, flows, cost[tails, heads - n], left, 0.0)

    def _thrifty(self, tails: Ints, heads: Ints, cost: Floats, penalty: float) -> Tree:
        """Plant a tree from some arcs, the cheapest of which come first."""
        left = np.concatenate([self.supply, self.demand])
        some = np.empty((4, len(left)), np.int64)
        count = deal_sparse(cost.argsort(), tails, heads, left, *some)
        forest = some[:3, :count]
        return self._planted_from(*forest, cost[some[3, :count]], left, penalty)

    def _planted_from(
        self, tails: Ints, heads: Ints, flows: Ints, costs: Floats, left: Ints, penalty: float
    ) -> Tree:
        tree = Tree.bare(len(left) + 1)
        plant(tree, len(self.supply), tails, heads, flows, costs, left, penalty)
        return tree
