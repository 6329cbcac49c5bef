"""The way back across the border: batched arrays become what the caller's input looked like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from otgan.arrays import array_of
from otgan.home import Home
from otgan.mistakes import WrongValueError
from otgan.namespace import (
    Array,
    as_numpy,
    as_tensor,
    beside,
    detached,
    double,
    is_tensor,
    stacked,
)
from otgan.options import WrongKindError, shown
from otgan.pair import Pair
from otgan.rounding import in_type

__all__ = ["Form", "device_of", "to_plain", "type_of"]

_MATRIX, _BATCH = 2, 3
"""Dimensions of one set of rows, and of a batch of them."""


@dataclass(frozen=True)
class Form:
    """How results are handed back: as floats and read-only NumPy arrays or as tensors, with a batch or without.

    Attributes
    ----------
    numpy, batched : bool
    dtype : dtype of NumPy or torch
    device : str or torch.device
    sizes_x, sizes_y : tuple of int or None
        Sizes of ragged problems, whose potentials and plans are handed back as lists.
    home : Home or None
        The library of arrays, where it is neither; numbers are floats then.
    """

    numpy: bool
    batched: bool
    dtype: Any
    device: Any
    sizes_x: tuple[int, ...] | None
    sizes_y: tuple[int, ...] | None
    home: Home | None = None

    @classmethod
    def of(cls, pair: Pair) -> Form:
        """Return the form of the input that a pair was made from."""
        x, y = pair.x, pair.y
        dtype = pair.home.dtype if pair.home is not None and pair.numpy else x.dtype
        return cls(pair.numpy, pair.batched, dtype, x.device, x.sizes, y.sizes, pair.home)

    def scalar(self, values: Array) -> Any:
        """One number a problem, (B,): a float or 0-d tensor without a batch, an array or tensor with one."""
        if not self.batched:
            return values[0].item() if self.numpy or self.home else self._tensor(values)[0]
        return self.array(values)

    def points(self, values: Array, side: str) -> Any:
        """One value or row a point, (B, n, ...), of the side "x" or "y"; a list for ragged problems."""
        sizes = self.sizes_x if side == "x" else self.sizes_y
        if sizes is not None:
            return [self.array(values[k, :size]) for k, size in enumerate(sizes)]
        return self.array(values if self.batched else values[0])

    def vectors(self, v: Any, side: str, like: Array) -> Array:
        """Take one value or row a point of the side "x" or "y" from the user, as `points` hands them back.

        Parameters
        ----------
        v : array-like
        side : {"x", "y"}
        like : ndarray or Tensor, shape (B, n)
            One float64 a point, in the library and on the device of the solution.

        Returns
        -------
        ndarray or Tensor, shape (B, n) or (B, n, k)
            Float64, detached, as `like` is.
        """
        sizes = self.sizes_x if side == "x" else self.sizes_y
        if sizes is None:
            vectors = _float64(v, like, "v")
            vectors = vectors if self.batched else vectors[None]
        else:
            if not isinstance(v, (list, tuple)):
                raise WrongKindError(
                    f"v must be a list of {len(sizes)} arrays, one a problem, got {shown(v)}"
                )
            rows = [_float64(item, like, f"v[{k}]") for k, item in enumerate(v)]
            found = tuple(row.shape[0] if row.ndim else 0 for row in rows)
            if found != sizes or len({row.shape[1:] for row in rows}) > 1 or rows[0].ndim > _MATRIX:
                raise WrongValueError(
                    f"v must be a list of {len(sizes)} arrays of {sizes!s:.60} rows, all with as many columns, got "
                    f"shapes {[tuple(row.shape) for row in rows]!s:.60}"
                )
            vectors = stacked(rows)
        if vectors.ndim not in {_MATRIX, _BATCH} or tuple(vectors.shape[:2]) != tuple(like.shape):
            expected, got = tuple(like.shape), tuple(vectors.shape)
            skip = 0 if self.batched else 1
            raise WrongValueError(f"v must have one row a point, shape {expected[skip:]}, got {got[skip:]}")
        return vectors

    def plan(self, values: Array) -> Any:
        """One value a pair of points, (B, n, m); a list for ragged problems."""
        if self.sizes_x is None and self.sizes_y is None:
            return self.array(values if self.batched else values[0])
        rows = self.sizes_x or (values.shape[1],) * len(values)
        columns = self.sizes_y or (values.shape[2],) * len(values)
        return [self.array(values[k, :n, :m]) for k, (n, m) in enumerate(zip(rows, columns, strict=True))]

    def array(self, values: Array) -> Any:
        """Numbers of any shape: a read-only array, a tensor, or an array of the caller's library; whole ones stay whole."""
        if self.home is not None:
            return self.home.take(self._array(values) if self.numpy else self._tensor(values))
        if not self.numpy:
            return self._tensor(values)
        array = as_numpy(values)
        array = array.view() if array.flags.owndata else array.copy()
        array.flags.writeable = False  # of the view: what it is a view of stays as it is
        return array

    def _array(self, values: Array) -> Any:
        array = as_numpy(values)
        return in_type(array, self.dtype) if array.dtype.kind == "f" else array

    def _tensor(self, values: Array) -> Any:
        tensor = as_tensor(values)
        dtype = self.dtype if tensor.is_floating_point() else tensor.dtype
        return in_type(tensor, dtype).to(self.device)


def _float64(v: Any, like: Array, name: str) -> Array:
    """Return a user's numbers beside others; a copy of tensors, which may be written to later."""
    array = double(detached(array_of(v, name)))
    return beside(array.clone() if is_tensor(array) else array, like)


def to_plain(value: Any) -> Any:
    """Turn a result into lists, floats and ints, for JSON."""
    if isinstance(value, np.ndarray) or is_tensor(value):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value


def device_of(device: Any) -> Any:
    """Return a device that is there and holds numbers, or raise."""
    import torch

    expected = "one that is there, such as 'cpu' or 'cuda:0'"
    if not isinstance(device, (str, torch.device)):
        raise WrongKindError(f"device must be {expected}, got {shown(device)}")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError):
        found = torch.device("meta")
    if found.type == "meta":
        raise WrongValueError(f"device must be {expected}, got {shown(str(device))}")
    return found


def type_of(dtype: Any) -> Any:
    """Return a floating-point type, or raise."""
    import torch

    expected = "a floating-point type of 16 bits or more, such as torch.float64"
    if not isinstance(dtype, torch.dtype):
        raise WrongKindError(f"dtype must be {expected}, got {shown(dtype)}")
    if dtype not in {torch.float16, torch.bfloat16, torch.float32, torch.float64}:
        raise WrongValueError(f"dtype must be {expected}, got {dtype}")
    return dtype
