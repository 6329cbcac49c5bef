"""Arrays of other libraries, such as JAX and CuPy: they come in as NumPy's or torch's, and results go home to theirs.

Whatever follows the array API standard is such an array. What lies on the CPU becomes NumPy's, what lies elsewhere torch's,
through DLPack and without a copy where the library allows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_cupy_array, is_jax_array

from otgan.mistakes import WrongKindError
from otgan.namespace import Array, is_tensor
from otgan.options import shown

__all__ = ["Home", "come_in"]

_CPU = 1
"""What DLPack calls the device."""


@dataclass(frozen=True)
class Home:
    """The library, device and floating-point type that results go back to.

    Attributes
    ----------
    library : module
        Its functions, by their names in the array API standard.
    device : object
    dtype : dtype of NumPy
        float64, or float32 where the library has no larger one, as JAX unless told otherwise.
    """

    library: Any
    device: Any
    dtype: Any

    @classmethod
    def of(cls, array: Any) -> Home:
        """Return the home of an array of another library."""
        library = array_namespace(array)
        largest = library.asarray(np.zeros(1)).dtype
        return cls(library, device(array), np.dtype(np.float64 if "64" in str(largest) else np.float32))

    def take(self, values: Array) -> Any:
        """Return numbers, of a type that it holds, as an array of the library."""
        if is_tensor(values):
            return self.library.from_dlpack(values.detach())
        return self.library.asarray(values, device=self.device)


def come_in(value: Any, name: str) -> tuple[Any, Home | None]:
    """Return samples, or a list of them, with what is of another library as NumPy's or torch's, and where that is at home.

    Raises
    ------
    TypeError
        If the numbers are not there yet, as under ``jax.jit``.
    """
    if _is_foreign(value):
        return _taken(value, name), Home.of(value)
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return np.from_dlpack(value), None  # of no known library: results are NumPy's
    if isinstance(value, (list, tuple)):
        first = next(filter(_is_foreign, value), None)
        if first is not None:
            items = [
                _taken(item, f"{name}[{k}]") if _is_foreign(item) else item for k, item in enumerate(value)
            ]
            return items, Home.of(first)
    return value, None


def _is_foreign(value: Any) -> bool:
    if isinstance(value, (np.ndarray, np.generic, float, int)) or is_tensor(value) or hasattr(value, "nnz"):
        return False
    return hasattr(value, "__array_namespace__") or is_jax_array(value) or is_cupy_array(value)


def _taken(value: Any, name: str) -> Array:
    try:
        elsewhere = hasattr(value, "__dlpack_device__") and value.__dlpack_device__()[0] != _CPU
        if not elsewhere:
            return np.asarray(value)
        import torch

        return torch.from_dlpack(value)
    except (TypeError, RuntimeError, BufferError) as error:
        raise WrongKindError(
            f"{name} must hold numbers that are there, got {shown(value)} ({type(error).__name__}): call otgan outside of "
            "functions that are traced or compiled"
        ) from error
