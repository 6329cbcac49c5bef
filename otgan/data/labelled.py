"""Tables whose rows have a class, in a column that is no coordinate."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import DTypeLike

from otgan.data.dataset import Dataset
from otgan.data.errors import SpecError, listed
from otgan.data.naming import Spec, reading, resolve
from otgan.data.sources import Source

__all__ = ["open_labelled"]


def open_labelled(
    spec: Spec, column: str, *, data_dir: Spec | None = None, dtype: DTypeLike = np.float64
) -> Dataset:
    """Return the rows of a table, the classes being those in a column, numbers or words; the others are coordinates.

    Raises
    ------
    SpecError
        If the spec names no table with such a column.
    DataError
        As :func:`otgan.data.open_spec` does, and if a row has no label.
    """
    source, _ = resolve(spec, data_dir, "train")
    columns = source.columns if isinstance(source, Source) else ()
    if not isinstance(source, Source) or source.read_with is None or column not in columns:
        has = f"it has {listed(columns)}" if columns else "that is no table with names of columns"
        raise SpecError(f"{spec} has no column {column!r} of labels: {has}")
    stored = reading(source.name, partial(source.read_with, label=column))
    return reading(source.name, lambda: stored.draw(None, 0, dtype=dtype))
