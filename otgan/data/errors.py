"""What goes wrong between a name or a file and its rows: one family of exceptions, one line each."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["DataError", "MissingPackageError", "SpecError"]


class DataError(ValueError):
    """Data cannot be used; the message is one line that names the file and the trouble."""


class SpecError(DataError):
    """A name, a path or an option means nothing here; the message says what would.

    The command answers this one with the exit status of wrong usage, and any other :class:`DataError`
    with that of wrong contents.
    """


class MissingPackageError(DataError, ImportError):
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
    """Return the first line of what an exception of another library says, or its type's name."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".:") if lines else type(error).__name__
