import numpy as np
import pytest
from matplotlib.image import imread

from otgan.gan.errors import OptionError
from otgan.gan.evaluation.export import writer
from otgan.gan.evaluation.figures import image_grid


def unasked():
    raise AssertionError("data are opened for a picture of points alone")


def test_arrays_and_texts_hold_the_samples(tmp_path, rng):
    images = rng.normal(size=(5, 1, 2, 3)).astype(np.float32)
    for name in ("a.npy", "A.NPY"):
        writer(tmp_path / name)(images, unasked, ())
        assert np.array_equal(np.load(tmp_path / name), images)
    writer(tmp_path / "a.csv")(images, unasked, ())
    assert np.array_equal(
        np.loadtxt(tmp_path / "a.csv", delimiter=",", dtype=np.float32), images.reshape(5, 6)
    )


def test_pictures_of_images_are_grids_and_of_points_beside_the_data(tmp_path, rng):
    images = rng.uniform(size=(4, 1, 4, 4)).astype(np.float32)
    writer(tmp_path / "a.png")(images, unasked, ())
    assert np.allclose(
        imread(tmp_path / "a.png")[32:, :, 0], image_grid(images, gap=4)[..., 0] / 255, atol=0.01
    )
    asked = []
    writer(tmp_path / "b.png")(
        rng.normal(size=(4, 2)), lambda: asked.append(1) or rng.normal(size=(9, 2)), ()
    )
    assert asked == [1]


def test_other_endings_are_refused_before_anything_is_drawn(tmp_path):
    with pytest.raises(OptionError, match=r"samples are written as .npy, .csv or .png, not as 'a.exe'"):
        writer(tmp_path / "a.exe")


def test_texts_begin_with_the_names_of_columns(tmp_path, rng):
    samples = rng.normal(size=(5, 2)).astype(np.float32)
    writer(tmp_path / "a.csv")(samples, unasked, ("height, in cm", "Gewicht"))
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == '"height, in cm",Gewicht'
    assert len(lines) == 6
