"""What a spec names: a built-in name, or a path with a class or a member after it."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from otgan.data.catalog import KNOWN, open_known
from otgan.data.errors import DataError, SpecError, as_text, first_line, listed
from otgan.data.files import open_path
from otgan.data.sources import Source, select_member
from otgan.data.toy import TOYS, Toy, build

__all__ = ["NAMES", "Spec", "is_column", "reading", "resolve", "toy_of"]

Spec = str | os.PathLike[str]
_T = TypeVar("_T")

#: The built-in names.
NAMES = (*KNOWN, *TOYS, "lines@0.5")


def resolve(spec: Spec, data_dir: Spec | None, split: str) -> tuple[Toy | Source, str | None]:
    """Return what a spec names, opened, and the class to take of it."""
    if isinstance(spec, str) and not spec:
        raise _unknown(spec)
    text = as_text(spec, "data", "'8gaussians' or 'points.npy' (arrays need no loading)")
    if isinstance(spec, str):
        toy = toy_of(text)
        if toy is not None:
            return toy, None
        name, colon, label = text.partition(":")
        if name in KNOWN:
            if colon:  # known before the data are found
                select_member(label, KNOWN[name], name, "class")
            return reading(name, lambda: open_known(name, data_dir, split)), label if colon else None
    path, key, chosen = _parts(text)
    source = reading(path, lambda: open_path(Path(path), key, split))
    if chosen is not None:
        if not source.classes:
            raise SpecError(f"{source.name} has no classes, so there is no class {chosen!r} to take")
        select_member(chosen, source.classes, source.name, "class")
    return source, chosen


def _parts(text: str) -> tuple[str, str | None, str | None]:
    """Return a path and the name of a member or of a class after it; a path that exists as it stands has neither."""
    if os.path.exists(text):
        return text, None, None
    for mark in "#:":
        path, found, name = text.rpartition(mark)
        if found and os.path.exists(path):
            return (path, name, None) if mark == "#" else (path, None, name)
    raise _unknown(text)


def is_column(weights: Spec, source: Toy | Source) -> bool:
    """Whether weights name a column of a table; a file that can be opened if not, or else an error."""
    as_text(weights, "the weights", "'weights.npy' or the name of a column")
    columns = source.columns if isinstance(source, Source) else ()
    if os.fspath(weights) in columns:
        return True
    try:
        resolve(weights, None, "train")
    except SpecError as error:
        if not columns:
            raise
        raise SpecError(f"{error}; {source.name} has the columns {listed(columns)}") from error
    return False


def toy_of(text: str) -> Toy | None:
    """Return the distribution that a spec names, or None if it names something else."""
    head, colon, mode = text.partition(":")
    name, at, argument = head.partition("@")
    if name not in {*TOYS, "lines"}:
        return None
    return build(name, argument if at else None, mode if colon else None)


def _unknown(text: str) -> SpecError:
    name = text.partition(":")[0].partition("@")[0]
    close = difflib.get_close_matches(name, [known.partition("@")[0] for known in NAMES], n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return SpecError(f"no such file or built-in name: {text!r}{hint}; built-in names are {', '.join(NAMES)}")


def reading(name: str, act: Callable[[], _T]) -> _T:
    """Do what touches a file, and give what the system says the form of our errors.

    What other libraries warn of meanwhile is of the form of the file, at most: what is read is checked here.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return act()
    except OSError as error:
        raise DataError(f"{error.filename or name}: {error.strerror or first_line(error)}") from error
    except (MemoryError, OverflowError) as error:  # the latter where a size is beyond what an address can be
        raise DataError(
            f"{name}: not enough memory to read it: draw fewer rows, or split the file"
        ) from error
