"""Stored rows on their way from a file to a :class:`~otgan.data.Dataset`.

A format opens a file cheaply (its header, its size) and hands back a :class:`Source`; reading the source
gives a :class:`Stored`, the rows as they are stored; drawing from that gives the data set. Only the drawn
rows are converted to floating point, so that a small draw from a large file stays small.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from otgan.data.dataset import Dataset, Shape
from otgan.data.drawing import drawn
from otgan.data.errors import DataError, SpecError, listed, short
from otgan.memory import available
from otgan.sizes import describe

__all__ = ["Rows", "Source", "Stored", "check_fits", "check_numeric", "check_shape", "select_member", "stack"]

_CHANNELS = (1, 3, 4)

_MOST_DIMENSIONS = 4
"""Dimensions of an array of colored images."""

_SINGLE = np.dtype(np.float32).itemsize


class Rows(Protocol):
    """Rows that can be picked by an index array or a slice: an array, a memory map, a folder of images."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Their number, then the shape of one."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers that are picked."""

    def __getitem__(self, rows: Any, /) -> NDArray[Any]: ...


@dataclass(frozen=True, eq=False)
class Source:
    """A file whose header has been found good, not read yet.

    Attributes
    ----------
    name : str
        What the error messages call it.
    read : callable
        Reads it; raises :class:`~otgan.data.DataError` where the contents break the header's promise.
    columns : tuple of str
        The names of its columns, where it is a table that names them.
    classes : tuple of str
        The names of its classes, where its rows have labels.
    splits : tuple of str
        The splits that it comes in.
    read_with : callable or None
        Of a table, reads it with a column beside those that were chosen, ``read_with(name)``, and cells without a value
        as NaN, ``read_with(missing=True)``.
    """

    name: str
    read: Callable[[], Stored]
    columns: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    splits: tuple[str, ...] = ("train",)
    read_with: Callable[..., Stored] | None = None


@dataclass(frozen=True, eq=False)
class Stored:
    """Rows as they are stored.

    Attributes
    ----------
    name : str
        What the error messages call them.
    values : Rows
        The numbers, one sample per entry of the first dimension.
    divisor : float
        What brings the numbers to their documented range: 255 for bytes of images.
    columns : tuple of str
        The names of the columns, where the file names them.
    first : int
        Where in the file the first of them is.
    shape, labels, classes, selected
        As in :class:`~otgan.data.Dataset`.
    """

    name: str
    values: Rows
    divisor: float = 1.0
    shape: Shape | None = None
    labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    selected: bool = False
    first: int = 0

    def column(self, name: str) -> Stored:
        """Return the column of that name alone."""
        at = select_member(name, self.columns, self.name, "column")
        return replace(self, values=self.values[:][:, [at]], columns=(name,))

    def without_column(self, name: str) -> Stored:
        """Return the table without that column."""
        at = select_member(name, self.columns, self.name, "column")
        rest = tuple(column for k, column in enumerate(self.columns) if k != at)
        if not rest:
            raise SpecError(f"{self.name}: column {name!r} is the only one, so no points are left beside it")
        return replace(self, values=np.delete(self.values[:], at, axis=1), columns=rest)

    def draw(
        self,
        n: int | None,
        seed: int,
        *,
        label: str | None = None,
        weights: NDArray[np.float64] | None = None,
        dtype: DTypeLike = np.float64,
    ) -> Dataset:
        """Pick rows and convert them.

        Parameters
        ----------
        n : int or None
            How many rows to draw without replacement: the first n of one seeded shuffle, so that a smaller
            draw is the beginning of a larger one. None takes all of them in file order.
        seed : int
            Seeds the shuffle.
        label : str, optional
            Draw from this class only, given by its name or index.
        weights : ndarray, shape (rows of the file,), optional
            The weights to carry along.
        dtype
            Floating-point type of the points.

        Raises
        ------
        SpecError
            If there is no such class.
        DataError
            If there are fewer than n rows, or a drawn row holds NaN or an infinity.
        """
        name = self.name if label is None else f"{self.name}:{label}"
        pool: Any = slice(None)
        available = self.values.shape[0]
        if label is not None:
            if self.labels is None:
                raise SpecError(f"{self.name} has no classes, so there is no class {label!r} to take")
            pool = np.flatnonzero(self.labels == select_member(label, self.classes, self.name, "class"))
            available = len(pool)
        if available == 0:
            raise DataError(f"{name} has no rows")
        if n is not None:
            if n > available:
                raise DataError(f"{name} has {available} rows: cannot draw {n} of them without replacement")
            order = drawn(available, n, seed)
            pool = order if label is None else pool[order]
        points = self._convert(pool, available if n is None else n, np.dtype(dtype))
        return Dataset(
            name,
            points,
            labels=None if self.labels is None else np.array(self.labels[pool], dtype=np.int64),
            weights=None if weights is None else np.array(weights[pool]),
            shape=self.shape,
            classes=self.classes,
            columns=self.columns,
            selected=self.selected,
        )

    def _convert(self, pool: Any, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return these rows as floating-point points, scaled and found finite."""
        dim = math.prod(self.values.shape[1:])
        # The points, a truth value for each number of them, and what the rows are picked into.
        picked = (
            0
            if isinstance(pool, slice) and isinstance(self.values, np.ndarray)
            else self.values.dtype.itemsize
        )
        check_fits(count * dim * (dtype.itemsize + 1 + picked), f"{self.name}: {count} rows")
        stored = self.values[pool]
        # A number too large for the type becomes an infinity here, which the next check reports.
        with np.errstate(all="ignore"):
            points = stored.astype(dtype, order="C", subok=False, copy=isinstance(pool, slice))
        points = points.reshape(count, dim)
        if self.divisor != 1.0:
            points /= self.divisor
        may_overflow = (
            stored.dtype.kind == "f" or dtype.itemsize < _SINGLE
        )  # float32 holds every whole number
        if may_overflow and not np.isfinite(points).all():
            row, at = (int(k) for k in np.argwhere(~np.isfinite(points))[0])
            origin = self.first + (row if isinstance(pool, slice) else int(pool[row]))
            column = f"column {short(self.columns[at], 80)!r}" if self.columns else f"column {at}"
            value = stored.reshape(count, dim)[row, at]
            raise DataError(
                f"{self.name}: row {origin}, {column} (counted from 0) is {value}"
                + (f", which {dtype} cannot hold" if np.isfinite(value) else "")
                + ": expected finite numbers"
            )
        return points


