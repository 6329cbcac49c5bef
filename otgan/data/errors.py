"""What goes wrong between a name or a file and its rows: one family of exceptions, one line each."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from otgan.mistakes import MistakeError, NotInstalledError
from otgan.plain import plain

__all__ = ["DataError", "MissingPackageError", "SpecError"]

_SHORT_VALUE = 60
"""Characters up to which a message shows a wrong value."""


class DataError(MistakeError, ValueError):
    """Data cannot be used; the message is one line that names the file and the trouble.

    What a file or another library brings into the message is shown in characters that print.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(plain(message))


class SpecError(DataError):
    """A name, a path or an option means nothing here; the message says what would.

    The command answers this one with the exit status of wrong usage, and any other :class:`DataError`
    with that of wrong contents.
    """


class MissingPackageError(DataError, NotInstalledError):
    """An optional package is needed for this kind of file; the message names the extra that brings it."""


def require(module: str, purpose: str) -> Any:
    """Import an optional module of the extra ``data``.

    Raises
    ------
    MissingPackageError
        If its package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingPackageError(
            f"{purpose} needs {package}, which cannot be imported ({first_line(error)}): "
            "pip install 'otgan[data]'"
        ) from error


def first_line(error: BaseException) -> str:
    """Return the first line of what an exception of another library says, or its type's name; a long one is cut."""
    lines = str(error).strip().splitlines()
    return short(lines[0].rstrip(".:")) if lines else type(error).__name__


def short(text: str, length: int = 300) -> str:
    """Return a text, its end left out where it is longer than a message should be."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def listed(names: Iterable[str], most: int = 30) -> str:
    """Return names separated by commas; of many, the first ones and how many there are."""
    names = [short(name, 80) for name in names]
    return ", ".join(names) if len(names) <= most else f"{', '.join(names[:most])}, … ({len(names)} in all)"


def is_whole(value: object, least: int) -> bool:
    """Whether a value is a whole number, not a truth value, and at least so much."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and int(value) >= least


def as_text(value: Any, what: str, example: str) -> str:
    """Return a name or a path as text.

    Raises
    ------
    SpecError
        If it is neither.
    """
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(text, str):
        raise SpecError(f"expected {what} as a text or a path, got {shown(value)}: give one, like {example}")
    if not text:
        raise SpecError(f"expected {what}, got an empty text: give one, like {example}")
    return text


def shown(value: object) -> str:
    """Return a wrong argument for a message: its type, and its value where that is short."""
    try:
        words = repr(value)
    except Exception:  # somebody else's class
        words = ""
    kind = type(value).__name__
    return (
        f"{words} ({kind})"
        if 0 < len(words) <= _SHORT_VALUE and "\n" not in words
        else f"a value of type {kind}"
    )
