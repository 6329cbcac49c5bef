"""Two measures that are to be compared, made to agree in library, type and device, or refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from otgan.arrays import is_plain
from otgan.columns import check_same, in_order
from otgan.home import Home
from otgan.measure import Measure, mapped
from otgan.mistakes import WrongValueError
from otgan.namespace import Array, as_tensor, namespace
from otgan.options import WrongKindError

__all__ = ["Pair", "pair"]


@dataclass(frozen=True, eq=False)
class Pair:
    """Two measures that may be compared: same dimension, batch, device and floating-point type."""

    x: Measure
    y: Measure

    @property
    def numpy(self) -> bool:
        """Whether results go back as floats and NumPy arrays."""
        return self.x.numpy

    @property
    def home(self) -> Home | None:
        """The library that results go back to where it is neither NumPy nor torch."""
        return self.x.home or self.y.home

    @property
    def batched(self) -> bool:
        """Whether results have a batch dimension."""
        return self.x.batched

    @property
    def count(self) -> int:
        """The number of problems."""
        return self.x.count

    def as_tensors(self) -> Pair:
        """Return the pair with tensors for arrays."""
        return Pair(self.x.as_tensors(), self.y.as_tensors())

    def as_arrays(self) -> Pair:
        """Return the pair with arrays of NumPy for tensors, without a graph."""
        return Pair(self.x.as_arrays(), self.y.as_arrays())


def pair(x: Any, y: Any, a: Any = None, b: Any = None) -> Pair:
    """Validate two sets of samples, with their weights, that are to be compared.

    Raises
    ------
    TypeError, ValueError
        As :meth:`Measure.of`; and where x and y differ in dimension, batch size, device, library, or names of columns.
    """
    first = Measure.of(x, a, name="x")
    second = Measure.of(y, b, name="y")
    if first.numpy != second.numpy and not (is_plain(x) or is_plain(y)):
        raise WrongKindError(
            f"x is {_library(first)} and y is {_library(second)}: pass both as NumPy arrays or both as torch tensors "
            "(torch.from_numpy(...) or tensor.numpy(force=True)), or as those of one other library"
        )
    if first.batched != second.batched or first.points.shape[0] != second.points.shape[0]:
        raise WrongValueError(
            f"x and y must be two sets of samples or two equal batches of them, got shapes "
            f"{_shape(first)} and {_shape(second)}: stack or expand the smaller one"
        )
    second = _by_name(first, second)
    if first.points.shape[-1] != second.points.shape[-1]:
        raise WrongValueError(
            f"x and y must have the same dimension d, got {first.points.shape[-1]} and "
            f"{second.points.shape[-1]} (shapes {_shape(first)} and {_shape(second)})"
        )
    if first.numpy and second.numpy:
        return Pair(first, second)
    # Plain lists go where the other side is.
    if is_plain(x) and not second.numpy:
        return Pair(_like(first, second), second)
    if is_plain(y) and not first.numpy:
        return Pair(first, _like(second, first))
    if first.device != second.device:
        raise WrongValueError(f"x is on {first.device} and y on {second.device}: move one with .to(device)")
    if first.dtype == second.dtype:
        return Pair(first, second)
    dtype = namespace(first.points).result_type(first.points, second.points)
    return Pair(*(replace(side, points=side.points.to(dtype)) for side in (first, second)))


def _by_name(first: Measure, second: Measure) -> Measure:
    """Return the second measure with its columns in the order of the first one's, where both have names."""
    if first.columns is None or second.columns is None or first.columns == second.columns:
        return second
    check_same(first.columns, second.columns, "x", "y")
    ordered = in_order(second.points, second.columns, first.columns)
    return replace(second, points=ordered, columns=first.columns)


def _like(m: Measure, other: Measure) -> Measure:
    """Return a measure in the library, on the device and in the type of another one."""

    def move(array: Array) -> Array:
        return as_tensor(array, other.device)

    moved = mapped(m, move)
    return replace(moved, points=moved.points.to(other.dtype), numpy=False)


def _library(m: Measure) -> str:
    if m.home is not None:
        return str(m.home.library.__name__).removeprefix("array_api_compat.")
    return "NumPy" if m.numpy else "torch"


def _shape(m: Measure) -> tuple[int, ...]:
    return tuple(m.points.shape) if m.batched else tuple(m.points.shape[1:])
