"""``otgan test``: the sentence of the result on stdout."""

import json

import numpy as np
import pytest

import otgan as package


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(25, 2))
    np.save(tmp_path / "a.npy", x)
    np.save(tmp_path / "b.npy", x + 0.4 + 0.1 * rng.normal(size=(25, 2)))
    np.save(tmp_path / "w.npy", rng.random(25))
    return tmp_path


def test_it_says_what_the_function_says(otgan, files):
    x, y = (np.load(files / name) for name in ("a.npy", "b.npy"))
    expected = package.two_sample_test(x, y, names=("a.npy", "b.npy"), p=1)
    ended = otgan("test", "a.npy", "b.npy")
    assert (ended.status, ended.out) == (0, f"{expected}\n")


def test_pairs_weights_json_and_picture(otgan, files, tmp_path):
    paired = json.loads(otgan("test", "a.npy", "b.npy", "--paired", "--distance", "energy", "--json").out)
    apart = json.loads(otgan("test", "a.npy", "b.npy", "--distance", "energy", "--json").out)
    assert paired["p_value"] < apart["p_value"]
    assert len(paired["null"]) == 999
    ended = otgan(
        "test", "a.npy", "b.npy", "--weights-a", "w.npy", "--permutations", "19", "--plot", "null.png"
    )
    assert ended.status == 0, ended.err
    assert (tmp_path / "null.png").stat().st_size > 1000


def test_wrong_usage(otgan, files):
    for arguments, words in (
        (("a.npy",), "Missing argument"),
        (("a.npy", "b.npy", "--distance", "emdd"), "did you mean 'emd'"),
        (("a.npy", "b.npy", "--permutations", "0"), "0"),
    ):
        ended = otgan("test", *arguments)
        assert ended.status == 2
        assert words in ended.err
