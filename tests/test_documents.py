"""The examples in the documents are run, and print what the documents say."""

import ast
import doctest
import re
from pathlib import Path

import pytest

from otgan.distances import METRICS, metric_of

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```(?P<language>[a-z]*)")
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def examples(text):
    """Blank out all but the lines inside ```pycon fences, so that every example keeps its line number.

    doctest alone would take the closing fence for a line of the expected output.
    """
    lines, inside = [], False
    for line in text.splitlines():
        fence = FENCE.match(line)
        lines.append(line if inside and not fence else "")
        if fence:
            inside = not inside and fence["language"] == "pycon"
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_examples_of_a_document_print_what_it_says(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what an example writes, it writes here
    test = doctest.DocTestParser().get_doctest(
        examples(path.read_text(encoding="utf-8")), {}, path.name, str(path), 0
    )
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS, verbose=False)
    runner.run(test, out=report.append)
    assert not report, "".join(report)


def test_a_wrong_example_is_found():
    text = "words\n```pycon\n>>> 1 + 1\n3\n```\n\n```sh\n>>> not python\n```\n"
    test = doctest.DocTestParser().get_doctest(examples(text), {}, "wrong", "wrong", 0)
    assert [(example.lineno, example.want) for example in test.examples] == [(2, "3\n")]
    assert doctest.DocTestRunner(verbose=False).run(test, out=lambda text: None).failed == 1


def test_the_page_of_the_metrics_is_written_from_the_registry():
    """The configuration of the pages is read without Sphinx: of it only the functions are needed here."""
    tree = ast.parse((ROOT / "docs" / "conf.py").read_text(encoding="utf-8"))
    (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "metrics")
    names = {"METRICS": METRICS, "metric_of": metric_of}
    exec(compile(ast.Module([function], []), "conf.py", "exec"), names)
    page = names["metrics"]()
    for name in METRICS:
        assert f":func:`otgan.{name}`" in page
        assert f"\n   {name}\n" in page
    assert "api/generated/metrics" in (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
