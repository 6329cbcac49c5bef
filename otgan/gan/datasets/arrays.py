"""Samples that are held, not named: from whatever a user has them in to an array, in single precision if that holds them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otgan.data import DataError, Dataset
from otgan.gan.arguments import shown
from otgan.gan.errors import OptionError, reason

__all__ = ["array_of", "is_frame", "narrow", "rows_of", "suspect", "with_labels"]

_LEAST_DIGITS = 64
"""Steps of single precision that the spread of a column must have for its samples to be told apart."""

_LEAST_CLASSES = 2

_MATRIX = 2
"""Dimensions of a set of samples."""


def array_of(name: str, x: Any) -> NDArray[Any]:
    """Return samples as an array, of whatever type; those of a data set of torch, or of a loader of one, without labels.

    Raises
    ------
    DataError
        If they are in something that is no array, with what to pass instead.
    """
    x, *_ = with_labels(name, x)
    _check_container(name, x)
    if isinstance(x, (list, tuple)) and x and all(isinstance(row, Tensor) for row in x):
        x = _stack(name, x)
    if isinstance(x, Tensor):
        return _of_tensor(name, x)
    if is_frame(x):
        _check_frame(name, x)
    return _converted(name, x)


def with_labels(name: str, x: Any) -> tuple[Any, NDArray[np.int64] | None, tuple[str, ...]]:
    """Return samples, and labels and the names of classes where they are in a data set of torch, or in a loader of one.

    Labels are whole numbers that stand second in its items, where there are at least two and half as many as samples at
    most: a constant tells nothing, and positions are no classes. Names are its attribute ``classes``, as torchvision's have it.
    """
    if isinstance(x, torch.utils.data.DataLoader):
        x = x.dataset
    if not isinstance(x, torch.utils.data.Dataset):
        return x, None, ()
    samples, seconds = _items_of(name, x)
    labels = [whole for each in seconds if (whole := _whole(each)) is not None]
    if len(labels) < len(samples) or not _LEAST_CLASSES <= len(set(labels)) <= len(samples) // 2:
        return samples, None, ()
    words = getattr(x, "classes", ())
    named = isinstance(words, (list, tuple)) and set(labels) <= set(range(len(words)))
    return samples, np.array(labels), tuple(map(str, words)) if named else ()


def _whole(label: Any) -> int | None:
    """Return a label that is a whole number, or a tensor or an array of one."""
    if isinstance(label, (Tensor, np.ndarray)) and not label.ndim:
        label = label.item()
    whole = isinstance(label, (int, np.integer)) and not isinstance(label, bool)
    return int(label) if whole else None


def _check_container(name: str, x: Any) -> None:
    """Raise where samples are in what is no array, with what to pass instead."""
    if isinstance(x, Mapping):
        raise DataError(f"{name} is a {type(x).__name__}: pass one of its arrays, such as {name}['x']")
    if isinstance(x, (Iterator, set, frozenset)):
        raise DataError(f"{name} is a {type(x).__name__}: pass an array, such as np.array(list(...))")
    if isinstance(x, (str, bytes, bytearray, memoryview)) or x is None:
        raise DataError(f"{name} must be an array, a tensor or a list of numbers, got {shown(x)}")
    if hasattr(x, "toarray"):
        raise DataError(f"{name} is a sparse {type(x).__name__}: pass its toarray()")
    if np.ma.isMaskedArray(x) and np.ma.is_masked(x):
        raise DataError(f"{name} is an array with masked values: drop their rows, or fill them")


def is_frame(x: Any) -> bool:
    """Whether samples are in a table with named columns, of pandas or of a library like it."""
    return hasattr(x, "dtypes") and hasattr(x, "columns")


def _items_of(name: str, data: torch.utils.data.Dataset[Any]) -> tuple[list[Tensor], list[Any]]:
    """Return the samples of a data set of torch, and what stands second in its items, None where nothing does."""
    if isinstance(data, torch.utils.data.IterableDataset) or not hasattr(data, "__len__"):
        raise DataError(f"{name} is a torch Dataset without a length: pass its samples, stacked")
    rows: list[Tensor] = []
    seconds: list[Any] = []
    for k in range(len(data)):
        item = data[k]
        sample, second = (*item, None)[:2] if isinstance(item, (tuple, list)) and item else (item, None)
        seconds.append(second)
        try:
            rows.append(torch.as_tensor(sample))
        except (TypeError, ValueError, RuntimeError) as error:
            raise DataError(
                f"{name} is a torch Dataset whose samples are {type(sample).__name__}: give it a transform to tensors, such "
                "as torchvision's ToTensor()"
            ) from error
    return rows, seconds


def _stack(name: str, rows: Sequence[Tensor]) -> Tensor:
    try:
        return torch.stack(list(rows))
    except (RuntimeError, TypeError) as error:
        raise DataError(f"{name} is a list of tensors that cannot be stacked: {reason(error)}") from error


def _converted(name: str, x: Any) -> NDArray[Any]:
    """Return what NumPy makes of an object of any other library, or of lists."""
    try:
        found = np.asarray(x)
        if found.dtype.kind == "O" and hasattr(x, "to_numpy"):
            found = x.to_numpy(np.float64)  # pandas' own types of numbers
    except Exception as error:  # whatever __array__ of a foreign object raises
        words = "its rows differ in length" if "inhomogeneous" in str(error) else reason(error)
        raise DataError(f"{name} cannot be made an array of numbers: {words}") from error
    if found.dtype.kind == "O":
        what = "Python objects: convert them by .astype(float)"
        if not found.ndim:
            what = f"an object of type {type(x).__name__}"
        raise DataError(f"{name} must be an array, a tensor or a list of numbers, got {what}")
    return found


def _of_tensor(name: str, x: Tensor) -> NDArray[Any]:
    if x.layout != torch.strided or x.is_nested:
        raise DataError(f"{name} is a {'nested' if x.is_nested else 'sparse'} tensor: pass a dense one")
    if x.is_meta or x.is_quantized:
        raise DataError(
            f"{name} is a {'meta' if x.is_meta else 'quantized'} tensor, which holds no real numbers"
        )
    x = x.detach().cpu().resolve_conj().resolve_neg()
    if x.dtype.is_floating_point and x.dtype not in {torch.float64, torch.float32, torch.float16}:
        x = x.float()  # NumPy has no such type
    try:
        found: NDArray[Any] = x.numpy()
    except (TypeError, RuntimeError) as error:
        raise DataError(
            f"{name} is a tensor of {x.dtype}, which NumPy does not hold: {reason(error)}"
        ) from error
    return found


def _check_frame(name: str, frame: Any) -> None:
    """Name the column that holds no numbers."""
    for column, dtype in zip(frame.columns, frame.dtypes, strict=True):
        if str(dtype) in {"object", "str", "string", "category"} or getattr(dtype, "kind", "f") in "OSUMm":
            raise DataError(
                f"{name}: column {shown(column)} holds no numbers but {dtype}: drop it, or encode it"
            )


def rows_of(name: str, x: Any) -> NDArray[np.float32]:
    """Copy samples or codes, NumPy-like or torch, into a float32 array.

    Raises
    ------
    OptionError
        If they are no finite numbers that float32 holds.
    """
    try:
        values = array_of(name, x)
        if values.dtype.kind not in "biuf":
            raise DataError(f"{name} must hold real numbers, got values of type {values.dtype}")
        with np.errstate(over="ignore"):
            rows = np.array(values, np.float32)
    except DataError as error:
        raise OptionError(str(error)) from error
    if not np.isfinite(rows).all():
        at = tuple(int(k) for k in np.argwhere(~np.isfinite(rows))[0])
        raise OptionError(
            f"{name} must hold finite numbers of at most 3.4e38, got {values[at]} at {list(at)}"
        )
    return rows


def narrow(data: Dataset) -> Dataset:
    """Return a data set in single precision.

    Raises
    ------
    DataError
        If it holds what is not finite there, or rows that are one there.
    """
    points = np.asarray(data.points)
    if points.dtype.kind not in "biuf" or points.ndim != _MATRIX or not points.size:
        raise DataError(f"{data.name}: expected rows of real numbers, got {shown(points)} of {points.dtype}")
    if data.shape is not None and math.prod(data.shape) != points.shape[1]:
        raise DataError(f"{data.name}: rows of {points.shape[1]} numbers are no images of shape {data.shape}")
    with np.errstate(over="ignore", under="ignore"):
        narrowed = np.array(points, np.float32, order="C")
    if not np.isfinite(narrowed).all():
        row, column = (int(k) for k in np.argwhere(~np.isfinite(narrowed))[0])
        value = points[row, column]
        raise DataError(
            f"{data.name}: row {row}, column {column} (counted from 0) is {value}: expected "
            + (
                "finite numbers"
                if not np.isfinite(value)
                else "numbers of at most 3.4e38: divide them by a power of 10"
            )
        )
    if suspect(narrowed):
        _check_spread(data.name, points, narrowed)
    return replace(data, points=narrowed)


def suspect(points: NDArray[Any]) -> bool:
    """Whether single precision may have taken from points, shape (n, d), what tells them apart."""
    spread, step = _spread(points)
    return bool((spread < _LEAST_DIGITS * step).any())


def _spread(points: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return for each column its range, and the step of single precision at its largest value."""
    low, high = points.min(0).astype(np.float64), points.max(0).astype(np.float64)
    largest = np.maximum(abs(low), abs(high)).clip(None, float(np.finfo(np.float32).max))
    return high - low, np.spacing(largest.astype(np.float32)).astype(np.float64)


def _check_spread(name: str, points: NDArray[Any], narrowed: NDArray[Any]) -> None:
    spread, step = _spread(points)
    bad = (spread > 0) & (spread < _LEAST_DIGITS * step)
    # Few values that single precision holds exactly, such as 0 and 1e-40, or pixels, have lost nothing.
    for column in np.flatnonzero(bad):
        if (narrowed[:, column] != points[:, column]).any():
            raise DataError(
                f"{name}: column {column} (counted from 0) varies by {spread[column]:.3g} around "
                f"{np.median(points[:, column]):.6g}, which single precision cannot tell apart: "
                "subtract its mean, and divide by its spread"
            )
