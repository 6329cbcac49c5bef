"""The search for arcs: the least entry of a row, and searches that pause and go on."""

from __future__ import annotations

import numpy as np
import pytest

from otgan.exact.network.network import Network
from otgan.exact.network.pricing import PIVOTS, STATE, cheapest, improve_dense, improve_sparse
from otgan.exact.network.tree import Tree
from otgan.jit import EXACT, compiled

LIMIT = 10**9


@compiled(EXACT)
def _cheapest(row, other, limit):
    return cheapest(row, other, limit)


@pytest.mark.parametrize("size", [1, 7, 63, 64, 65, 200])
def test_the_least_entry_of_a_row_is_found(size):
    rng = np.random.default_rng(size)
    row, other = rng.standard_normal((2, size))
    least, index = _cheapest(row, other, np.inf)
    assert index == (row + other).argmin()
    assert least == (row + other).min()
    assert _cheapest(row, other, least) == (least, -1)


def _problem():
    rng = np.random.default_rng(0)
    return rng.random((40, 30)), np.full(40, 3), np.full(30, 4)


@pytest.mark.parametrize("effort", [1, 100, 10**6])
def test_pauses_change_nothing(effort):
    cost, supply, demand = _problem()
    network = Network(supply, demand)
    network.solve_dense(cost)
    expected = network.flow
    i, j = (side.ravel() for side in np.indices(cost.shape))
    listed = i.astype(np.int32), (j + 40).astype(np.int32), cost.ravel()
    for dense in (True, False):
        tree, state, calls = Tree.star(np.concatenate([supply, demand])), np.zeros(STATE, np.int64), 1
        tree.price[:] = 1.0

        def run(tree=tree, state=state, dense=dense):
            if dense:
                return improve_dense(tree, cost, state, effort, LIMIT)
            return improve_sparse(tree, 40, *listed, state, effort, LIMIT)

        while not run():
            calls += 1
        assert calls > 3 or effort > 100
        used = tree.flow[:-1] > 0
        assert used.sum() >= len(expected.mass)
        network._tree = tree
        found = network.flow
        assert found.mass @ cost[found.i, found.j] == pytest.approx(
            expected.mass @ cost[expected.i, expected.j], rel=1e-14
        )


def test_pivots_are_limited():
    cost, supply, demand = _problem()
    tree, state = Tree.star(np.concatenate([supply, demand])), np.zeros(STATE, np.int64)
    tree.price[:] = 1.0
    assert not improve_dense(tree, cost, state, LIMIT, 5)
    assert 5 <= state[PIVOTS] <= 5 + 40
