import numpy as np
import pytest

from otgan.data import Dataset, open_splits
from otgan.gan.evaluation.classifier import FEATURES, Classifier


@pytest.fixture(scope="module")
def digits():
    return open_splits("digits", dtype=np.float32)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_it_knows_held_out_images_and_is_kept(digits, cache, caplog):
    train, held_out = digits
    with caplog.at_level("INFO", "otgan"):
        first = Classifier.of(train, held_out)
    assert "training a classifier" in caplog.text
    images = held_out.images()
    assert first.accuracy > 0.95
    assert first.accuracy == np.mean(first.labels(images) == held_out.labels)
    features = first.features(images)
    assert features.shape == (len(held_out), FEATURES)
    assert np.array_equal(first.classes_of(features), first.labels(images))
    (file,) = [path for path in cache.rglob("*") if path.is_file()]
    caplog.clear()
    with caplog.at_level("INFO", "otgan"):
        again = Classifier.of(train, held_out)
        assert "training a classifier" not in caplog.text
        assert np.array_equal(again.features(images), features)
        file.write_bytes(file.read_bytes()[:-20])
        anew = Classifier.of(train, held_out)
    assert "cannot be used" in caplog.text
    assert np.array_equal(anew.features(images), features)  # its draws are its own, always the same


def test_a_cache_that_cannot_be_written_is_no_obstacle(digits, cache, caplog):
    for part in cache.iterdir():
        part.unlink()
    cache.rmdir()
    cache.write_text("")
    few = tuple(part.take(slice(60)) for part in digits)
    with caplog.at_level("WARNING", "otgan"):
        assert Classifier.of(*few).accuracy > 0.3
    assert "the classifier cannot be kept" in caplog.text


def test_pictures_in_color_are_told_apart_by_their_colors_wherever_they_are(cache):
    def draw(n, seed):
        rng = np.random.default_rng(seed)
        labels, images = rng.integers(3, size=n), rng.uniform(0, 0.3, (n, 3, 20, 20))
        for image, label, (row, column) in zip(images, labels, rng.integers(14, size=(n, 2)), strict=True):
            image[label, row : row + 6, column : column + 6] = 1
        points = images.reshape(n, -1).astype(np.float32)
        return Dataset("blocks", points, labels, shape=(3, 20, 20), classes=("red", "green", "blue"))

    assert Classifier.of(draw(16, 0), draw(60, 1)).accuracy > 0.9
