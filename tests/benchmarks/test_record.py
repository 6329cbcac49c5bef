import json
import platform
import socket

import numpy
import pytest

from benchmarks.record import Result, absent, record, versions


def test_what_is_written_is_read_back(tmp_path):
    path = record("small", ["n", "time (s)"], [[10, 0.5], [20, None]], notes=["a note"], directory=tmp_path)
    result = Result.read(path)
    assert path == tmp_path / "small.json"
    assert (result.columns, result.rows, result.notes) == (
        ("n", "time (s)"),
        ((10, 0.5), (20, None)),
        ("a note",),
    )
    assert list(tmp_path.iterdir()) == [path]  # the partial file is gone


def test_a_result_says_what_it_depends_on_and_not_whose_it_is(tmp_path, monkeypatch):
    # A name of its own: a machine may be called "python", or anything else that a result says.
    monkeypatch.setattr(platform, "node", lambda: "somebodys-machine")
    monkeypatch.setattr(socket, "gethostname", platform.node)
    result = Result.read(record("small", ["n"], [[1]], packages=["pytest"], directory=tmp_path))
    assert result.versions["numpy"] == numpy.__version__
    assert result.versions["pytest"] == pytest.__version__
    assert result.machine["cores"] >= 1
    assert result.command.startswith("python ")
    assert platform.node() not in (tmp_path / "small.json").read_text()


def test_what_recording_would_lose_is_named(tmp_path):
    rows = [("gan", 0, 0.5), ("gan", 1, 0.6), ("wgan", 0, 0.7)]
    assert absent("small", rows[:1], directory=tmp_path) == []  # nothing is recorded
    record("small", ["system", "seed", "W₁"], rows, directory=tmp_path)
    assert absent("small", rows[:1], directory=tmp_path) == ["wgan"]
    assert absent("small", rows[:1], keys=2, directory=tmp_path) == ["gan 1", "wgan 0"]
    assert absent("small", [*rows, ("aae", 0, 0.1)], keys=2, directory=tmp_path) == []


def test_a_result_of_an_unknown_peer_is_an_error():
    with pytest.raises(ImportError, match="no-such-peer"):
        versions("no-such-peer")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_has_not_is_refused_and_leaves_the_old_file(tmp_path, value):
    path = record("small", ["n"], [[1]], directory=tmp_path)
    before = path.read_text()
    with pytest.raises(ValueError, match="JSON"):
        record("small", ["n"], [[value]], directory=tmp_path)
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "columns", "rows", "words"),
    [
        ("Small", ["n"], [[1]], "hyphens, not 'Small'"),
        ("../small", ["n"], [[1]], "hyphens"),
        ("small", [], [], "no columns"),
        ("small", ["n", "m"], [[1, 2], [1]], "2 columns, but row 1 has 1 cells"),
    ],
)
def test_a_malformed_table_is_refused(tmp_path, name, columns, rows, words):
    with pytest.raises(ValueError, match=words):
        record(name, columns, rows, directory=tmp_path)


def test_a_result_under_another_name_is_refused(tmp_path):
    path = record("small", ["n"], [[1]], directory=tmp_path)
    with pytest.raises(ValueError, match="'small'"):
        Result.read(path.rename(tmp_path / "other.json"))


def test_the_file_is_strict_json(tmp_path):
    path = record("small", ["n"], [[True]], directory=tmp_path)
    content = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert set(content) == {"name", "command", "date", "machine", "versions", "columns", "rows", "notes"}
