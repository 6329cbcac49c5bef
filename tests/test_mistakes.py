"""Errors raised on purpose have a base of their own, and stay what Python calls the kind of trouble."""

import ast
import builtins
import pickle
from pathlib import Path

import pytest

from otgan import mistakes
from otgan.data.errors import DataError, MissingPackageError, SpecError
from otgan.data.transfer import FetchError
from otgan.exact.simplex import SimplexError
from otgan.gan.errors import DivergedError, OptionError, RunError, WriteError
from otgan.inference.store import StoreError
from otgan.mistakes import MistakeError, OtganError
from otgan.status import ConvergenceError

ROOT = Path(mistakes.__file__).parent.parent

KINDS = {
    mistakes.WrongValueError: (MistakeError, ValueError),
    mistakes.WrongKindError: (MistakeError, TypeError, ValueError),
    mistakes.NoSuchNameError: (MistakeError, KeyError),
    mistakes.OutOfRangeError: (OverflowError,),
    mistakes.TooLargeError: (MemoryError,),
    mistakes.NotInstalledError: (ImportError,),
    mistakes.UnsupportedError: (RuntimeError,),
    DataError: (MistakeError, ValueError),
    SpecError: (MistakeError, ValueError),
    MissingPackageError: (MistakeError, ValueError, ImportError),
    FetchError: (MistakeError, ValueError),
    SimplexError: (RuntimeError,),
    StoreError: (OSError,),
    ConvergenceError: (RuntimeError,),
    OptionError: (MistakeError, ValueError),
    RunError: (RuntimeError,),
    WriteError: (RuntimeError,),
    DivergedError: (RuntimeError,),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_what_callers_catch(kind):
    for base in (OtganError, *KINDS[kind]):
        assert issubclass(kind, base)
    assert issubclass(kind, MistakeError) == (MistakeError in KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_each_says_its_sentence_and_goes_between_processes(kind):
    error = pickle.loads(pickle.dumps(kind("expected this, got that")))
    assert type(error) is kind
    assert str(error) == "expected this, got that"


# Where Python's own errors are raised: what the protocol of the language asks for, or what the same module catches.
PLAIN = {
    "otgan/__init__.py": {"AttributeError"},
    "otgan/costs/__init__.py": {"AttributeError"},
    "otgan/distances/__init__.py": {"AttributeError"},
    "otgan/distances/metric.py": {"NotImplementedError"},
    "otgan/gan/__init__.py": {"AttributeError"},
    "otgan/gan/datasets/batches.py": {"ValueError"},
    "otgan/gan/datasets/scaling.py": {"ValueError"},
    "otgan/gan/moved.py": {"AttributeError"},
    "otgan/gan/systems/fields.py": {"TypeError", "ValueError"},
    "otgan/gan/training/averages.py": {"ValueError"},
    "otgan/gan/training/history.py": {"ValueError"},
    "otgan/data/tables.py": {"ValueError"},
}


def raised(path):
    """Names of the builtin errors that a module raises."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise) and node.exc is not None:
            what = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            kind = getattr(builtins, what.id, None) if isinstance(what, ast.Name) else None
            if isinstance(kind, type) and issubclass(kind, Exception):
                names.add(what.id)
    return names


def test_nothing_raises_an_error_that_looks_like_a_bug():
    found = {path.relative_to(ROOT).as_posix(): raised(path) for path in (ROOT / "otgan").rglob("*.py")}
    assert {path: names for path, names in found.items() if names} == PLAIN
