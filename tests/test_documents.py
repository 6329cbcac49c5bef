"""The examples in the documents are run, and print what the documents say."""

import doctest
import re
from pathlib import Path

import pytest

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
