"""Samples, checked, as one array for a problem or a batch of them, with their sizes and the names of their coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from otgan.arrays import check_held, float_array, is_list_of_matrices
from otgan.columns import Names, check_names, common_names, in_order, names_of
from otgan.mistakes import WrongValueError
from otgan.namespace import Array, as_numpy, beside, detached, device, namespace, of_type

__all__ = ["samples_of"]

_MATRIX, _BATCH = 2, 3
"""Dimensions of one set of samples, and of a batch of them."""


def samples_of(
    points: Any, name: str, columns: Sequence[str] | None
) -> tuple[Array, tuple[int, ...], bool, Names | None]:
    """Return samples as (B, n, d), the size of every problem, whether they are a batch, and the names of coordinates.

    Parameters
    ----------
    points : array-like, or a list of them
    name : str
        What messages call them.
    columns : sequence of str or None
        Names that go before those of a table.

    Raises
    ------
    TypeError, ValueError
        If they are not finite numbers, at least one a problem, of one dimension, in one place.
    """
    padded, sizes, batched, names = _padded(points, name)
    if columns is not None:
        names = check_names(columns, padded.shape[2])
    check_held(padded, name)
    _check_points(padded, sizes, name)
    return padded, sizes, batched, names


def _padded(points: Any, name: str) -> tuple[Array, tuple[int, ...], bool, Names | None]:
    if is_list_of_matrices(points):
        names = common_names(points, name)
        items = [
            in_order(float_array(item, f"{name}[{k}]"), names_of(item), names)
            for k, item in enumerate(points)
        ]
        return *_pad(items, name), True, names
    padded = float_array(points, name)
    if padded.ndim == 1:
        padded = padded[:, None]
    if padded.ndim not in {_MATRIX, _BATCH}:
        raise WrongValueError(
            f"{name} must have shape (n,), (n, d) or (B, n, d), got {tuple(padded.shape)}: "
            "flatten each sample to a row"
        )
    batched = padded.ndim == _BATCH
    padded = padded if batched else padded[None]
    return padded, (padded.shape[1],) * padded.shape[0], batched, names_of(points)


def _pad(items: list[Array], name: str) -> tuple[Array, tuple[int, ...]]:
    dims = {item.shape[1] for item in items}
    if len(dims) > 1:
        raise WrongValueError(f"the problems of {name} must have one dimension d, got d = {sorted(dims)}")
    devices = {str(device(item)) for item in items}
    if len(devices) > 1:
        raise WrongValueError(f"the problems of {name} must be on one device, got {sorted(devices)}")
    xp = namespace(items[0])
    dtype = xp.result_type(*items)
    points = xp.concat([of_type(item, dtype) for item in items])
    sizes = tuple(item.shape[0] for item in items)
    counts = np.array(sizes)[:, None]
    rows = np.arange(max(sizes))
    # Copies of the first point: zeros might lie far from all points, and cost the others digits.
    index = counts.cumsum(0) - counts + np.where(rows < counts, rows, 0)
    # Of a problem without points, which is refused later, there is no first one.
    return points[beside(np.minimum(index, max(0, len(points) - 1)), points)], sizes


def _check_points(points: Array, sizes: tuple[int, ...], name: str) -> None:
    shape = tuple(points.shape)
    if shape[0] == 0:
        raise WrongValueError(f"{name} is an empty batch (shape {shape}): give at least one problem")
    if min(sizes) == 0:
        which = f"problem {sizes.index(0)} of {name}" if shape[1] else f"{name}"
        raise WrongValueError(f"{which} has no samples (shape {(0, *shape[2:])}): give at least one")
    if shape[2] == 0:
        raise WrongValueError(
            f"{name} has samples of dimension 0 (shape {shape[1:]}): give at least one coordinate"
        )
    held, xp = detached(points), namespace(points)
    # Both extremes are NaN where there is one. Looking at them first takes no memory, unlike a mask.
    if not (math.isfinite(float(xp.max(held))) and math.isfinite(float(xp.min(held)))):
        wrong = as_numpy(~xp.isfinite(held))
        count, where = int(wrong.sum()), np.argwhere(wrong)[0].tolist()
        raise WrongValueError(
            f"{name} must be finite, got {count} NaN or infinite value{'s' if count > 1 else ''}, the first at "
            f"sample {where[1]}, coordinate {where[2]}{f' of problem {where[0]}' if shape[0] > 1 else ''}: "
            "drop or impute those rows"
        )
