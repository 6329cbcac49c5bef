"""Names of coordinates: tables are compared column by column of one name, never by where a column happens to stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from otgan.mistakes import WrongValueError
from otgan.namespace import Array, beside, namespace
from otgan.options import WrongKindError, shown

__all__ = ["Names", "check_names", "check_same", "common_names", "in_order", "names_of"]

Names = tuple[str, ...]

_MANY = 6
"""Names that a message lists before it says how many more there are."""


def names_of(table: Any) -> Names | None:
    """Return the names of a table's columns; None where it has none, or where they are but numbers.

    Tables are those of pandas, polars and their like, which have ``columns``, and of Arrow, which has
    ``column_names``.
    """
    found = getattr(table, "column_names", None)
    if found is None and hasattr(table, "to_numpy"):
        found = getattr(table, "columns", None)
    if found is None or not hasattr(found, "__iter__"):
        return None
    names = tuple(found)
    return names if names and all(isinstance(each, str) for each in names) else None


def common_names(tables: Sequence[Any], owner: str) -> Names | None:
    """Return the names that all tables have, in the order of the first one; None where one of them has no names.

    Raises
    ------
    ValueError
        If two have different names.
    """
    each = [names_of(table) for table in tables]
    if not each or any(names is None for names in each):
        return None
    first, *others = (names for names in each if names is not None)
    for k, names in enumerate(others, start=1):
        if names != first:
            check_same(first, names, f"{owner}[0]", f"{owner}[{k}]")
    return first


def check_same(first: Names, second: Names, x: str, y: str) -> None:
    """Raise a ValueError unless both are the same names, each once, in whatever order."""
    only_x = [name for name in first if name not in second]
    only_y = [name for name in second if name not in first]
    if only_x or only_y:
        parts = [f"only {owner} has {_listed(names)}" for owner, names in ((x, only_x), (y, only_y)) if names]
        raise WrongValueError(
            f"{x} and {y} must have columns of the same names, which are compared by name: {'; '.join(parts)}. "
            "Select or rename columns, of a file as in table.csv#height,mass, or pass arrays without names to compare "
            "them by position"
        )
    twice = sorted({name for name in first if first.count(name) > 1})
    if twice or len(first) != len(second):
        twice = twice or sorted({name for name in second if second.count(name) > 1})
        raise WrongValueError(
            f"{x} and {y} have their columns in different orders, and {_listed(twice)} more than once, so that they "
            "cannot be matched by name: rename them apart"
        )


def check_names(columns: Any, dimension: int) -> Names:
    """Return names that were given for so many coordinates.

    Raises
    ------
    TypeError, ValueError
        If they are not as many strings.
    """
    expected = f"{dimension} names, one for each coordinate"
    strings = isinstance(columns, (list, tuple)) and all(isinstance(name, str) for name in columns)
    if not strings:
        raise WrongKindError(f"columns must be {expected}, got {shown(columns)}")
    if len(columns) != dimension:
        raise WrongValueError(f"columns must be {expected}, got {len(columns)}: {_listed(list(columns))}")
    return tuple(columns)


def in_order(points: Array, names: Names | None, wanted: Names | None) -> Array:
    """Return points whose coordinates have those names with the coordinates in the wanted order of them."""
    if names is None or wanted is None or names == wanted:
        return points
    order = np.array([names.index(name) for name in wanted])
    return namespace(points).take(points, beside(order, points), axis=points.ndim - 1)


def _listed(names: Sequence[str]) -> str:
    shown_ones = ", ".join(repr(name[:40]) for name in names[:_MANY])
    return shown_ones if len(names) <= _MANY else f"{shown_ones} and {len(names) - _MANY} more"
