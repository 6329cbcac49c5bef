"""Whatever holds numbers, from a list to a table, becomes an array of floats, or is refused in words.

What belongs to torch stays there; all else becomes NumPy's.

What samples, weights and measures must be beyond that is no affair of this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from otgan.home import come_in
from otgan.mistakes import WrongValueError
from otgan.namespace import Array, is_tensor
from otgan.options import WrongKindError, shown

__all__ = [
    "array_of",
    "check_held",
    "check_kind",
    "float_array",
    "holds_arrays",
    "holds_tensors",
    "is_list_of_matrices",
    "is_plain",
]

_MATRIX = 2
"""Dimensions of one set of samples."""


def holds_tensors(value: Any) -> bool:
    """Whether a value belongs to torch: a tensor, or a list with one."""
    if is_tensor(value):
        return True
    return isinstance(value, (list, tuple)) and any(map(is_tensor, value))


def holds_arrays(value: Any) -> bool:
    """Whether a value is a list with an array of NumPy, or with what becomes one."""
    return isinstance(value, (list, tuple)) and any(
        isinstance(item, np.ndarray) or hasattr(item, "to_numpy") for item in value
    )


def is_plain(value: Any) -> bool:
    """Whether a value is a list or tuple of plain numbers, which belongs to no library."""
    return isinstance(value, (list, tuple)) and not holds_tensors(value) and not holds_arrays(value)


def is_list_of_matrices(value: Any) -> bool:
    """Whether a value is a list of arrays of two dimensions: a batch of problems that may differ in size."""
    return (
        isinstance(value, (list, tuple))
        and len(value) > 0
        and any(
            isinstance(item, np.ndarray) or is_tensor(item) or hasattr(item, "to_numpy") for item in value
        )
        and all(getattr(item, "ndim", 0) == _MATRIX for item in value)
    )


def array_of(value: Any, name: str) -> Array:
    """Return numbers that are neither samples nor weights, of any shape, as an array of floats.

    Raises
    ------
    TypeError, ValueError
        If they are no real numbers, or not rectangular.
    """
    array = float_array(come_in(value, name)[0], name)
    check_held(array, name)
    return array


def float_array(value: Any, name: str) -> Array:
    """Turn one array-like into an array of floats that shares memory with it where that is possible.

    Tensors keep float32 and float64; everything else becomes NumPy's float64.
    """
    if holds_tensors(value):
        return _float_tensor(value if is_tensor(value) else _stack(value, name), name)
    return _from_numpy(value, name)


def _float_tensor(tensor: Any, name: str) -> Any:
    import torch

    if tensor.is_complex() or tensor.is_quantized or tensor.is_nested or tensor.layout != torch.strided:
        kind = (
            "a nested tensor" if tensor.is_nested else f"{_plainly(tensor.dtype)}, {_plainly(tensor.layout)}"
        )
        raise WrongKindError(
            f"{name} must be a dense tensor of real numbers, got {kind}: convert it with .to_dense(), .real or "
            ".dequantize()"
        )
    if tensor.dtype in {torch.float32, torch.float64}:
        return tensor
    if tensor.requires_grad:
        from otgan.autograd import in_single

        return in_single(tensor)
    return tensor.float() if tensor.is_floating_point() else tensor.double()


def check_held(array: Array, name: str) -> None:
    """Raise where a tensor has a shape but no numbers."""
    if is_tensor(array) and array.is_meta:
        raise WrongKindError(
            f"{name} must be a tensor that holds numbers, got one on the device 'meta', without any"
        )


def _stack(value: Sequence[Any], name: str) -> Any:
    import torch

    wrong = next((item for item in value if not is_tensor(item)), None)
    if wrong is not None or any(item is None for item in value):
        raise WrongKindError(
            f"{name} must hold tensors only, or none, got a list of both, with {shown(wrong)}"
        )
    shapes = list(dict.fromkeys(tuple(item.shape) for item in value))
    if len(shapes) > 1:
        raise WrongValueError(
            f"{name} must be rectangular, got tensors of shapes {shapes[0]} and {shapes[1]}: give equal rows, or "
            "one 2-D tensor a problem"
        )
    if len({item.device for item in value}) > 1:
        raise WrongValueError(
            f"{name} must be on one device, got tensors on several: move them with .to(device)"
        )
    return torch.stack(list(value))


def check_kind(value: Any, name: str) -> None:
    """Raise where a value cannot be an array: it has no length, and does not say how it becomes one."""
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        raise WrongKindError(f"{name} must be dense, got a sparse matrix: pass {name}.toarray()")
    several = any(hasattr(value, way) for way in ("__len__", "__array__", "__array_interface__"))
    if isinstance(value, (str, bytes, bytearray, dict, set, frozenset, type)) or not several:
        raise WrongKindError(
            f"{name} must be numbers in an array, a tensor, a list or a table, got {shown(value)}: pass "
            "np.asarray(...) of them, and list(...) of a generator"
        )


def _from_numpy(value: Any, name: str) -> Array:
    check_kind(value, name)
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise WrongValueError(f"{name} has masked entries: drop those rows or fill them first")
    try:
        array = _from_frame(value) if hasattr(value, "to_numpy") else np.asarray(value)
    except (ValueError, TypeError, RuntimeError, OverflowError):
        raise WrongValueError(
            f"{name} must be a rectangular array, got {shown(value)}: give equal rows, or a list of 2-D arrays "
            "for a batch"
        ) from None
    if array.dtype.kind not in "fiub":
        raise WrongKindError(
            f"{name} must hold real numbers, got an array of dtype {array.dtype!s:.40}: convert it with "
            ".astype(float)"
        )
    # Its memory is the caller's where it can be, and never written to. Everything becomes native float64.
    with np.errstate(over="ignore"):  # long doubles beyond float64 are found to be infinite below
        return np.asarray(array, dtype=np.float64, order="C")


def _plainly(kind: Any) -> str:
    return str(kind).removeprefix("torch.")


def _from_frame(value: Any) -> np.ndarray:
    array = np.asarray(value.to_numpy())
    dtypes = [value.dtype] if hasattr(value, "dtype") else list(getattr(value, "dtypes", ()))
    if array.dtype == object and all(getattr(dtype, "kind", "O") in "fiub" for dtype in dtypes):
        # pandas makes objects of its nullable numbers unless told what stands for a missing one.
        array = value.to_numpy(dtype=np.float64, na_value=np.nan)
    return array
