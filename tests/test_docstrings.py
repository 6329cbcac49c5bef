"""The parameters that a docstring describes are those that there are."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

SECTION = re.compile(r"^Parameters\n-+\n(.*?)(?=^[A-Z][A-Za-z ]+\n-+$|\Z)", re.MULTILINE | re.DOTALL)


def described(docstring):
    """Return the names in the section of parameters, none where there is no such section."""
    section = SECTION.search(docstring)
    lines = section[1].splitlines() if section else []
    entries = [line.split(" : ")[0] for line in lines if line and not line.startswith(" ")]
    return {name.strip().strip("`*") for entry in entries for name in entry.split(",")}


def fields(node):
    """Return the fields of a class, as far as they stand in it."""
    return {each.target.id for each in node.body if isinstance(each, ast.AnnAssign)}


def parameters(node):
    """Return the parameters of a function, or of what makes an object of a class."""
    if isinstance(node, ast.ClassDef):
        made = next((each for each in node.body if getattr(each, "name", None) == "__init__"), None)
        return fields(node) | (parameters(made) if made else set())
    given = node.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return {each.arg for each in named if each is not None}


def documented(tree):
    """Yield every class and function that has a docstring, and it."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            yield node, ast.get_docstring(node)


def unknown(tree):
    """Return the parameters that are described and are not there, by the names of what they belong to."""
    found = {node.name: described(text) - parameters(node) for node, text in documented(tree)}
    return {name: names for name, names in found.items() if names}


@pytest.mark.parametrize("path", sorted((ROOT / "otgan").rglob("*.py")), ids=lambda path: path.stem)
def test_no_parameter_is_described_that_is_not_there(path):
    assert unknown(ast.parse(path.read_text(encoding="utf-8"))) == {}


def test_what_is_not_there_is_found():
    code = (
        'def f(x, *, y=1, **more):\n    """One.\n\n    Parameters\n    ----------\n    x, z : float\n        What.\n'
        '    **more\n        Else.\n\n    Returns\n    -------\n    w : float\n    """\n'
        'class C:\n    """One.\n\n    Parameters\n    ----------\n    a : int\n    b : int\n    """\n\n    a: int\n'
    )
    assert unknown(ast.parse(code)) == {"f": {"z"}, "C": {"b"}}
