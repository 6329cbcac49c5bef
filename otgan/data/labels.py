"""Labels of any kind, numbers or words, as numbers of classes with names."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.data.errors import DataError, SpecError, first_line, require
from otgan.data.sources import Stored

__all__ = ["labelled", "labels_of", "labels_of_words", "without", "words_of_parquet"]

_PADDED = re.compile("[+-]?0[0-9]")
"""Numbers that are names: months, postal codes."""

_MOST = 10_000
"""Classes that are told apart, at most: more are no classes, but numbers."""


def labels_of(name: str, labels: Any, n: int) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the class of each of n samples, and the names of the classes in order, of labels of any kind: numbers or words.

    Raises
    ------
    DataError
        If they are not one a sample.
    """
    values = _values_of(name, labels)
    if values.shape == (n, 1):
        values = values[:, 0]
    if values.shape != (n,) or values.dtype.kind not in "biufUS":
        raise DataError(
            f"{name} must hold one label a sample, a number or a word, of {n} samples, got "
            f"{values.dtype} of shape {values.shape}"
        )
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise DataError(
                f"{name} must hold a label for every sample, got {values[~np.isfinite(values)][0]}"
            )
        if (values == np.round(values)).all() and (abs(values) < 2**53).all():
            values = values.astype(np.int64)
    found, index = np.unique(values, return_inverse=True)
    if len(found) > _MOST:
        raise DataError(f"{name} must hold classes, {_MOST} at most, got {len(found)} different labels")
    names = tuple(
        value.decode(errors="replace") if isinstance(value, bytes) else str(value) for value in found.tolist()
    )
    return index.reshape(-1).astype(np.int64), names


def _values_of(name: str, labels: Any) -> NDArray[Any]:
    """Return labels of any kind as an array, objects as words."""
    try:
        if hasattr(labels, "detach"):  # a tensor, without torch being loaded for it
            labels = labels.detach().cpu().numpy()
        values = np.asarray(labels)
        # Of a list with words numpy makes words of what stands for none, too.
        given = labels if isinstance(labels, (list, tuple)) else values.ravel().tolist()
        missing = [k for k, value in enumerate(given) if values.dtype.kind in "OUS" and _is_missing(value)]
        if values.dtype == object:
            values = np.array([str(value) for value in values.tolist()])
    except Exception as error:  # whatever __array__ of a foreign object raises
        raise DataError(f"{name} cannot be made an array of labels: {first_line(error)}") from error
    if missing:
        raise DataError(
            f"{name} must hold a label for every sample, and sample {missing[0]} (counted from 0) has none"
        )
    return values


def _is_missing(label: Any) -> bool:
    """Whether an object stands for no label: None, NaN, or what pandas has in place of them."""
    return (
        label is None
        or type(label).__name__ in {"NAType", "NaTType"}
        or (isinstance(label, float) and math.isnan(label))
    )


def labels_of_words(name: str, words: list[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the same for cells of a table: numbers where all of them are, and none is written with zeros before it.

    Raises
    ------
    DataError
        If a cell is empty.
    """
    if "" in words:
        raise DataError(
            f"{name} must hold a label in every row, and row {words.index('')} (counted from 0) has none"
        )
    try:
        numbers = None if any(map(_PADDED.match, words)) else np.array(words, float)
    except ValueError:
        numbers = None
    return labels_of(name, words if numbers is None else numbers, len(words))


def without(wanted: tuple[str, ...], label: str | None, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that are wanted without that of the labels."""
    if label is None:
        return wanted
    found = tuple(name for name in wanted or columns if name != label)
    if not found:
        raise SpecError(f"column {label!r} holds labels and is the only one, so no points are left beside it")
    return found


def labelled(stored: Stored, label: str | None, cells: Callable[[], list[Any]]) -> Stored:
    """Return rows with the classes that stand in cells beside them, where there are labels."""
    if label is None:
        return stored
    words = ["" if cell is None else str(cell) for cell in cells()]
    labels, classes = labels_of_words(f"{stored.name}: column {label!r}", words)
    return replace(stored, labels=labels, classes=classes)


def words_of_parquet(path: Path, label: str | None) -> list[Any]:
    """Return the cells of a column of a Parquet file."""
    table = require("pyarrow.parquet", f"{path}: reading Parquet").read_table(path, columns=[label])
    return [row[label] for row in table.to_pylist()]
