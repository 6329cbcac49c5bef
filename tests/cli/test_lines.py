"""``otgan lines``: the lesson of the parallel lines on a terminal."""

import json

import pytest

from otgan.teach import parallel_lines


def test_the_table_is_that_of_the_lesson(otgan):
    ended = otgan("lines", "--thetas", "0,0.5", "--n", 16, "--seed", 3, "--bin-width", 0.2)
    table = parallel_lines.table((0.0, 0.5), n=16, seed=3, bin_width=0.2)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == f"{table}\n"


def test_json(otgan):
    ended = otgan("lines", "--thetas", "-0.5,0", "--n", 16, "--json")
    assert json.loads(ended.out) == parallel_lines.table((-0.5, 0.0), n=16).to_dict()


def test_the_defaults_are_those_of_the_lesson(otgan):
    assert json.loads(otgan("lines", "--json").out) == parallel_lines.table().to_dict()


def test_a_figure_and_a_page(otgan, tmp_path):
    ended = otgan("lines", "--n", 8, "--plot", "lines.png", "--page", "lines.html")
    assert ended.status == 0
    assert (tmp_path / "lines.png").read_bytes().startswith(b"\x89PNG")
    assert "<html" in (tmp_path / "lines.html").read_text(encoding="utf-8")
    assert ended.err == "otgan: wrote lines.png\notgan: wrote lines.html\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--thetas", "0,one"), "expected finite numbers"),
        (("--thetas", "inf"), "expected finite numbers"),
        (("--n", "0"), "--n"),
        (("--bin-width", "0"), "--bin-width"),
        (("--plot", "lines.gif"), "ends in .png, .svg, .pdf"),
        (("--page", "lines.png"), "ends in .html"),
    ],
)
def test_wrong_usage_is_status_2(otgan, arguments, words):
    ended = otgan("lines", *arguments)
    assert ended.status == 2
    assert words in ended.err
    assert ended.err.count("\n") == 1
