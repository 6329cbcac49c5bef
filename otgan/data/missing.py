"""Rows without a value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from otgan.data.errors import DataError
from otgan.data.sources import Stored

__all__ = ["without_missing"]


def without_missing(
    stored: Stored, weights: NDArray[np.float64] | None
) -> tuple[Stored, NDArray[np.float64] | None]:
    """Return the rows, and their weights, without those in which a value is NaN.

    Raises
    ------
    DataError
        If none are left.
    """
    kept = np.ones(stored.values.shape[0], dtype=np.bool_)
    if stored.values.dtype.kind == "f":
        kept = ~np.isnan(stored.values[:].reshape(len(kept), -1)).any(1)
    if weights is not None:
        kept &= ~np.isnan(weights)
    if not kept.any():
        raise DataError(f"{stored.name}: every row has a missing value: no points are left")
    if kept.all():
        return stored, weights
    labels = None if stored.labels is None else stored.labels[kept]
    held = replace(stored, values=stored.values[kept], labels=labels)
    return held, None if weights is None else weights[kept]
