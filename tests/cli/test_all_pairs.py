"""``otgan pairwise``: the matrix on stdout, all else on stderr."""

import csv
import io
import json

import numpy as np
import pytest

import otgan as package


@pytest.fixture
def sets(tmp_path):
    rng, folder = np.random.default_rng(0), tmp_path / "sets"
    folder.mkdir()
    for k, name in enumerate(("one", "two", "three")):
        np.savetxt(folder / f"{name}.csv", rng.normal(size=(15, 2)) + k, delimiter=",")
    (folder / "notes.txt").write_text("of no interest")
    return folder


def matrix_of(sets):
    held = [np.loadtxt(sets / f"{name}.csv", delimiter=",") for name in ("one", "three", "two")]
    return package.pairwise(held)


def test_a_folder_of_files_is_as_many_sets(otgan, sets):
    ended = otgan("pairwise", "sets")
    assert ended.status == 0, ended.err
    head, *rows = csv.reader(io.StringIO(ended.out.strip()))
    assert head == ["distance", "one", "three", "two"]
    assert [row[0] for row in rows] == head[1:]
    np.testing.assert_allclose(np.array([row[1:] for row in rows], float), matrix_of(sets), rtol=1e-5)


def test_one_of_the_sets_may_be_standard_input(otgan, sets):
    first, second = sets / "one.csv", sets / "two.csv"
    expected = otgan("pairwise", str(first), str(second))
    found = otgan("pairwise", "-", str(second), input=first.read_bytes())
    assert found.status == expected.status == 0
    assert found.out.splitlines()[1].split(",")[1:] == expected.out.splitlines()[1].split(",")[1:]
    assert found.out.startswith("distance,-,")
    twice = otgan("pairwise", "-", str(second), "-", input=first.read_bytes())
    assert twice.status == 2
    assert "only one set can be from it" in twice.err


def test_json_plot_test_and_store(otgan, sets, tmp_path):
    arguments = (
        "sets",
        "--test",
        "99",
        "--plot",
        "map.png",
        "--json",
        "--store",
        "store.db",
        "--distance",
        "energy",
    )
    ended = otgan("pairwise", *arguments)
    assert ended.status == 0, ended.err
    found = json.loads(ended.out)
    assert (found["names"], found["metric"]) == (["one", "three", "two"], "energy")
    assert np.array(found["distance"]).shape == np.array(found["adjusted"]).shape == (3, 3)
    assert found["p_value"][0][1] <= 0.02
    assert (tmp_path / "map.png").stat().st_size > 1000
    assert json.loads(otgan("pairwise", *arguments).out) == found
    told = otgan("pairwise", "sets", "--test", "19").out
    assert [line.partition(",")[0] for line in told.splitlines() if "one,three" in line] == [
        "distance",
        "p_value",
        "adjusted",
    ]


def test_names_and_classes(otgan):
    ended = otgan("pairwise", "digits:0", "digits:1", "8gaussians", "--n", "30")
    assert ended.status == 1
    assert "dimension" in ended.err
    ended = otgan("pairwise", "digits:0", "digits:1", "--n", "30")
    assert ended.out.splitlines()[0] == "distance,digits:0,digits:1"


def test_wrong_usage(otgan, sets):
    for arguments, words in (
        (("sets/one.csv",), "two sets or more"),
        (("sets", "--distance", "emd,js"), "several distances"),
        (("nowhere", "sets"), "no such file"),
    ):
        ended = otgan("pairwise", *arguments)
        assert ended.status == 2
        assert words in ended.err
    (sets / "store.db").write_text("no store" * 200)
    ended = otgan("pairwise", "sets", "--store", "sets/store.db")
    assert ended.status == 1
    assert "not a store" in ended.err


def test_infinite_distances_and_columns_by_name(otgan, sets):
    (sets / "named.csv").write_text("a,b\n1,2\n3,5\n")
    chosen = otgan("pairwise", "sets/named.csv#a", "sets/named.csv#b")
    assert chosen.status == 0, chosen.err
    found = otgan("pairwise", "sets/one.csv", "sets/two.csv", "--distance", "kl", "--json")
    assert json.loads(found.out)["distance"][0][1] == "inf"
    drawn = otgan("pairwise", "sets/one.csv", "sets/two.csv", "--distance", "kl", "--plot", "map.png")
    assert drawn.status == 1
    assert drawn.out.startswith("distance,one,two")
    assert "matrix must be finite" in drawn.err
