"""A balanced tree of boxes over points, all of whose leaves are equally deep, and planes above potentials.

Node 1 is the root, the children of node k are 2 k and 2 k + 1, and node q of level t, which has number 2^t + q, holds the
points from ⌊n q / 2^t⌋ to ⌊n (q + 1) / 2^t⌋ of those sorted by leaves: nothing has to be stored but their order and the
boxes, and the nodes of one level are groups of near points of equal size. Every node is cut in two at the median of its
widest coordinate.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from otgan import threads
from otgan.exact.sparse_plan import Floats
from otgan.jit import EXACT, compiled, part

__all__ = ["LEAF", "Tree", "depth_of", "grow", "plant", "raise_planes"]

LEAF = 8
"""Points of a leaf, at most."""

_WIDER = 1 + 2.0**-50
"""By how much boxes are wider than computed."""

_RIDGE = 1e-9
"""Share of the variance of a coordinate that is added to it, so that slopes are bounded."""


_LEAST = 1e-150
"""Width of a box whose square is a number still."""


class Tree(NamedTuple):
    """Points in the order of the leaves, and boxes of the nodes.

    Attributes
    ----------
    points : ndarray, shape (d, n)
    boxes : ndarray, shape (2^(depth + 1), 2, d)
        Row k is of node k: the middle of its box and half its width; row 0 is of none.
    depth : int
    """

    points: Floats
    boxes: Floats
    depth: int


def depth_of(n: int) -> int:
    """Depth at which leaves of n points are small enough."""
    depth = 0
    while n > LEAF << depth:
        depth += 1
    return depth


def plant(points: Floats) -> tuple[Tree, NDArray[np.int64]]:
    """Return the tree of some points, and the numbers of the points in its order.

    Parameters
    ----------
    points : ndarray, shape (n, d)
        Finite.
    """
    n = len(points)
    depth, order = depth_of(n), np.arange(n)
    lines = np.ascontiguousarray(points.T)
    sort(lines, order, depth)
    return grow(np.ascontiguousarray(lines[:, order]), depth), order


def grow(points: Floats, depth: int) -> Tree:
    """Return the tree of points, shape (d, n), that are in its order already."""
    boxes = np.empty((2 << depth, 2, len(points)))
    enclose(points, boxes, depth)
    return Tree(points, boxes, depth)


def raise_planes(tree: Tree, values: Floats) -> Floats:
    """Return of every node a plane above the values of its points, shape (2^(depth + 1), d + 1).

    It is slope · (y − middle) + height: the slopes, of least squares, and then the height, the least there is.
    """
    found = np.zeros((len(tree.boxes), len(tree.points) + 1))
    leaves, depth = 1 << tree.depth, tree.depth
    pieces = threads.count() if tree.points.size > 2**14 else 1
    threads.in_pieces(fit_planes, leaves, pieces, tree.points, tree.boxes, values, found, depth, depth)
    for level in range(depth - 1, -1, -1):
        pieces = pieces if 1 << level > pieces else 1
        threads.in_pieces(
            fit_planes, 1 << level, pieces, tree.points, tree.boxes, values, found, depth, level
        )
    return found


@compiled(EXACT)
def sort(lines: Any, order: Any, depth: int) -> None:
    """Bring numbers of points into the order of the leaves.

    Parameters
    ----------
    lines : array, shape (d, n)
        The points, by coordinates.
    order : array of int64, shape (n,)
    depth : int
    """
    d, n = lines.shape
    for t in range(depth):
        for q in range(1 << t):
            start, stop = n * q >> t, n * (q + 1) >> t
            widest, wide = 0, -1.0
            for c in range(d):
                least, most = np.inf, -np.inf
                for k in range(start, stop):
                    value = lines[c, order[k]]
                    least, most = min(least, value), max(most, value)
                if most - least > wide:
                    widest, wide = c, most - least
            _part_at(lines[widest], order, start, stop - 1, n * (2 * q + 1) >> (t + 1))


@part(EXACT)
def _part_at(line: Any, order: Any, first: int, last: int, middle: int) -> None:
    """Order some numbers of points such that none before the middle is of a larger value than any from it on (Hoare 1961)."""
    while first < last:
        pivot = line[order[(first + last) // 2]]
        i, j = first, last
        while i <= j:
            while line[order[i]] < pivot:
                i += 1
            while line[order[j]] > pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            last = j
        elif middle >= i:
            first = i
        else:
            return


@compiled(EXACT)
def enclose(points: Any, boxes: Any, depth: int) -> None:
    """Fill in the boxes: first their corners, and then their middles and half widths."""
    d, n = points.shape
    for q in range(1 << depth):
        node = (1 << depth) + q
        for c in range(d):
            low, high = np.inf, -np.inf
            for k in range(n * q >> depth, n * (q + 1) >> depth):
                low, high = min(low, points[c, k]), max(high, points[c, k])
            boxes[node, 0, c], boxes[node, 1, c] = low, high
    for node in range((1 << depth) - 1, 0, -1):
        for c in range(d):
            boxes[node, 0, c] = min(boxes[2 * node, 0, c], boxes[2 * node + 1, 0, c])
            boxes[node, 1, c] = max(boxes[2 * node, 1, c], boxes[2 * node + 1, 1, c])
    for node in range(1, 2 << depth):
        for c in range(d):
            low, high = boxes[node, 0, c], boxes[node, 1, c]
            middle = 0.5 * (low + high)
            boxes[node, 0, c] = middle
            boxes[node, 1, c] = max(high - middle, middle - low) * _WIDER


@compiled(EXACT)
def fit_planes(
    points: Any,
    boxes: Any,
    values: Any,
    found: Any,
    depth: int,
    level: int,
    piece: int,
    start: int,
    stop: int,
) -> None:
    """Fill in the planes of some nodes of a level; those of the leaves come first.

    Above the leaves the slope is the mean of those of the children, and the height what all points below ask for.

    Parameters
    ----------
    points, boxes
        As a tree has them.
    values : array, shape (n,)
    found : array, shape (2^(depth + 1), d + 1)
    depth, level : int
    piece, start, stop : int
        The nodes.
    """
    d, n = points.shape
    matrix, room = np.empty((d, d)), np.empty(d)
    for q in range(start, stop):
        node, first, end = (1 << level) + q, n * q >> level, n * (q + 1) >> level
        middle, slope = boxes[node, 0], found[node, :d]
        if level < depth:
            for c in range(d):
                slope[c] = 0.5 * (found[2 * node, c] + found[2 * node + 1, c])
        else:
            _fit(points, values, first, end, boxes[node, 1], matrix, room, slope)
        height = -np.inf
        for k in range(first, end):
            value = values[k]
            for c in range(d):
                value -= slope[c] * (points[c, k] - middle[c])
            height = max(height, value)
        found[node, d] = height


@part(EXACT)
def _fit(
    points: Any, values: Any, first: int, end: int, half: Any, matrix: Any, room: Any, slope: Any
) -> None:
    """Fill in the slopes of least squares of some values, which are small where there are few points."""
    d, count = len(points), end - first
    level = 0.0
    for k in range(first, end):
        level += values[k] / count
    for c in range(d):
        room[c] = 0.0
        for k in range(first, end):
            room[c] += points[c, k] / count
    for c in range(d):
        slope[c] = 0.0
        for e in range(d):
            matrix[c, e] = 0.0
        for k in range(first, end):
            apart = points[c, k] - room[c]
            slope[c] += apart * (values[k] - level)
            for e in range(c + 1):
                matrix[c, e] += apart * (points[e, k] - room[e])
        # Where all have the same coordinate there is no slope.
        matrix[c, c] += _RIDGE * count * half[c] * half[c] if half[c] > _LEAST else 1.0
    _divide(matrix, slope)


@part(EXACT)
def _divide(matrix: Any, slope: Any) -> None:
    """Solve a positive definite system, of which the lower triangle is there, in place (Cholesky)."""
    d = len(slope)
    for c in range(d):
        for e in range(c + 1):
            entry = matrix[c, e]
            for k in range(e):
                entry -= matrix[c, k] * matrix[e, k]
            matrix[c, e] = entry / matrix[e, e] if e < c else np.sqrt(max(entry, _LEAST * _LEAST))
    for c in range(d):
        for e in range(c):
            slope[c] -= matrix[c, e] * slope[e]
        slope[c] /= matrix[c, c]
    for c in range(d - 1, -1, -1):
        for e in range(c + 1, d):
            slope[c] -= matrix[e, c] * slope[e]
        slope[c] /= matrix[c, c]
