"""The border: whatever holds samples and weights comes in here and leaves as a :class:`Measure`.

Samples are validated in :mod:`otgan.samples`, weights in :mod:`otgan.weights`; nothing behind them checks either again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from otgan.arrays import holds_arrays, holds_tensors
from otgan.columns import Names, check_names
from otgan.home import Home, come_in
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
    ones,
)
from otgan.options import WrongKindError, shown
from otgan.samples import samples_of
from otgan.weights import total_of, weights_of

__all__ = ["Measure", "mapped"]


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
    home : Home or None
        The library that results go back to where it is neither NumPy nor torch.

    See Also
    --------
    otgan.compare : Several distances at once, in a report.
    otgan.transport : The plan and the potentials behind the number.

    Examples
    --------
    >>> import otgan
    >>> x = otgan.Measure.of([0.0, 1.0, 2.0], weights=[1, 1, 2], name="x")
    >>> x.points.shape, x.weights.tolist()
    ((1, 3, 1), [[0.25, 0.25, 0.5]])
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
    home: Home | None = None

    @classmethod
    def of(
        cls, points: Any, weights: Any = None, *, name: str = "x", columns: Sequence[str] | None = None
    ) -> Measure:
        """Validate samples and weights and wrap them.

        Parameters
        ----------
        points : array-like of shape (n,), (n, d) or (B, n, d), or a list of 2-D arrays
            NumPy, torch, lists, DataFrames, or arrays of the array API standard, as JAX's and CuPy's. (n,) is n points on the line. A list whose items are arrays of
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
        points, home = come_in(points, name)
        weights, _ = come_in(weights, weights_name)
        numpy = not holds_tensors(points)
        if not numpy and holds_arrays(points):
            raise WrongKindError(
                f"{name} is a list of NumPy arrays and torch tensors: use one library for all of them"
            )
        padded, sizes, batched, names = samples_of(points, name, columns)
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
        weighted = weights is not None
        return cls(padded, normalized, mass, different, batched, weighted, numpy, given, names, home)

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

    def for_numbers(self) -> Measure:
        """Return the measure without a graph, for results that are floats and arrays of NumPy."""
        return replace(self.detached(), numpy=True, home=None)

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
