"""NumPy and torch under one set of names: what code that serves both is written against.

It asks :func:`namespace` for the functions of the library that an array is of, as the array API standard names them;
what the standard lacks is here. Nothing of this imports torch: whoever has a tensor has done so already.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from array_api_compat import array_namespace, device, is_torch_array

__all__ = [
    "DOUBLE",
    "Array",
    "arange",
    "as_numpy",
    "as_tensor",
    "at_least",
    "at_most",
    "beside",
    "detached",
    "device",
    "double",
    "epsilon_of",
    "full",
    "is_double",
    "is_tensor",
    "largest_of",
    "least_of",
    "namespace",
    "need_gradients",
    "norms",
    "of_type",
    "ones",
    "square_norms",
    "stacked",
    "without_graph",
    "zeros",
]

Array: TypeAlias = Any
"""An array of NumPy or a tensor of torch."""

DOUBLE = np.dtype(np.float64)
"""NumPy's float64."""

DType: TypeAlias = Any
"""A floating-point type of either library."""

is_tensor = is_torch_array


def namespace(array: Array) -> Any:
    """Return the functions of the array's library, by their names in the array API standard, which NumPy itself has."""
    return np if isinstance(array, (np.ndarray, np.generic)) else array_namespace(array)


def detached(array: Array) -> Array:
    """Return the array without a graph."""
    return array.detach() if is_tensor(array) else array


def need_gradients(*arrays: Array) -> bool:
    """Whether a gradient in one of the arrays is asked for."""
    tensors = [array for array in arrays if is_tensor(array)]
    if not any(tensor.requires_grad for tensor in tensors):
        return False
    import torch

    return torch.is_grad_enabled()


def double(array: Array) -> Array:
    """Return the array in float64, itself where it is."""
    return array.astype(np.float64, copy=False) if isinstance(array, np.ndarray) else array.double()


def as_numpy(array: Array) -> Array:
    """Return an array of NumPy, without a graph, that shares the memory of tensors of the CPU."""
    return array.numpy(force=True) if is_tensor(array) else array


def as_tensor(array: Array, place: Any = None) -> Any:
    """Return a tensor, on a device, that shares the memory of what can be written to."""
    import torch

    if not is_tensor(array):
        array = np.asarray(array)
        # torch knows no array that is read only or runs backward.
        plain = array.flags.writeable and min(array.strides, default=0) >= 0
        array = torch.from_numpy(array if plain else array.copy())
    return array if place is None else array.to(place)


def beside(array: Array, other: Array) -> Array:
    """Return the array in the library, and on the device, of another one."""
    return as_tensor(array, other.device) if is_tensor(other) else as_numpy(array)


def zeros(shape: Any, other: Array, dtype: Any = None) -> Array:
    """Return zeros of a shape in the library and on the device of another array; float64 unless told otherwise."""
    return full(shape, 0.0, other, dtype)


def ones(shape: Any, other: Array, dtype: Any = None) -> Array:
    """Return ones of a shape in the library and on the device of another array; float64 unless told otherwise."""
    return full(shape, 1.0, other, dtype)


def full(shape: Any, value: float, other: Array, dtype: Any = None) -> Array:
    """Return an array of one value in the library and on the device of another one; float64 unless told otherwise."""
    if isinstance(other, np.ndarray):
        return np.full(shape, value, dtype or np.float64)
    xp = namespace(other)
    return xp.full(shape, value, dtype=dtype or xp.float64, device=other.device)


def arange(count: int, other: Array) -> Array:
    """Return the numbers 0 … count − 1, int64, in the library and on the device of another array."""
    return (
        np.arange(count)
        if isinstance(other, np.ndarray)
        else namespace(other).arange(count, device=other.device)
    )


def norms(vectors: Array) -> Array:
    """The Euclidean norms of vectors along the last dimension."""
    if is_tensor(vectors):
        return namespace(vectors).linalg.vector_norm(vectors, axis=-1)
    return np.sqrt(square_norms(vectors))  # a tenth of the time that NumPy's own takes for few


def square_norms(vectors: Array) -> Array:
    """Their squares, without memory for those of the coordinates."""
    if is_tensor(vectors):
        return vectors.square().sum(-1)
    return np.einsum("...i,...i->...", vectors, vectors)


def of_type(array: Array, dtype: DType) -> Array:
    """Return the array in a type of its library, itself where it is of that."""
    if isinstance(array, np.ndarray):
        return array if array.dtype == dtype else array.astype(dtype)
    return array.to(dtype)


def at_least(array: Array, low: float) -> Array:
    """The larger of each number and one bound."""
    return np.maximum(array, low) if isinstance(array, np.ndarray) else array.clamp_min(low)


def at_most(array: Array, high: float) -> Array:
    """The smaller of each number and one bound."""
    return np.minimum(array, high) if isinstance(array, np.ndarray) else array.clamp_max(high)


@contextlib.contextmanager
def without_graph(array: Array) -> Iterator[None]:
    """Record no graph, and keep to the types at hand, where the array is a tensor."""
    if not is_tensor(array):
        yield
        return
    import torch

    with torch.no_grad(), torch.autocast(array.device.type, enabled=False):
        yield


def stacked(arrays: Sequence[Array]) -> Array:
    """Stack arrays whose sizes differ, filled up by zeros; a gradient passes."""
    shape = [max(sizes) for sizes in zip(*(array.shape for array in arrays), strict=True)]
    found = zeros((len(arrays), *shape), arrays[0], namespace(arrays[0]).result_type(*arrays))
    for k, array in enumerate(arrays):
        found[(k, *(slice(size) for size in array.shape))] = array
    return found


def is_double(dtype: DType) -> bool:
    """Whether a floating-point type of either library is float64."""
    return bool(dtype.itemsize == DOUBLE.itemsize)


def largest_of(dtype: DType) -> float:
    """The largest number of a floating-point type."""
    return float(_limits(dtype).max)


def least_of(dtype: DType) -> float:
    """The smallest positive number of a floating-point type that has all its digits."""
    return float(_limits(dtype).tiny)


def epsilon_of(dtype: DType) -> float:
    """The distance from 1 to the next number of a floating-point type."""
    return float(_limits(dtype).eps)


def _limits(dtype: DType) -> Any:
    if isinstance(dtype, np.dtype):
        return np.finfo(dtype)
    import torch

    return torch.finfo(dtype)