def stack(name: str, values: NDArray[Any]) -> Stored:
    """Make rows of an array of one to four dimensions.

    (n,) is n points on the line, (n, d) is n points, (n, H, W), (n, C, H, W) and (n, H, W, C) with one,
    three or four channels are n images; images of bytes are scaled from 0..255 to [0, 1], anything else
    keeps its numbers.

    Raises
    ------
    DataError
        If the array holds no real numbers, or no rows.
    """
    check_numeric(name, values.dtype)
    check_shape(name, values.shape)
    match values.ndim:
        case 1:
            return Stored(name, values[:, None])
        case 2:
            return Stored(name, values)
        case 3:
            values = values[:, None]
        case _ if values.shape[1] not in _CHANNELS and values.shape[3] in _CHANNELS:
            values = np.moveaxis(values, 3, 1)
    c, h, w = values.shape[1:]
    return Stored(name, values, divisor=255.0 if values.dtype == np.uint8 else 1.0, shape=(c, h, w))


def check_shape(name: str, shape: tuple[int, ...]) -> None:
    """Refuse arrays that are not rows of numbers, or hold none."""
    if any(length >= 2**63 for length in shape):  # such numbers may have too many digits to be written
        raise DataError(f"{name}: its header claims a length beyond 2^63: damaged?")
    if not 1 <= len(shape) <= _MOST_DIMENSIONS:
        raise DataError(
            f"{name}: an array of {len(shape)} dimensions {short(str(shape), 60)}: expected (n,), (n, d) or n images"
        )
    if 0 in shape:
        raise DataError(f"{name}: an array of shape {shape} has no rows or no columns")


def check_numeric(name: str, dtype: np.dtype[Any]) -> None:
    """Refuse what is not a real number: objects, text, dates, records, complex numbers."""
    if dtype.kind in "biuf":
        return
    found = {
        "O": "Python objects (pickled, which are never read)",
        "c": "complex numbers",
        "V": "records",
        "S": "text",
        "U": "text",
        "M": "dates",
        "m": "time spans",
    }.get(dtype.kind, f"values of type {dtype}")
    raise DataError(f"{name}: expected real numbers, found {found}")


def check_fits(nbytes: int, what: str) -> None:
    """Refuse to allocate more than is free.

    Compressed files may honestly promise far more than they weigh, so that the memory is the only bound.

    Raises
    ------
    DataError
        If so many bytes cannot be had.
    """
    free = available(nbytes)
    if nbytes > free:
        raise DataError(
            f"{what} need {describe(nbytes)} of memory, and {describe(int(free))} are free: draw fewer, or split the file"
        )


def select_member(name: str, members: tuple[str, ...], owner: str, kind: str) -> int:
    """Return the index of a class or column, given by its name or, for a class, by its index.

    Raises
    ------
    SpecError
        If there is none, or more than one, of that name.
    """
    if members.count(name) == 1:
        return members.index(name)
    if name in members:
        raise SpecError(f"{owner} has {members.count(name)} columns called {name!r}: rename them apart")
    if kind == "class" and name.isascii() and name.isdigit() and int(name) < len(members):
        return int(name)
    raise SpecError(
        f"{owner} has no {kind} {name!r}: it has {listed(members) if members else 'none with a name'}"
    )
