import numpy as np
import pytest

from otgan.data import Dataset, SpecError, open_spec


@pytest.fixture
def images():
    points = np.arange(10 * 12, dtype=float).reshape(10, 12)
    return Dataset("ten", points, labels=np.arange(10), weights=np.arange(10.0), shape=(3, 2, 2))


def test_images_are_a_view_of_the_rows(images):
    stack = images.images()
    assert stack.shape == (10, 3, 2, 2)
    assert np.shares_memory(stack, images.points)
    assert np.array_equal(stack[4, 1].ravel(), images.points[4, 4:8])


def test_points_are_no_images():
    with pytest.raises(SpecError, match="2 coordinates, not images"):
        open_spec("swissroll").images()


@pytest.mark.parametrize("rows", [[3, 1], slice(2, 5), np.arange(10) % 2 == 0])
def test_rows_take_their_labels_and_weights_along(images, rows):
    taken = images.take(rows)
    assert np.array_equal(taken.points[:, 0], 12.0 * taken.labels)
    assert np.array_equal(taken.weights, taken.labels)
    assert taken.shape == images.shape


def test_holding_out_parts_the_rows(images):
    kept, held_out = images.hold_out(3, seed=1)
    assert (len(kept), len(held_out)) == (7, 3)
    assert sorted([*kept.labels, *held_out.labels]) == list(range(10))
    again, _ = images.hold_out(3, seed=1)
    assert np.array_equal(again.points, kept.points)


@pytest.mark.parametrize("rows", [0, 10, 11, -1])
def test_both_parts_have_rows(images, rows):
    with pytest.raises(SpecError, match="10 rows"):
        images.hold_out(rows)


def test_a_data_set_says_what_it_is(images):
    assert repr(images) == "Dataset('ten', n=10, d=12, images (3, 2, 2))"
    assert repr(open_spec("8gaussians", n=5)) == "Dataset('8gaussians', n=5, d=2, 8 classes)"
    assert images.dim == 12
