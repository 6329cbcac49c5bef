"""Images are drawn as themselves: where they lie, in the frame of their set, none over another."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.offsetbox import AnnotationBbox

import otgan
from otgan.plot.palette import BLUE, ORANGE

SHAPE = (3, 4, 5)


@pytest.fixture
def report(rng):
    """Images that are dark in one set and light in the other."""
    x, y = rng.random((80, 60)) / 2, rng.random((70, 60)) / 2 + 0.5
    return otgan.compare(x, y, metrics="emd", test=None)


def pictures(figure):
    figure.draw_without_rendering()
    return [each for each in figure.axes[0].artists if isinstance(each, AnnotationBbox)]


def test_images_lie_where_their_points_do_in_the_color_of_their_set(report):
    figure = report.plot(images=SHAPE)
    found = pictures(figure)
    assert {to_hex(each.patch.get_edgecolor()) for each in found} == {BLUE.lower(), ORANGE.lower()}
    first, second = (figure.axes[0].collections[k].get_offsets() for k in (1, 2))
    for each in found:
        light = to_hex(each.patch.get_edgecolor()) == ORANGE.lower()
        places, points = (second, report.y.points[0]) if light else (first, report.x.points[0])
        (row,) = np.flatnonzero((places == each.xy).all(1))
        np.testing.assert_allclose(each.offsetbox.get_data(), points[row].reshape(SHAPE).transpose(1, 2, 0))


@pytest.mark.parametrize("wide", [0, 1])
def test_no_picture_lies_over_another(rng, wide):
    x = (
        rng.normal(size=(200, 60)) * np.eye(60)[wide]
        + rng.normal(size=(200, 60)) * 0.8 * np.eye(60)[1 - wide]
    )
    figure = otgan.compare(x, -x, metrics="emd", test=None).plot(images=SHAPE)
    boxes = [each.get_window_extent() for each in pictures(figure)]
    assert len(boxes) > 10
    assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k])


@pytest.mark.parametrize("scale", [1.0, 255.0, -3.0])
def test_gray_images_are_seen_whatever_white_is(rng, scale):
    x = scale * rng.random((30, 16))
    (first, *_) = pictures(otgan.compare(x, x + 0.5 * scale, metrics="emd", test=None).plot(images=(1, 4, 4)))
    values = first.offsetbox.get_data()
    assert values.shape == (4, 4)
    assert -1e-12 <= values.min() < values.max() <= 1 + 1e-12


def test_without_a_shape_points_are_points_and_a_line_has_no_pictures(report):
    assert pictures(report.plot()) == []
    line = otgan.compare([0.0, 1.0], [1.0, 3.0], metrics="emd", test=None)
    assert pictures(line.plot(images=(1, 1, 1))) == []


@pytest.mark.parametrize("images", [(1, 4, 4), (2, 5, 6), (3, 20)])
def test_what_is_no_shape_of_the_samples_is_refused(report, images):
    with pytest.raises(
        ValueError,
        match=r"images must be the shape \(C, H, W\) of an image of 1 or 3 channels and 60 values, got",
    ):
        report.plot(images=images)
