import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.image import imread

from otgan.gan import train
from otgan.gan.evaluation import figures
from otgan.gan.evaluation.figures import (
    curves,
    draw,
    image_grid,
    reconstruction_picture,
    sample_picture,
    traversal_picture,
)


def test_grid_holds_the_images_row_by_row(rng):
    images = rng.uniform(size=(5, 1, 112, 120))
    grid = image_grid(images, across=3)
    assert grid.shape == (224, 360, 3)
    assert np.array_equal(grid[:112, 120:240, 1], (255 * images[1, 0]).round())
    assert np.array_equal(grid[112:, 120:240, 2], (255 * images[4, 0]).round())
    assert (grid[112:, 240:] == 0).all()
    colored = rng.uniform(size=(1, 3, 112, 6))
    assert np.array_equal(image_grid(colored), (255 * colored[0].transpose(1, 2, 0)).round())


def test_small_images_are_enlarged(rng):
    images = rng.uniform(size=(1, 1, 28, 28))
    grid = image_grid(images)
    assert grid.shape == (112, 112, 3)
    assert np.array_equal(grid[::4, 3::4, 0], (255 * images[0, 0]).round())


def test_pictures_of_images_show_their_pixels_beside_those_of_the_data(tmp_path, rng, drawn):
    images, real = rng.uniform(size=(2, 4, 1, 8, 8))
    sample_picture(tmp_path / "grid.png", images, real)
    panels = drawn[0].axes
    assert [axes.get_title() for axes in panels] == ["samples", "held-out data"]
    for axes, part in zip(panels, (images, real), strict=True):
        assert np.array_equal(axes.images[0].get_array(), image_grid(part, gap=4))
    stored = imread(tmp_path / "grid.png")
    assert stored.shape[:2] == (232 + 32, 2 * 232 + 24)
    assert np.allclose(stored[32:, :232, 0], image_grid(images, gap=4)[..., 0] / 255, atol=0.01)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are written, in turn."""
    found, real = [], figures._write
    monkeypatch.setattr(figures, "_write", lambda figure, path: (found.append(figure), real(figure, path)))
    return found


def in_plane(points):
    return points[:, :2] if points.shape[1] > 1 else np.column_stack([points, 0 * points])


def dots(figure):
    """Return the dots of a figure by their label in its legend, with their color."""
    (axes,) = figure.axes
    return {
        each.get_label(): (np.asarray(each.get_offsets()), to_hex(each.get_facecolor()[0]))
        for each in axes.collections
        if isinstance(each, PathCollection)
    }


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_points_are_drawn_beside_those_of_the_data_on_the_same_axes(dim, tmp_path, rng, drawn):
    samples, real = 0.1 * rng.normal(size=(20, dim)), rng.normal(size=(3000, dim))
    samples[:5] += 100
    sample_picture(tmp_path / "both.png", samples, real)
    sample_picture(tmp_path / "alone.png", samples)
    panels = drawn[0].axes
    assert [axes.get_title() for axes in panels] == ["samples, 25% of them outside", "held-out data"]
    for axes, part in zip(panels, (samples, real[:2000]), strict=True):
        assert np.array_equal(axes.collections[0].get_offsets(), in_plane(part))
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("first coordinate", "second coordinate")
    assert panels[0].get_xlim() == panels[1].get_xlim()
    assert panels[0].get_xlim()[0] <= real[:2000, 0].min() <= real[:2000, 0].max() <= panels[0].get_xlim()[1]
    assert [axes.get_title() for axes in drawn[1].axes] == ["samples"]
    assert imread(tmp_path / "both.png").shape == (440, 840, 4)


def test_a_single_point_of_data_has_axes_around_it(tmp_path, drawn):
    point = np.array([[1.0, 2.0]])
    sample_picture(tmp_path / "points.png", point + 0.1, point)
    (low, high), (bottom, top) = (axis() for axis in (drawn[0].axes[0].get_xlim, drawn[0].axes[0].get_ylim))
    assert low < 1 < high
    assert bottom < 2 < top


def test_reconstructions_of_images_lie_below_them(tmp_path, rng, drawn):
    real, decoded = rng.uniform(size=(2, 16, 1, 112, 112))
    reconstruction_picture(tmp_path / "pairs.png", real, decoded)
    stored = drawn[0].axes[0].images[0].get_array()[..., 0]
    assert stored.shape == (448, 896)
    for row, (part, start) in enumerate(((real, 0), (decoded, 0), (real, 8), (decoded, 8))):
        expected = image_grid(part[start : start + 8], 8)[..., 0]
        assert np.array_equal(stored[112 * row : 112 * row + 112], expected)


def test_traversals_of_images_have_a_row_for_each_coordinate(tmp_path, rng, drawn):
    decoded = rng.uniform(size=(3, 5, 1, 112, 112))
    traversal_picture(tmp_path / "rows.png", decoded, decoded[0])
    stored = drawn[0].axes[0].images[0].get_array()[..., 0]
    assert stored.shape == (336, 560)
    assert np.array_equal(stored[112:224], image_grid(decoded[1], 5)[..., 0])


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_reconstructions_of_points_are_joined_with_them(dim, tmp_path, rng, drawn):
    real, decoded = rng.normal(size=(2, 20, dim))
    reconstruction_picture(tmp_path / "lines.png", real, decoded)
    found = dots(drawn[0])
    assert np.array_equal(found["data"][0], in_plane(real))
    assert np.array_equal(found["reconstructions"][0], in_plane(decoded))
    (lines,) = [each for each in drawn[0].axes[0].collections if isinstance(each, LineCollection)]
    expected = np.stack([in_plane(real), in_plane(decoded)], 1)
    assert np.array_equal(np.stack(lines.get_segments()), expected)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_traversals_of_points_are_a_curve_for_each_coordinate(dim, tmp_path, rng, drawn):
    real, decoded = rng.normal(size=(20, dim)), rng.normal(size=(3, 5, dim))
    traversal_picture(tmp_path / "curves.png", decoded, real)
    (axes,) = drawn[0].axes
    assert [line.get_label() for line in axes.lines] == ["z1", "z2", "z3"]
    for line, curve in zip(axes.lines, decoded, strict=True):
        assert np.array_equal(line.get_xydata(), in_plane(curve))
    assert np.array_equal(axes.collections[0].get_offsets(), in_plane(real))


HISTORY = [
    {"step": 0, "evaluation": {"em": 1.0, "em_floor": 0.1}},
    {"step": 10, "loss": 1.0, "js": 0.3, "seconds": 0.1},
    {"step": 10, "evaluation": {"em": 0.5, "em_floor": 0.2}},
    {"step": 20, "loss": 0.5, "js": 0.2, "seconds": 0.2},
]


def test_curves_have_a_panel_for_each_term_below_that_of_the_distance(tmp_path, drawn):
    curves(tmp_path / "curves.png", HISTORY, "js")
    panels = drawn[0].axes
    assert [panel.get_ylabel() for panel in panels] == ["EM", "loss", "js (median)"]
    lines = [[line.get_xydata().tolist() for line in panel.lines] for panel in panels]
    assert lines == [
        [[[0, 1.0], [10, 0.5]], [[0, 0.1], [10, 0.2]]],
        [[[10, 1.0], [20, 0.5]]],
        [[[10, 0.3], [20, 0.2]]],
    ]
    assert [line.get_label() for line in panels[0].lines] == ["samples", "real data (floor)"]
    assert panels[-1].get_xlabel() == "generator updates"
    assert (tmp_path / "curves.png").stat().st_size > 0


def test_images_have_a_panel_for_each_measure_of_theirs(tmp_path, drawn):
    found = {"em": 1.0, "em_floor": 0.1, "classifier_frechet": 30.0, "classifier_frechet_floor": 9.0}
    curves(tmp_path / "curves.png", [{"step": 0, "evaluation": found}], None)
    assert [panel.get_ylabel() for panel in drawn[0].axes] == ["EM", "Fréchet"]
    assert drawn[0].axes[1].lines[1].get_xydata().tolist() == [[0, 9.0]]


@pytest.mark.parametrize("history", [[], HISTORY[:1], HISTORY[1:2]])
def test_curves_of_a_history_that_is_empty_or_has_one_kind_of_rows(history, tmp_path, drawn):
    curves(tmp_path / "curves.png", history, "js")
    panels = drawn[0].axes
    assert len(panels) == (3 if "js" in (history or [{}])[0] else 1)
    judged = sum("evaluation" in row for row in history)
    assert all(len(line.get_xydata()) == judged for line in panels[0].lines)
    assert imread(tmp_path / "curves.png").ndim == 3


def test_what_evaluations_measure_is_not_drawn_again_among_the_terms(tmp_path, drawn):
    history = [
        {"step": 10, "gap": 0.5, "first": 1.0},
        {"step": 20, "gap": 0.4, "second": 2.0},
        {"step": 20, "evaluation": {"em": 0.5, "em_floor": 0.2, "gap": 0.3}},
    ]
    curves(tmp_path / "curves.png", history, None)
    assert [panel.get_ylabel() for panel in drawn[0].axes] == ["EM", "gap", "first", "second"]


def test_a_model_is_drawn_where_it_is_told(tmp_path):
    points = np.random.default_rng(0).normal(size=(60, 2))
    for system, kinds in (
        ("gan", ["samples"]),
        ("wae-mmd", ["samples", "reconstructions", "traversals"]),
    ):
        run = train(system, points, 1, options={"batch": 8, "width": 4, "depth": 1, "latent": 2})
        asked = []

        def place(kind, step, asked=asked, system=system):
            asked.append((kind, step))
            return tmp_path / f"{system}-{kind}.png"

        draw(run.model, run.real_samples(), place)
        assert asked == [(kind, 1) for kind in kinds]
        assert all((tmp_path / f"{system}-{kind}.png").is_file() for kind in kinds)


def test_images_by_class_stand_in_a_row_for_each(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "sample_picture", lambda *given: shown.append(given[1:]))
    options = {"batch": 8, "width": 4, "depth": 1, "latent": 2}
    run = train("gan", "digits", 1, options=options, conditional=True)
    real, label = run.real_samples()[:40], run.real_labels()[:40]
    label[label == 3] = 4  # too few for a row of the one, and none of the other
    draw(run.model, real, lambda kind, step: tmp_path / f"{kind}.png", label)
    ((made, beside, across),) = shown
    names = [run.data.classes[k // 8] for k in range(80)]
    assert np.array_equal(made, run.sample(80, seed=0, label=names))
    assert across == 8
    for k in range(10):
        own = real[label == k][:8]
        assert np.array_equal(beside[8 * k : 8 * k + len(own)], own)
        assert not beside[8 * k + len(own) : 8 * k + 8].any()
