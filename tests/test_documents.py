"""The examples in the documents are run, and print what the documents say."""

import ast
import doctest
import re
from pathlib import Path

import pytest

from otgan.distances import METRICS, metric_of

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```(?P<language>[a-z]*)")
DOCUMENTS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
    if not any(path.is_relative_to(ROOT / "docs" / made) for made in ("_build", "gallery", "api/generated"))
}
WITHOUT = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/guarantees.md",
    "docs/concepts.md",
    "docs/glossary.md",
    "docs/guide.md",
    "docs/how-to/index.md",
    "docs/index.md",
    "docs/install.md",
    "docs/peers.md",
    "docs/results.md",
    "docs/scale.md",
    "docs/papers/architectures.md",
    "docs/papers/debiasing.md",
    "docs/papers/gan_against_wgan.md",
    "docs/papers/index.md",
    "docs/papers/parallel_lines.md",
    "docs/papers/regularized.md",
    "docs/papers/value_surfaces.md",
    "docs/papers/vegan.md",
}
"""Documents that show no example; all others show at least one."""


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


@pytest.mark.parametrize("name", sorted(DOCUMENTS.keys() - WITHOUT))
def test_the_examples_of_a_document_print_what_it_says(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what an example writes, it writes here
    text = DOCUMENTS[name]
    test = doctest.DocTestParser().get_doctest(examples(text), {}, name, name, 0)
    assert len(test.examples) == prompts(text) > 0
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS, verbose=False)
    runner.run(test, out=report.append)
    assert not report, "".join(report)


def prompts(text):
    """How many examples a text shows, in whatever fence or none, those in shell fences excepted."""
    return len(re.findall(r"^\s*>>> ", re.sub(r"^```sh$.*?^```$", "", text, flags=re.M | re.S), re.MULTILINE))


@pytest.mark.parametrize("name", sorted(WITHOUT))
def test_a_document_that_is_not_run_shows_nothing_to_run(name):
    assert prompts(DOCUMENTS[name]) == 0


def test_examples_elsewhere_than_in_a_fence_that_is_run_are_found():
    text = "```python\n>>> 1 + 1\n```\n\n>>> 2\n\n```sh\n>>> no\n```\n\n```pycon\n>>> 3\n3\n```\n"
    assert prompts(text) == 3
    assert len(doctest.DocTestParser().get_examples(examples(text))) == 1


NAMED = re.compile(r"`((?:otgan|tests|benchmarks|docs|examples|\.ci)/[\w./-]*)`")
"""Files and folders of the repository, as the documents name them."""


def test_the_files_that_documents_name_are_there():
    named = {(name, path) for name, text in DOCUMENTS.items() for path in NAMED.findall(text)}
    assert len(named) > 20
    assert {(name, path) for name, path in named if not (ROOT / path).exists()} == set()


def test_a_wrong_example_is_found():
    text = "words\n```pycon\n>>> 1 + 1\n3\n```\n\n```sh\n>>> not python\n```\n"
    test = doctest.DocTestParser().get_doctest(examples(text), {}, "wrong", "wrong", 0)
    assert [(example.lineno, example.want) for example in test.examples] == [(2, "3\n")]
    assert doctest.DocTestRunner(verbose=False).run(test, out=lambda text: None).failed == 1


def taken_from(path, name, **names):
    """Return a function of the configuration of the pages, which is read without Sphinx, and given the names that it uses."""
    tree = ast.parse((ROOT / "docs" / path).read_text(encoding="utf-8"))
    wanted = [
        node
        for node in tree.body
        if getattr(node, "name", None) == name
        or (isinstance(node, ast.Assign) and node.targets[0].id in {"NAME", "PACKAGES"})
        or (isinstance(node, ast.ImportFrom) and node.module == "__future__")
    ]
    exec(compile(ast.Module(wanted, []), path, "exec"), names)
    return names[name]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("otgan.emd(x, y, p=2)", ["otgan.emd"]),
        ("otgan.gan.train", ["otgan.gan.train"]),
        ("compare", ["otgan.compare", "otgan.gan.compare", "otgan.data.compare"]),
        ("Report.plot", ["otgan.Report.plot", "otgan.gan.Report.plot", "otgan.data.Report.plot"]),
        ("emd", []),
        ("a b", []),
        ("--plot", []),
        ("otgan measure", []),
    ],
)
def test_names_in_prose_stand_for_those_of_the_library(text, names):
    candidates = taken_from("_extensions/linked_names.py", "candidates", re=re)
    assert candidates(text, frozenset({"compare"})) == names


def test_every_example_is_in_a_part_of_the_gallery_that_says_what_it_has():
    found = sorted((ROOT / "examples").rglob("*.py"))
    assert len(found) >= 15
    for path in found:
        assert (path.parent / "GALLERY_HEADER.rst").exists()
        assert path.parent.parent == ROOT / "examples"
        assert f'"{path.parent.name}"' in (ROOT / "docs" / "conf.py").read_text(encoding="utf-8")


def test_the_page_of_the_metrics_is_written_from_the_registry():
    page = taken_from("conf.py", "metrics", METRICS=METRICS, metric_of=metric_of)()
    for name in METRICS:
        assert f":func:`otgan.{name}`" in page
        assert f"\n   {name}\n" in page
    assert "api/generated/metrics" in (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
