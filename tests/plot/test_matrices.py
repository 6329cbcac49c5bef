"""Pictures of matrices of distances: the numbers that are given, near sets together."""

import numpy as np
import pytest

import otgan
from otgan import plot

RNG = np.random.default_rng(0)
SETS = {f"{'ab'[k % 2]}{k}": RNG.normal(size=(20, 2)) + 5 * (k % 2) for k in range(6)}


def test_near_sets_stand_together():
    figure = plot.pairwise(otgan.pairwise(SETS))
    heat = next(ax for ax in figure.axes if ax.images)
    labels = [text.get_text() for text in heat.get_yticklabels()]
    assert {label[0] for label in labels[:3]} in ({"a"}, {"b"})
    shown = np.asarray(heat.images[0].get_array())
    frame = otgan.pairwise(SETS)
    np.testing.assert_allclose(shown, frame.loc[labels, labels].to_numpy())


def test_places_keep_distances_that_a_plane_can_have():
    where = RNG.normal(size=(5, 2))
    matrix = np.linalg.norm(where[:, None] - where, axis=2)
    ax = plot.pairwise(matrix, names=list("vwxyz")).axes[-1]
    places = next(
        ax for ax in plot.pairwise(matrix).axes if ax.collections and not ax.images and ax.get_xlabel()
    )
    found = np.asarray(places.collections[0].get_offsets())
    np.testing.assert_allclose(np.linalg.norm(found[:, None] - found, axis=2), matrix, atol=1e-9)
    assert ax is not None


def test_what_is_not_symmetric_is_drawn_by_its_mean(tmp_path):
    matrix = np.array([[0.0, 1.0, 4.0], [3.0, 0.0, 1.0], [4.0, 1.0, 0.5]])
    figure = plot.pairwise(matrix, names=["$a", "b", "a long name"])
    figure.savefig(tmp_path / "matrix.png")
    heat = next(ax for ax in figure.axes if ax.images)
    assert sorted(np.asarray(heat.images[0].get_array()).ravel()) == [0, 0, 0, 1, 1, 2, 2, 4, 4]
    assert otgan.plot.pairwise is plot.pairwise


@pytest.mark.parametrize(
    ("matrix", "names", "kind", "message"),
    [
        (np.ones((2, 3)), None, ValueError, r"square, of two sets or more, got shape \(2, 3\)"),
        ([[0.0]], None, ValueError, "two sets or more"),
        ("a", None, TypeError, "matrix must hold the distances"),
        (np.full((2, 2), np.inf), None, ValueError, "must be finite"),
        (np.zeros((2, 2)), ["a"], ValueError, "names must be 2, one of each set, got 1"),
    ],
)
def test_what_cannot_be_drawn(matrix, names, kind, message):
    with pytest.raises(kind, match=message):
        plot.pairwise(matrix, names)
