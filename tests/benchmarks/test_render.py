from dataclasses import replace

import pytest

from benchmarks import render
from benchmarks.record import RESULTS, Result, record

BLOCK = "before\n<!-- results:small -->\nold\n<!-- /results:small -->\nafter\n"


@pytest.fixture
def results(tmp_path):
    rows = [["ours", 0.0123456, 50_000], ["a|b", None, 10]]
    record(
        "small",
        ["who", "time (s)", "n"],
        rows,
        notes=["Two cores."],
        directory=tmp_path,
        command="python -m x",
    )
    return tmp_path


def test_a_block_becomes_the_table_it_names(results):
    lines = render.render(BLOCK, results).splitlines()
    assert lines[0] == "before"
    assert lines[1:8] == [
        "<!-- results:small -->",
        "",
        "| who | time (s) | n |",
        "| :--- | ---: | ---: |",
        "| ours | 0.0123 | 50,000 |",
        "| a\\|b | – | 10 |",
        "",
    ]
    assert lines[8].startswith("`python -m x`, 2")
    assert "- Two cores." in lines
    assert lines[-2:] == ["<!-- /results:small -->", "after"]
    assert "old" not in lines


@pytest.mark.parametrize(("load", "said"), [(0.5, False), (9.0, True)])
def test_a_busy_machine_is_admitted(results, load, said):
    result = Result.read(results / "small.json")
    busy = replace(result, machine=result.machine | {"load": load, "processors": 2})
    assert ("busy with other work (load 9)" in render.provenance(busy)) is said


def test_a_pending_table_says_how_to_measure_it_until_it_is_there(results):
    block = "<!-- results:NAME pending:x -->\n<!-- /results:NAME -->\n"
    text = render.render(block.replace("NAME", "other"), results)
    assert "Not recorded yet: `python -m benchmarks.x` measures it.\n" in text
    assert render.render(text, results) == text
    assert "| ours |" in render.render(block.replace("NAME", "small"), results)


def test_rendering_twice_changes_nothing(results):
    once = render.render(BLOCK, results)
    assert render.render(once, results) == once


def test_text_without_blocks_stays():
    assert render.render("nothing here\n", RESULTS) == "nothing here\n"


def test_two_blocks_may_show_one_result(results):
    assert render.render(BLOCK + BLOCK, results).count("| ours |") == 2


@pytest.mark.parametrize(
    "text",
    [
        "<!-- results:small -->\n",
        "<!-- /results:small -->\n",
        "<!-- results:small -->\n<!-- /results:other -->\n",
        "<!-- results:Small -->\n<!-- /results:Small -->\n",
        "<!-- results:small --> on one line <!-- /results:small -->\n",
    ],
)
def test_a_marker_without_its_partner_is_an_error(results, text):
    with pytest.raises(render.RenderError, match="markers"):
        render.render(text, results)


def test_a_result_that_was_not_measured_is_an_error(tmp_path):
    with pytest.raises(render.RenderError, match=r"page\.md shows the result 'small'.*measure it first"):
        render.render(BLOCK, tmp_path, page="page.md")


@pytest.fixture
def project(tmp_path):
    """A project of one stale README and one docs page, beside a built page that is nobody's to write."""
    record("small", ["who", "n"], [["ours", 1]], directory=tmp_path / "benchmarks" / "results")
    (tmp_path / "docs" / "_build").mkdir(parents=True)
    (tmp_path / "README.md").write_text(BLOCK)
    (tmp_path / "docs" / "results.md").write_text("no block\n")
    (tmp_path / "docs" / "_build" / "old.md").write_text(BLOCK)
    return tmp_path


def test_check_finds_a_stale_page_and_writes_nothing(project, capsys):
    assert render.main(["--check"], project) == 1
    assert capsys.readouterr().out == "README.md: does not show what was measured\n"
    assert (project / "README.md").read_text() == BLOCK


def test_rendering_mends_the_page_and_only_it(project, capsys):
    assert render.main([], project) == 0
    assert capsys.readouterr().out == "README.md: rendered\n"
    assert "| ours |" in (project / "README.md").read_text()
    assert (project / "docs" / "_build" / "old.md").read_text() == BLOCK
    assert render.main(["--check"], project) == 0


def test_a_missing_result_is_one_line_and_exit_1(project, capsys):
    (project / "benchmarks" / "results" / "small.json").unlink()
    assert render.main([], project) == 1
    assert capsys.readouterr().err.startswith("error: README.md shows the result 'small'")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.012345, "0.0123"),
        (0.0, "0"),
        (-2.5, "-2.5"),
        (99.95, "100"),
        (1234.5, "1,230"),
        (999_999.0, "1e6"),
        (1.5e-7, "1.5e-7"),
        (123_456, "123,456"),
        (True, "yes"),
        (False, "no"),
        (None, "–"),
        ("as it is", "as it is"),
    ],
)
def test_cells(value, text):
    assert render.cell(value) == text
