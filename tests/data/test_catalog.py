import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from otgan.data import DataError, SpecError, check, load, open_spec
from otgan.data.catalog import places
from otgan.folders import cache_dir


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """Stand in an empty folder, with an empty cache and without OTGAN_DATA."""
    monkeypatch.delenv("OTGAN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def write_mnist(folder: Path, value: int) -> None:
    """Write a training split of two images of one value, labelled 3 and 8."""
    folder.mkdir(parents=True, exist_ok=True)
    images = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28]) + bytes([value]) * (2 * 784)
    (folder / "train-images-idx3-ubyte").write_bytes(images)
    (folder / "train-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 3, 8]))


def write_cifar10(folder: Path, value: int) -> None:
    """Write five batches of one image each, of one value."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(1, 6):
        (folder / f"data_batch_{k}.bin").write_bytes(bytes([k]) + bytes([value]) * 3072)


def test_digits_are_those_of_scikit_learn():
    reference = load_digits()
    data = open_spec("digits")
    assert np.array_equal(data.points, reference.data / 16)
    assert np.array_equal(data.labels, reference.target)
    assert data.shape == (1, 8, 8)
    assert np.array_equal(load("digits:3"), reference.data[reference.target == 3] / 16)


@pytest.mark.parametrize("layout", ["mnist", ".", "MNIST/raw"])
def test_mnist_is_found_in_every_layout(empty, layout):
    write_mnist(empty / "here" / layout, 51)
    points = load("mnist:8", data_dir=empty / "here")
    assert np.array_equal(points, np.full((1, 784), 0.2))


@pytest.mark.parametrize("layout", ["cifar10/cifar-10-batches-bin", "cifar-10-batches-bin", "cifar10", "."])
def test_cifar10_is_found_in_every_layout(empty, layout):
    write_cifar10(empty / "here" / layout, 51)
    assert np.array_equal(load("cifar10:cat", data_dir=empty / "here"), np.full((1, 3072), 0.2))


def test_places_are_searched_in_their_order(empty, monkeypatch):
    given, named, here, cache = (empty / name for name in ("given", "named", "work/data", "cache/otgan"))
    given.mkdir()
    monkeypatch.setenv("OTGAN_DATA", str(named))
    assert places(given) == [given, named, here, cache]
    for value, folder in ((40, cache), (30, here), (20, named), (10, given)):
        write_mnist(folder / "mnist", value)
        assert load("mnist", data_dir=given)[0, 0] == value / 255


def test_what_is_nowhere_says_where_it_was_sought_and_how_to_get_it(empty, monkeypatch):
    monkeypatch.setenv("OTGAN_DATA", str(empty / "named"))
    (empty / "given").mkdir()
    for name in ("mnist", "cifar10"):
        with pytest.raises(DataError) as caught:
            check(name, data_dir=empty / "given")
        message = str(caught.value)
        assert not isinstance(caught.value, SpecError)
        for place in ("given", "named", "work/data", "cache/otgan"):
            assert str(empty / place) in message
        assert f"`otgan data fetch {name}`" in message
        assert "\n" not in message


def test_pickled_cifar10_is_pointed_out_but_not_read(empty):
    folder = empty / "work" / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    with pytest.raises(DataError, match=re.escape(f"{folder} is the pickled version, which is never read")):
        check("cifar10")


def test_a_wrong_class_is_told_before_the_data_are_sought(empty):
    with pytest.raises(SpecError, match="no class '12'"):
        check("mnist:12")
    with pytest.raises(SpecError, match="no class 'kat': it has airplane"):
        check("cifar10:kat")


def test_a_folder_to_look_in_must_exist(empty):
    with pytest.raises(SpecError, match=r"no such folder to look for data in: .*nowhere"):
        check("mnist", data_dir=empty / "nowhere")


def test_damage_is_told_not_searched_past(empty):
    write_mnist(empty / "work" / "data", 1)
    (empty / "work" / "data" / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03 torn")
    write_mnist(cache_dir(), 1)
    with pytest.raises(DataError, match=r"work/data/train-images-idx3-ubyte"):
        check("mnist")


def test_digits_have_no_test_split():
    with pytest.raises(SpecError, match="digits has no test split"):
        check("digits", split="test")


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, ".cache/otgan"),
        ("darwin", {}, "Library/Caches/otgan"),
        ("win32", {}, "AppData/Local/otgan"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/otgan"),
        ("linux", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/otgan"),
        ("darwin", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/otgan"),
    ],
)
def test_the_cache_is_where_the_platform_keeps_its_own(monkeypatch, platform, variables, expected):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", platform)
    assert cache_dir() == Path.home() / expected
