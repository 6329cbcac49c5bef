"""The border: whatever holds samples and weights comes in here and leaves as a :class:`Measure`.

Samples are validated in this module, weights in :mod:`otgan.weights`; nothing behind them checks either again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from otgan.arrays import check_held, float_array, holds_arrays, holds_tensors, is_list_of_matrices
from otgan.columns import Names, check_names, common_names, in_order, names_of
from otgan.mistakes import WrongValueError
from otgan.namespace import (
    Array,
    arange,
    as_numpy,
    as_tensor,
    beside,
    detached,
    device,
    full,
    is_tensor,
    namespace,
    of_type,
    ones,
)
from otgan.options import WrongKindError, shown
from otgan.weights import total_of, weights_of

__all__ = ["Measure", "mapped"]

_MATRIX, _BATCH = 2, 3
"""Dimensions of one set of samples, and of a batch of them."""


@dataclass(frozen=True, eq=False)
class Measure:
    """Weighted samples: the measure Σᵢ aᵢ δ(xᵢ), or a batch of them.

    Build one with :meth:`of`; every function of otgan does so with what it is given. Its arrays are tensors where the
    samples are, and NumPy's otherwise.

    Attributes
    ----------
    points : ndarray or Tensor, shape (B, n, d)
        The samples, B = 1 unless ``batched``. Rows past a ragged problem's size are copies of its first one, of weight 0.
    weights : ndarray or Tensor, shape (B, n), float64
        Normalized, in float64, to sum to 1 in every problem; ``weights * mass[:, None]`` are those given.
    mass : ndarray or Tensor, shape (B,), float64
        The totals of the weights as given; 1 without weights.
    sizes : tuple of int or None
        The number of samples of each problem where they differ, else None.
    batched : bool
        Whether the input had a batch dimension.
    weighted : bool
        Whether weights were given; otherwise every sample weighs 1/n.
    numpy : bool
        Whether the input was NumPy-like, so that results go back as floats and NumPy arrays.
    given : ndarray or Tensor, shape (B, n), float64, or None
        The weights as they were given, detached, 0 past a ragged problem's size; None where there were none.
    columns : tuple of str or None
        What the coordinates are called, where the samples are a table with names; None otherwise.
    """

    points: Array
    weights: Array
    mass: Array
    sizes: tuple[int, ...] | None
    batched: bool
    weighted: bool
    numpy: bool
    given: Array | None = None
    columns: Names | None = None

    @classmethod
    def of(
        cls, points: Any, weights: Any = None, *, name: str = "x", columns: Sequence[str] | None = None
    ) -> Measure:
        """Validate samples and weights and wrap them.

        Parameters
        ----------
        points : array-like of shape (n,), (n, d) or (B, n, d), or a list of 2-D arrays
            NumPy, torch, lists or DataFrames. (n,) is n points on the line. A list whose items are arrays of
            two dimensions is a batch of problems that may differ in n.
        weights : array-like of shape (n,) or (B, n), or a list of 1-D arrays, optional
            Nonnegative, not all zero; (n,) serves every problem of a batch. Uniform if omitted.
        name : str
            What the error messages call the samples.
        columns : sequence of str, optional
            What the coordinates are called; the names of a DataFrame's columns by default. Measures that are compared
            have theirs matched by name.

        Raises
        ------
        TypeError
            If the samples are not numbers, or samples and weights mix NumPy with torch.
        ValueError
            If a shape, a sample or a weight is not what is expected, or the devices differ.
        """
        if not isinstance(name, str):
            raise WrongKindError(f"name must be a string, what messages call the samples, got {shown(name)}")
        if isinstance(points, Measure):
            if weights is not None:
                raise WrongValueError(
                    f"{name} is a Measure, which has its own weights: do not pass weights with it"
                )
            return points if columns is None else points.named(columns)
        weights_name = {"x": "a", "y": "b"}.get(name, f"the weights of {name}")
        numpy = not holds_tensors(points)
        if not numpy and holds_arrays(points):
            raise WrongKindError(
                f"{name} is a list of NumPy arrays and torch tensors: use one library for all of them"
            )
        padded, sizes, batched, names = _padded(points, name)
        if columns is not None:
            names = check_names(columns, padded.shape[2])
        check_held(padded, name)
        _check_points(padded, sizes, name)
        xp = namespace(padded)
        ragged = len(set(sizes)) > 1
        inside = (
            arange(padded.shape[1], padded) < beside(np.array(sizes), padded)[:, None] if ragged else None
        )
        given = None
        if weights is None:
            if inside is None:
                normalized = full(tuple(padded.shape[:2]), 1.0 / padded.shape[1], padded)
            else:
                normalized = beside(1.0 / np.array(sizes, dtype=np.float64)[:, None], padded) * inside
            mass = ones(padded.shape[0], padded)
        else:
            raw = weights_of(weights, padded, sizes, inside, numpy, weights_name)
            # Dividing by the largest first keeps the total finite for weights near the ends of the range.
            largest = xp.max(detached(raw), axis=1, keepdims=True)
            scaled = raw / largest
            total = total_of(scaled)[:, None]
            with np.errstate(over="ignore"):  # that one is infinite is told where it matters
                mass = (total * largest)[:, 0]
            normalized = scaled / total
            given = detached(raw)
        different = sizes if ragged else None
        return cls(padded, normalized, mass, different, batched, weights is not None, numpy, given, names)

    @property
    def dtype(self) -> Any:
        """Floating-point type of the points."""
        return self.points.dtype

    @property
    def device(self) -> Any:
        """Device of the points."""
        return device(self.points)

    @property
    def count(self) -> int:
        """The number of problems."""
        return int(self.points.shape[0])

    @property
    def lengths(self) -> tuple[int, ...]:
        """The number of samples of every problem."""
        return (int(self.points.shape[1]),) * self.count if self.sizes is None else self.sizes

    def take(self, problems: Array) -> Measure:
        """Return the problems of a batch whose indices are given, as a batch.

        Parameters
        ----------
        problems : ndarray or Tensor, shape (K,), int64
        """
        count = self.count
        expected = f"a vector of indices of problems, an array of whole numbers from 0 to {count - 1}"
        arrays = isinstance(problems, np.ndarray) or (is_tensor(problems) and not problems.is_meta)
        if not arrays or str(problems.dtype).removeprefix("torch.") != "int64":
            raise WrongKindError(f"problems must be {expected}, got {shown(problems)}")
        if problems.ndim != 1 or bool(((problems < 0) | (problems >= count)).any()):
            raise WrongValueError(f"problems must be {expected}, got {shown(problems.tolist())}")
        index = beside(problems, self.points)
        return replace(
            self,
            points=self.points[index],
            weights=self.weights[index],
            mass=self.mass[index],
            sizes=None if self.sizes is None else tuple(self.sizes[k] for k in problems.tolist()),
            batched=True,
            given=None if self.given is None else self.given[index],
        )

    def named(self, columns: Sequence[str]) -> Measure:
        """Return the measure with names for its coordinates."""
        return replace(self, columns=check_names(columns, self.points.shape[2]))

    def as_tensors(self) -> Measure:
        """Return the measure with tensors for arrays."""
        return self if is_tensor(self.points) else mapped(self, as_tensor)

    def as_arrays(self) -> Measure:
        """Return the measure with arrays of NumPy for tensors, without a graph."""
        return mapped(self, as_numpy) if is_tensor(self.points) else self

    def detached(self) -> Measure:
        """Return the measure without a graph."""
        return mapped(self, detached) if is_tensor(self.points) else self

    def __repr__(self) -> str:
        b, n, d = self.points.shape
        shape = f"B={b}, n={n}, d={d}" if self.batched else f"n={n}, d={d}"
        return f"Measure({shape}, {str(self.dtype).removeprefix('torch.')}, {self.device!s})"


def mapped(measure: Measure, change: Callable[[Array], Array]) -> Measure:
    """Return a measure with every array changed by a function: moved, detached, brought to another library."""
    given = None if measure.given is None else change(measure.given)
    return replace(
        measure,
        points=change(measure.points),
        weights=change(measure.weights),
        mass=change(measure.mass),
        given=given,
    )


def _padded(points: Any, name: str) -> tuple[Array, tuple[int, ...], bool, Names | None]:
    """Return samples as (B, n, d), the size of every problem, whether they are a batch, and the names of coordinates."""
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
