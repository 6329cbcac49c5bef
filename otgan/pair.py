"""Two measures that are to be compared, made to agree in library, type and device, or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from otgan.arrays import is_plain
from otgan.measure import Measure
from otgan.mistakes import WrongValueError
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
    def batched(self) -> bool:
        """Whether results have a batch dimension."""
        return self.x.batched


def pair(x: Any, y: Any, a: Any = None, b: Any = None) -> Pair:
    """Validate two sets of samples, with their weights, that are to be compared.

    Raises
    ------
    TypeError, ValueError
        As :meth:`Measure.of`; and where x and y differ in dimension, batch size, device, or library.
    """
    first = Measure.of(x, a, name="x")
    second = Measure.of(y, b, name="y")
    if first.numpy != second.numpy and not (is_plain(x) or is_plain(y)):
        kinds = ("NumPy", "torch") if first.numpy else ("torch", "NumPy")
        raise WrongKindError(
            f"x is {kinds[0]} and y is {kinds[1]}: pass both as NumPy arrays or both as torch tensors "
            "(torch.from_numpy(...) or tensor.numpy(force=True))"
        )
    numpy = first.numpy and second.numpy
    if first.batched != second.batched or first.points.shape[0] != second.points.shape[0]:
        raise WrongValueError(
            f"x and y must be two sets of samples or two equal batches of them, got shapes "
            f"{_shape(first)} and {_shape(second)}: stack or expand the smaller one"
        )
    if first.points.shape[-1] != second.points.shape[-1]:
        raise WrongValueError(
            f"x and y must have the same dimension d, got {first.points.shape[-1]} and "
            f"{second.points.shape[-1]} (shapes {_shape(first)} and {_shape(second)})"
        )
    if first.device != second.device and not numpy and not (is_plain(x) or is_plain(y)):
        raise WrongValueError(f"x is on {first.device} and y on {second.device}: move one with .to(device)")
    dtype = torch.promote_types(first.dtype, second.dtype)
    if is_plain(x) and not second.numpy:
        dtype = second.dtype
    elif is_plain(y) and not first.numpy:
        dtype = first.dtype
    device = second.device if is_plain(x) and not second.numpy else first.device
    return Pair(_like(first, dtype, device, numpy), _like(second, dtype, device, numpy))


def _like(m: Measure, dtype: torch.dtype, device: torch.device, numpy: bool) -> Measure:
    return Measure(
        m.points.to(device, dtype),
        m.weights.to(device),
        m.mass.to(device),
        m.sizes,
        m.batched,
        m.weighted,
        numpy,
        None if m.given is None else m.given.to(device),
    )


def _shape(m: Measure) -> tuple[int, ...]:
    return tuple(m.points.shape) if m.batched else tuple(m.points.shape[1:])
