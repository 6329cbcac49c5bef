"""Trees of boxes: every point in its node, boxes around them, planes above."""

from __future__ import annotations

import numpy as np
import pytest

from otgan.exact.search.tree import LEAF, depth_of, plant, raise_planes


def _spans(n, depth):
    """Yield (node, first, end) of all nodes."""
    for level in range(depth + 1):
        for q in range(1 << level):
            yield (1 << level) + q, n * q >> level, n * (q + 1) >> level


POINTS = {
    "gaussian": lambda rng, n, d: rng.standard_normal((n, d)),
    "lattice": lambda rng, n, d: rng.integers(0, 3, (n, d)).astype(float),
    "one": lambda rng, n, d: np.ones((n, d)),
    "line": lambda rng, n, d: rng.standard_normal((n, 1)) * np.arange(1, d + 1),
}


@pytest.mark.parametrize("kind", POINTS)
@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 100, 1000])
@pytest.mark.parametrize("d", [1, 2, 5])
def test_nodes_hold_their_points(kind, n, d):
    points = POINTS[kind](np.random.default_rng(0), n, d)
    tree, order = plant(points)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))
    np.testing.assert_array_equal(tree.points, points[order].T)
    assert tree.depth == depth_of(n)
    for node, first, end in _spans(n, tree.depth):
        here = tree.points[:, first:end].T
        middle, half = tree.boxes[node]
        assert (np.abs(here - middle) <= half).all()
        np.testing.assert_allclose(2 * half, np.ptp(here, axis=0), rtol=1e-12, atol=1e-12)
        assert node < 1 << tree.depth or 1 <= end - first <= LEAF


def test_nodes_are_cut_at_the_median_of_their_widest_coordinate():
    points = np.random.default_rng(0).standard_normal((64, 2)) * [1, 10]
    tree, _ = plant(points)
    assert tree.points[1, :32].max() <= tree.points[1, 32:].min()
    assert np.median(points[:, 1]) >= tree.points[1, :32].max()


@pytest.mark.parametrize("kind", POINTS)
@pytest.mark.parametrize("n", [1, 9, 3000])
def test_planes_are_above_the_values_and_touch_them(kind, n):
    rng = np.random.default_rng(1)
    tree, _ = plant(POINTS[kind](rng, n, 3))
    values = rng.standard_normal(n) + tree.points[0]
    planes = raise_planes(tree, values)
    for node, first, end in _spans(n, tree.depth):
        plane = (
            planes[node, :3] @ (tree.points[:, first:end] - tree.boxes[node, 0][:, None]) + planes[node, 3]
        )
        above = plane - values[first:end]
        assert above.min() == pytest.approx(0, abs=1e-9 * max(1, np.abs(planes[node]).max()))


def test_planes_of_what_is_flat_are_what_it_is():
    tree, _ = plant(np.random.default_rng(2).standard_normal((500, 3)))
    planes = raise_planes(tree, np.array([1.0, -2.0, 0.5]) @ tree.points + 7)
    np.testing.assert_allclose(planes[1 << tree.depth :, :3], np.tile([1.0, -2.0, 0.5], (64, 1)), atol=1e-6)
