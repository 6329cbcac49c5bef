"""Short lists of what is least, and the arcs that are on them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.exact.sparse_plan import Floats
from otgan.jit import EXACT, part

__all__ = ["arcs_of", "insert", "reach_of", "violating"]

Ints = NDArray[np.int64]


@part(EXACT)
def insert(values: Any, items: Any, value: float, item: int) -> None:
    """Put an item into a sorted list, whose last one drops out."""
    k = len(values) - 1
    while k > 0 and values[k - 1] > value:
        values[k], items[k] = values[k - 1], items[k - 1]
        k -= 1
    values[k], items[k] = value, item


def arcs_of(columns: NDArray[np.int32], rows: NDArray[np.int32]) -> Ints:
    """Return the arcs i·m + j on the lists of rows, shape (n, k), and of columns, shape (m, k), in ascending order."""
    n, m = len(columns), len(rows)
    of_rows = np.arange(n)[:, None] * m + columns
    of_columns = rows.astype(np.int64) * m + np.arange(m)[:, None]
    return np.unique(np.concatenate([of_rows.ravel(), of_columns.ravel()]))


def reach_of(least: Floats, potential: Floats, count: int) -> Floats:
    """Return the reduced cost of the last on every list, of lists of shape (n, k); infinity where all there are fit in."""
    if least.shape[1] < count:
        return np.full(len(least), np.inf)
    return least[:, -1] - potential


def violating(
    by_rows: tuple[Ints, NDArray[np.int32], Floats, Floats],
    by_columns: tuple[Ints, NDArray[np.int32], Floats, Floats],
    m: int,
) -> Ints:
    """Return the arcs on lists whose C − g is below f, or whose C − f is below g, in ascending order.

    Parameters
    ----------
    by_rows : tuple of ndarray
        Rows; of each some columns, −1 for none, and their C − g; and what is below f.
    by_columns : tuple of ndarray
        The same the other way round.
    m : int
        Number of columns.
    """
    rows, ends, least, f = by_rows
    columns, starts, low, g = by_columns
    i, k = np.nonzero((ends >= 0) & (least < f[:, None]))
    j, q = np.nonzero((starts >= 0) & (low < g[:, None]))
    of_rows, of_columns = rows[i] * m + ends[i, k], starts[j, q].astype(np.int64) * m + columns[j]
    return np.unique(np.concatenate([of_rows, of_columns]))
