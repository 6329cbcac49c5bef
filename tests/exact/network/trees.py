"""What a spanning tree must be, checked from its definition."""

from __future__ import annotations

import numpy as np

__all__ = ["check_tree"]


def check_tree(tree, supply, demand):
    """Assert that preorder, counts and flows are those of a strongly feasible tree."""
    n, root = len(supply), len(tree.parent) - 1
    assert root == n + len(demand)
    order = [root]
    while (v := int(tree.thread[order[-1]])) != root:
        order.append(v)
        assert len(order) <= root + 1, "the preorder does not close at the root"
    assert sorted(order) == list(range(root + 1))
    assert [int(tree.back[v]) for v in [*order[1:], root]] == order
    place = {v: k for k, v in enumerate(order)}
    size = np.ones(root + 1, dtype=int)
    for v in order[:0:-1]:
        assert place[int(tree.parent[v])] < place[v]
        size[tree.parent[v]] += size[v]
    np.testing.assert_array_equal(size, tree.size)
    assert all(order[place[v] + size[v] - 1] == tree.last[v] for v in order)
    balance = np.zeros(root + 1, dtype=np.int64)
    for v in range(root):
        up, flow = int(tree.parent[v]), int(tree.flow[v])
        assert up == root or (up < n) != (v < n), "arcs are between sources and sinks"
        # What runs up may carry nothing, what runs down must not.
        assert flow >= 0 if v < n else flow > 0
        balance[v] += flow if v < n else -flow
        balance[up] -= flow if v < n else -flow
    np.testing.assert_array_equal(balance, [*supply, *(-demand), 0])
