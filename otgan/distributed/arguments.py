"""What one rank of a group gives of each argument, read and checked as far as one rank can."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from otgan.arrays import check_held, float_array, is_list_of_matrices, is_plain
from otgan.columns import Names, names_of
from otgan.distributed.collectives import Collectives
from otgan.home import Home, come_in
from otgan.measure import Measure
from otgan.mistakes import WrongValueError
from otgan.namespace import Array, as_numpy, as_tensor, is_tensor
from otgan.options import shown
from otgan.samples import samples_of

__all__ = ["Rows", "read"]

_MATRIX, _BATCH = 2, 3
"""Dimensions of one set of rows, and of a batch of them."""


@dataclass(frozen=True, eq=False)
class Rows:
    """What one rank gives of one argument.

    Attributes
    ----------
    array : Array or None
        With its graph.
    axis : int
        The one that the ranks share: −1 where every rank gives the whole.
    home : Home or None
    names : tuple of str or None
        What coordinates are called.
    """

    array: Array | None
    axis: int
    home: Home | None = None
    names: Names | None = None

    @property
    def count(self) -> int:
        """Rows."""
        return 0 if self.array is None or self.axis < 0 else int(self.array.shape[self.axis])

    def told(self) -> dict[str, Any]:
        """Return what the others must know: all but the number of rows must be the same everywhere."""
        if self.array is None:
            return {"is": "left out"}
        shape: list[Any] = list(self.array.shape)
        facts = {
            "is": f"{_library(self.array)} of {self.array.dtype} on {_place(self.array)}",
            "names": self.names,
        }
        if self.axis < 0:
            return facts | {"shape": shape, "numbers": zlib.crc32(as_numpy(self.array).tobytes())}
        return facts | {"shape": [*shape[: self.axis], "rows", *shape[self.axis + 1 :]]}

    def gathered(self, ranks: Collectives, counts: list[int]) -> Array | None:
        """Put the rows of all ranks together; a gradient goes back to the own ones."""
        if self.array is None or self.axis < 0:
            return self.array
        if is_tensor(self.array):
            return _Gathered.apply(self.array, ranks, counts, self.axis)
        return ranks.rows(self.array, counts, self.axis)


class _Gathered(torch.autograd.Function):
    """The rows of all ranks. Every rank has the gradient in all of them: its own are a part, which nobody need send."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, ranks: Collectives, counts: list[int], axis: int) -> Tensor:
        ctx.place = axis, sum(counts[: ranks.rank]), counts[ranks.rank]
        found: Tensor = ranks.rows(own, counts, axis)
        return found

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        return upstream.narrow(*ctx.place), None, None, None


def read(x: Any, y: Any, a: Any, b: Any, precomputed: bool) -> dict[str, Rows]:
    """Read what this rank gives of each argument."""
    if precomputed:
        if y is not None:
            raise WrongValueError(
                f"y must be left out for cost='precomputed', as x holds the costs, got {shown(y)}"
            )
        given = list(x) if isinstance(x, tuple) else [x]
        names = ["x", "x[1]", "x[2]"][: len(given)]
        parts = {
            name: _costs(each, name, shared=k != _MATRIX)
            for k, (name, each) in enumerate(zip(names, given, strict=False))
        }
        return parts | {"a": _weights(a, "a", given[0]), "b": _whole(_weights(b, "b", given[0], whole=True))}
    found: dict[str, Rows] = {}
    for name, points, other, weights in (("x", x, "a", a), ("y", y, "b", b)):
        found[name], found[other] = _side(points, weights, name, other)
    return found


def _side(points: Any, weights: Any, name: str, other: str) -> tuple[Rows, Rows]:
    """Read the points of one side, and their weights."""
    if isinstance(points, Measure):
        if weights is not None:
            raise WrongValueError(
                f"{name} is a Measure, which has its own weights: do not pass weights with it"
            )
        if points.sizes is not None:
            raise _ragged(name)
        weights = points.weights * points.mass[:, None] if points.weighted else None
        if not points.batched:
            weights = None if weights is None else weights[0]
        rows = Rows(
            points.points if points.batched else points.points[0],
            int(points.batched),
            points.home,
            points.columns,
        )
        return rows, _weights(weights, other, points.points)
    value, home = come_in(points, name)
    if is_list_of_matrices(value):
        raise _ragged(name)
    array = float_array(value, name)
    check_held(array, name)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim not in {_MATRIX, _BATCH}:
        raise WrongValueError(f"{name} must have shape (n,), (n, d) or (B, n, d), got {tuple(array.shape)}")
    axis = array.ndim - 2
    if array.shape[axis]:  # a rank may have no rows
        samples_of(array, name, None)
    return Rows(array, axis, home, names_of(value)), _weights(weights, other, array)


def _ragged(name: str) -> WrongValueError:
    return WrongValueError(
        f"{name} must be one array of rows, or a batch (B, n, d), where a group shares them, got a list of sets: solve "
        "those one by one"
    )


def _weights(weights: Any, name: str, points: Any, *, whole: bool = False) -> Rows:
    if weights is None:
        return Rows(None, 0)
    plain = is_plain(weights)
    array = float_array(come_in(weights, name)[0], name)
    check_held(array, name)
    if plain and is_tensor(points):
        array = as_tensor(array, points.device)
    rows = points.shape[-2] if hasattr(points, "shape") and len(points.shape) >= _MATRIX else None
    if array.ndim not in {1, _MATRIX} or (not whole and rows is not None and array.shape[-1] != rows):
        expected = "" if rows is None or whole else f" that is here, {rows}"
        raise WrongValueError(f"{name} must have one weight a row{expected}, got shape {tuple(array.shape)}")
    return Rows(array, array.ndim - 1)


def _whole(part: Rows) -> Rows:
    """What every rank gives in whole."""
    return replace(part, axis=-1)


def _costs(value: Any, name: str, *, shared: bool) -> Rows:
    value, home = come_in(value, name)
    array = float_array(value, name)
    check_held(array, name)
    if array.ndim not in {_MATRIX, _BATCH}:
        raise WrongValueError(f"{name} must be a matrix of costs, got shape {tuple(array.shape)}")
    if home is not None:
        array = as_numpy(array)
    return Rows(array, array.ndim - 2 if shared else -1)


def _library(array: Array) -> str:
    return "a tensor" if is_tensor(array) else "an array"


def _place(array: Array) -> str:
    return array.device.type if is_tensor(array) else "the CPU"
