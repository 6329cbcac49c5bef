import numpy as np
from matplotlib.image import imread

from otgan.gan.evaluation.figures import (
    curves,
    image_grid,
    reconstruction_picture,
    sample_picture,
    traversal_picture,
)


def test_grid_holds_the_images_row_by_row(rng):
    images = rng.uniform(size=(5, 1, 4, 6))
    grid = image_grid(images, across=3)
    assert grid.shape == (8, 18, 3)
    assert np.array_equal(grid[:4, 6:12, 1], (255 * images[1, 0]).round())
    assert np.array_equal(grid[4:, 6:12, 2], (255 * images[4, 0]).round())
    assert (grid[4:, 12:] == 0).all()
    colored = rng.uniform(size=(1, 3, 4, 6))
    assert np.array_equal(image_grid(colored), (255 * colored[0].transpose(1, 2, 0)).round())


def test_pictures_of_images_are_their_pixels(tmp_path, rng):
    images = rng.uniform(size=(4, 1, 8, 8))
    sample_picture(tmp_path / "grid.png", images)
    stored = imread(tmp_path / "grid.png")
    assert np.allclose(stored[..., 0], image_grid(images)[..., 0] / 255)


def test_pictures_of_points_on_the_line_and_in_space(tmp_path, rng):
    for dim in (1, 2, 5):
        points = rng.normal(size=(20, dim))
        sample_picture(tmp_path / f"{dim}.png", points, points + 1)
        assert imread(tmp_path / f"{dim}.png").shape == (400, 400, 4)
        sample_picture(tmp_path / f"{dim}.png", points)


def test_reconstructions_of_images_lie_below_them(tmp_path, rng):
    real, decoded = rng.uniform(size=(2, 16, 1, 4, 4))
    reconstruction_picture(tmp_path / "pairs.png", real, decoded)
    stored = imread(tmp_path / "pairs.png")[..., 0]
    assert stored.shape == (16, 32)
    for row, (part, start) in enumerate(((real, 0), (decoded, 0), (real, 8), (decoded, 8))):
        expected = image_grid(part[start : start + 8], 8)[..., 0] / 255
        assert np.allclose(stored[4 * row : 4 * row + 4], expected)


def test_traversals_of_images_have_a_row_for_each_coordinate(tmp_path, rng):
    decoded = rng.uniform(size=(3, 5, 1, 4, 4))
    traversal_picture(tmp_path / "rows.png", decoded, decoded[0])
    stored = imread(tmp_path / "rows.png")[..., 0]
    assert stored.shape == (12, 20)
    assert np.allclose(stored[4:8], image_grid(decoded[1], 5)[..., 0] / 255)


def test_reconstructions_and_traversals_of_points(tmp_path, rng):
    for dim in (1, 2, 5):
        points = rng.normal(size=(20, dim))
        reconstruction_picture(tmp_path / "lines.png", points, points + 1)
        traversal_picture(tmp_path / "curves.png", rng.normal(size=(3, 5, dim)), points)
        for name in ("lines", "curves"):
            assert imread(tmp_path / f"{name}.png").shape == (400, 400, 4)


def test_curves_of_a_short_and_of_an_empty_history(tmp_path):
    history = [
        {"step": 0, "evaluation": {"em": 1.0, "em_floor": 0.1}},
        {"step": 10, "loss": 1.0, "js": 0.3, "seconds": 0.1},
        {"step": 20, "loss": 0.5, "js": 0.2, "seconds": 0.2},
    ]
    for rows in (history, history[:1]):
        curves(tmp_path / "curves.png", rows, "js")
        assert imread(tmp_path / "curves.png").ndim == 3
