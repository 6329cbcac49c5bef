"""The spanning tree of a transport problem, and how one arc enters it and another leaves.

Nodes are the n sources, the m sinks and a root that stands for nothing. Every node but the root hangs from its parent
by one arc. Arcs run from sources to sinks; that of a child of the root, which is artificial, runs from a source to the
root or from the root to a sink. So a source's arc always runs up and a sink's down.

The tree is kept as its preorder, with the last descendant and the number of descendants of every node (the extended
threaded index; Barr, Glover & Klingman 1979): a pivot rearranges it along one path only.

Every arc on which nothing flows runs up: the tree is strongly feasible (Cunningham 1976), and stays so, which is why
the simplex cannot cycle, however degenerate the problem is. Flows are whole numbers, so that nothing is nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from otgan.jit import EXACT, part

__all__ = ["Tree", "pivot", "settle"]


class Tree(NamedTuple):
    """A spanning tree of n sources, m sinks and the root, numbered in this order.

    Attributes
    ----------
    parent : ndarray of int32, shape (n + m + 1,)
        −1 for the root.
    thread, back : ndarray of int32
        The next and the previous node in preorder, which closes at the root.
    last, size : ndarray of int32
        The last of the node's descendants, itself included, in preorder, and their number.
    flow : ndarray of int64
        What flows on the arc to the parent.
    price : ndarray of float64
        The cost of that arc.
    potential : ndarray of float64
        fᵢ of sources, −gⱼ of sinks: a reduced cost is Cᵢⱼ − potentialᵢ + potentialⱼ.
    """

    parent: NDArray[np.int32]
    thread: NDArray[np.int32]
    back: NDArray[np.int32]
    last: NDArray[np.int32]
    size: NDArray[np.int32]
    flow: NDArray[np.int64]
    price: NDArray[np.float64]
    potential: NDArray[np.float64]

    @classmethod
    def star(cls, flow: NDArray[np.int64]) -> Tree:
        """All nodes as children of the root, by artificial arcs that carry all there is: masses of sources and sinks."""
        root = len(flow)
        # In preorder the root comes first.
        last = np.arange(root + 1, dtype=np.int32)
        thread, back = last + np.int32(1), last - np.int32(1)
        thread[root], back[0], last[root] = 0, root, root - 1
        parent, size = np.full_like(last, root), np.ones_like(last)
        parent[root], size[root] = -1, root + 1
        return cls(
            parent, thread, back, last, size, np.append(flow, 0), np.zeros(root + 1), np.zeros(root + 1)
        )


@part(EXACT)
def settle(tree: Tree, n: int) -> float:
    """Compute the potentials anew, as those at which the arcs of the tree have no reduced cost; return the largest.

    Once the artificial arcs carry nothing any more they cost nothing: what they did cost is in all potentials alike, and
    rounds.
    """
    parent, thread, potential, price = tree.parent, tree.thread, tree.potential, tree.price
    root = len(parent) - 1
    carried = False
    for v in range(root):
        carried = carried or (parent[v] == root and tree.flow[v] > 0)
    largest, potential[root] = 0.0, 0.0
    v = thread[root]
    while v != root:
        if parent[v] == root and not carried:
            price[v] = 0.0
        up = potential[parent[v]]
        value = up + price[v] if v < n else up - price[v]
        potential[v] = value
        largest = max(largest, abs(value))
        v = thread[v]
    return largest


@part(EXACT)
def _leaving(tree: Tree, n: int, i: int, j: int) -> tuple[int, bool]:
    """The node whose arc leaves when one from i to j enters, and whether it is on the side of i.

    It is the last one to block on the way from the apex of the cycle down to i, over the new arc to j, and up again.
    Of two nodes the one with fewer descendants is below the apex. On the side of j all arcs that could block carry
    something, so that the first beside i that carries nothing is the one.
    """
    parent, size, flow = tree.parent, tree.size, tree.flow
    most = np.iinfo(np.int64).max
    least_i, out_i, least_j, out_j = most, -1, most, -1
    while i != j:
        if size[i] < size[j]:
            if i < n and flow[i] < least_i:
                least_i, out_i = flow[i], i
                if least_i == 0:
                    return out_i, True
            i = parent[i]
        else:
            if j >= n and flow[j] <= least_j:
                least_j, out_j = flow[j], j
            j = parent[j]
    return (out_j, False) if least_j <= least_i else (out_i, True)


@part(EXACT)
def _send(tree: Tree, i: int, j: int, mass: int) -> None:
    """Send mass around the cycle that the arc from i to j closes: less on i's arc and on j's, more on the next."""
    parent, size, flow = tree.parent, tree.size, tree.flow
    less, lesser = mass, mass
    while i != j:
        if size[i] < size[j]:
            flow[i] -= less
            less = -less
            i = parent[i]
        else:
            flow[j] -= lesser
            lesser = -lesser
            j = parent[j]


@part(EXACT)
def _recount(tree: Tree, old: int, new: int, branch: int) -> None:
    """Count a branch among the descendants of `new` and no longer of `old`, up to where the two meet."""
    parent, size = tree.parent, tree.size
    while old != new:
        if size[old] < size[new]:
            size[old] -= branch
            old = parent[old]
        else:
            size[new] += branch
            new = parent[new]


@part(EXACT)
def _detach(tree: Tree, out: int) -> None:
    """Take the branch at `out` out of the preorder."""
    last = tree.last[out]
    before, after = tree.back[out], tree.thread[last]
    tree.thread[before], tree.back[after] = after, before
    v = tree.parent[out]
    while v >= 0 and tree.last[v] == last:
        tree.last[v] = before
        v = tree.parent[v]


@part(EXACT)
def _turn(tree: Tree, inner: int, outer: int, out: int, mass: int, cost: float) -> int:
    """Make `inner` the root of the branch at `out` and hang it from `outer`; return the end of its preorder.

    Along the path from `inner` to `out` every node becomes the child of the one before: what follows in preorder are
    the descendants of each that are not those of the one before.
    """
    parent, thread, back, ends = tree.parent, tree.thread, tree.back, tree.last
    branch, shed = tree.size[out], 0
    v, up, above = inner, parent[inner], outer
    before, last = back[v], ends[v]
    after, tail = thread[last], last
    while True:
        parent[v] = above
        # What v had on its arc moves on to the node above, with the arc.
        mass, tree.flow[v] = tree.flow[v], mass
        cost, tree.price[v] = tree.price[v], cost
        shed, tree.size[v] = tree.size[v], branch - shed
        if v == out:
            break
        end, place, next_up = ends[up], back[up], parent[up]
        rest = before
        if end != last:  # there are descendants of `up` behind those of v: they close up
            thread[before], back[after] = after, before
            rest, after = end, thread[end]
        thread[tail], back[up] = up, tail
        tail, last, before = rest, end, place
        above, v, up = v, up, next_up
    v = out
    while v != outer:
        ends[v] = tail
        v = parent[v]
    return tail


@part(EXACT)
def _attach(tree: Tree, inner: int, outer: int, tail: int) -> None:
    """Put the branch whose preorder is inner, …, tail into the preorder behind `outer`."""
    after = tree.thread[outer]
    tree.thread[outer], tree.back[inner] = inner, outer
    tree.thread[tail], tree.back[after] = after, tail
    v = outer
    while v >= 0 and tree.last[v] == outer:
        tree.last[v] = tail
        v = tree.parent[v]


@part(EXACT)
def _shift(tree: Tree, top: int, step: float) -> int:
    """Raise the potentials of a branch over those of all others, by touching the fewer of the two; return how many."""
    thread, potential = tree.thread, tree.potential
    size, nodes = tree.size[top], len(tree.parent)
    v, count = top, size
    if 2 * size > nodes:
        v, count, step = thread[tree.last[top]], nodes - size, -step
    for _ in range(count):
        potential[v] += step
        v = thread[v]
    return count


@part(EXACT)
def pivot(tree: Tree, n: int, i: int, j: int, cost: float, reduced: float) -> int:
    """Let an arc into the tree, and another one out.

    Parameters
    ----------
    tree : Tree
    n : int
        Number of sources.
    i, j : int
        The nodes of the arc, a source and a sink.
    cost, reduced : float
        Its cost, and its reduced cost, which is below 0.

    Returns
    -------
    int
        Nodes whose potential has changed.
    """
    out, beside_i = _leaving(tree, n, i, j)
    mass = tree.flow[out]
    if mass > 0:
        _send(tree, i, j, mass)
    inner, outer, step = (i, j, reduced) if beside_i else (j, i, -reduced)
    _recount(tree, tree.parent[out], outer, tree.size[out])
    _detach(tree, out)
    tail = _turn(tree, inner, outer, out, mass, cost)
    _attach(tree, inner, outer, tail)
    return _shift(tree, inner, step)
