"""The spanning tree: its star, and that pivots keep preorder, counts, flows and feasibility, whatever enters."""

from __future__ import annotations

import numpy as np
import pytest

from otgan.exact.network.network import Network
from otgan.exact.network.tree import Tree
from otgan.mistakes import OtganError
from tests.exact.network.trees import check_tree


def test_the_star_is_a_tree():
    supply, demand = np.array([3, 2]), np.array([1, 1, 3])
    tree = Tree.star(np.concatenate([supply, demand]))
    check_tree(tree, supply, demand)
    assert (tree.parent[:-1] == 5).all()
    assert {array.dtype for array in tree[:5]} == {np.dtype(np.int32)}


@pytest.mark.parametrize("seed", range(40))
def test_every_pivot_leaves_a_strongly_feasible_tree(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 12, 2)
    supply, demand = np.full(n, m), np.full(m, n)  # as degenerate as can be
    cost = rng.integers(0, 4, (n, m)).astype(float)
    for pivots in range(0, 40, 3):
        network = Network(supply, demand)
        try:
            network.solve_dense(cost, pivots)
        except OtganError:
            check_tree(network._tree, supply, demand)
            continue
        check_tree(network._tree, supply, demand)
        break


@pytest.mark.parametrize("seed", range(10))
def test_arcs_of_the_tree_have_no_reduced_cost(seed):
    rng = np.random.default_rng(seed)
    cost = rng.random((30, 20))
    network = Network(np.full(30, 2), np.full(20, 3))
    network.solve_dense(cost)
    f, g = network.potentials
    i, j, _ = network._arcs()
    np.testing.assert_allclose(f[i] + g[j], cost[i, j], atol=1e-15)
    assert (cost - f[:, None] - g).min() > -1e-13
