"""The border: whatever holds samples and weights comes in here and leaves as a :class:`Measure`.

All validation of samples and weights lives in this module; nothing behind it checks them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otgan.mistakes import WrongValueError
from otgan.options import WrongKindError, shown

__all__ = ["Measure", "Pair", "holds_tensors", "is_list_of_matrices", "pair", "tensor_of"]

_CUTS = (1.5 * 2.0**26, 1.5, 1.5 * 2.0**-26)
"""Numbers beside which float64 has no room for what is below 2⁻²⁶, 2⁻⁵² and 2⁻⁷⁸."""

_IN_CACHE = 2**14
"""Weights that are summed at a time."""


@dataclass(frozen=True, eq=False)
class Measure:
    """Weighted samples: the measure Σᵢ aᵢ δ(xᵢ), or a batch of them.

    Build one with :meth:`of`; every function of otgan does so with what it is given.

    Attributes
    ----------
    points : Tensor, shape (B, n, d)
        The samples, B = 1 unless ``batched``. Rows past a ragged problem's size are copies of its first one, of weight 0.
    weights : Tensor, shape (B, n), float64
        Normalized, in float64, to sum to 1 in every problem; ``weights * mass[:, None]`` are those given.
    mass : Tensor, shape (B,), float64
        The totals of the weights as given; 1 without weights.
    sizes : tuple of int or None
        The number of samples of each problem where they differ, else None.
    batched : bool
        Whether the input had a batch dimension.
    weighted : bool
        Whether weights were given; otherwise every sample weighs 1/n.
    numpy : bool
        Whether the input was NumPy-like, so that results go back as floats and NumPy arrays.
    given : Tensor, shape (B, n), float64, or None
        The weights as they were given, detached, 0 past a ragged problem's size; None where there were none.
    """

    points: Tensor
    weights: Tensor
    mass: Tensor
    sizes: tuple[int, ...] | None
    batched: bool
    weighted: bool
    numpy: bool
    given: Tensor | None = None

    @classmethod
    def of(cls, points: Any, weights: Any = None, *, name: str = "x") -> Measure:
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
            return points
        weights_name = {"x": "a", "y": "b"}.get(name, f"the weights of {name}")
        numpy = not holds_tensors(points)
        if not numpy and _holds_arrays(points):
            raise WrongKindError(
                f"{name} is a list of NumPy arrays and torch tensors: use one library for all of them"
            )
        ragged = is_list_of_matrices(points)
        if ragged:
            items = [_tensor(item, f"{name}[{k}]") for k, item in enumerate(points)]
            padded, sizes = _pad(items, name)
            batched = True
        else:
            padded = _tensor(points, name)
            if padded.ndim == 1:
                padded = padded[:, None]
            if padded.ndim not in {2, 3}:
                raise WrongValueError(
                    f"{name} must have shape (n,), (n, d) or (B, n, d), got {tuple(padded.shape)}: "
                    "flatten each sample to a row"
                )
            batched = padded.ndim == 3
            padded = padded if batched else padded[None]
            sizes = (padded.shape[1],) * padded.shape[0]
        _check_held(padded, name)
        _check_points(padded, sizes, name)
        equal = len(set(sizes)) == 1
        length = torch.tensor(sizes, device=padded.device)
        inside = None if equal else torch.arange(padded.shape[1], device=padded.device) < length[:, None]
        given = None
        if weights is None:
            uniform = (1.0 / length.double())[:, None].expand(padded.shape[:2])
            full = uniform if inside is None else uniform * inside
            mass = torch.ones(padded.shape[0], dtype=torch.float64, device=padded.device)
        else:
            raw = _weights(weights, padded, sizes, inside, numpy, weights_name)
            # Dividing by the largest first keeps the total finite for weights near the ends of the range.
            largest = raw.detach().amax(1, keepdim=True)
            scaled = raw / largest
            total = _total(scaled)[:, None]
            mass = (total * largest)[:, 0]
            full = scaled / total
            given = raw.detach()
        return cls(padded, full, mass, None if equal else sizes, batched, weights is not None, numpy, given)

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the points."""
        return self.points.dtype

    @property
    def device(self) -> torch.device:
        """Device of the points."""
        return self.points.device

    def take(self, problems: Tensor) -> Measure:
        """Return the problems of a batch whose indices are given, as a batch.

        Parameters
        ----------
        problems : Tensor, shape (K,), int64
        """
        count = self.points.shape[0]
        expected = f"a vector of indices of problems, a tensor of whole numbers from 0 to {count - 1}"
        if not isinstance(problems, Tensor) or problems.dtype != torch.int64 or problems.is_meta:
            raise WrongKindError(f"problems must be {expected}, got {shown(problems)}")
        if problems.ndim != 1 or bool(((problems < 0) | (problems >= count)).any()):
            raise WrongValueError(f"problems must be {expected}, got {shown(problems.tolist())}")
        return replace(
            self,
            points=self.points[problems],
            weights=self.weights[problems],
            mass=self.mass[problems],
            sizes=None if self.sizes is None else tuple(self.sizes[k] for k in problems.tolist()),
            batched=True,
            given=None if self.given is None else self.given.expand(self.weights.shape)[problems],
        )

    def __repr__(self) -> str:
        b, n, d = self.points.shape
        shape = f"B={b}, n={n}, d={d}" if self.batched else f"n={n}, d={d}"
        return f"Measure({shape}, {str(self.dtype).removeprefix('torch.')}, {self.device})"


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
    if first.numpy != second.numpy and not (_is_plain(x) or _is_plain(y)):
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
    if first.device != second.device and not numpy and not (_is_plain(x) or _is_plain(y)):
        raise WrongValueError(f"x is on {first.device} and y on {second.device}: move one with .to(device)")
    dtype = torch.promote_types(first.dtype, second.dtype)
    if _is_plain(x) and not second.numpy:
        dtype = second.dtype
    elif _is_plain(y) and not first.numpy:
        dtype = first.dtype
    device = second.device if _is_plain(x) and not second.numpy else first.device
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


def _is_plain(value: Any) -> bool:
    """Whether a value is a list or tuple of plain numbers, which belongs to no library."""
    return isinstance(value, (list, tuple)) and not holds_tensors(value) and not _holds_arrays(value)


def holds_tensors(value: Any) -> bool:
    """Whether a value belongs to torch: a tensor, a list of them, or a measure made of one."""
    if isinstance(value, (Tensor, Measure)):
        return not (isinstance(value, Measure) and value.numpy)
    return isinstance(value, (list, tuple)) and any(isinstance(item, Tensor) for item in value)


def _holds_arrays(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and any(
        isinstance(item, np.ndarray) or hasattr(item, "to_numpy") for item in value
    )


def is_list_of_matrices(value: Any) -> bool:
    """Whether a value is a list of arrays of two dimensions: a batch of problems that may differ in size."""
    return (
        isinstance(value, (list, tuple))
        and len(value) > 0
        and any(isinstance(item, (Tensor, np.ndarray)) or hasattr(item, "to_numpy") for item in value)
        and all(getattr(item, "ndim", 0) == 2 for item in value)
    )


def _tensor(value: Any, name: str) -> Tensor:
    """Turn one array-like into a float tensor that shares memory with it where that is possible."""
    if isinstance(value, Tensor):
        tensor = value
    elif holds_tensors(value):
        tensor = _stack(value, name)
    else:
        return _from_numpy(value, name)
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
    return tensor.float() if tensor.is_floating_point() else tensor.double()


def tensor_of(value: Any, name: str) -> Tensor:
    """Return numbers that are neither samples nor weights, of any shape, as a tensor of floats.

    Raises
    ------
    TypeError, ValueError
        If they are no real numbers, or not rectangular.
    """
    tensor = _tensor(value, name)
    _check_held(tensor, name)
    return tensor


def _check_held(tensor: Tensor, name: str) -> None:
    if tensor.is_meta:
        raise WrongKindError(
            f"{name} must be a tensor that holds numbers, got one on the device 'meta', without any"
        )


def _stack(value: Sequence[Any], name: str) -> Tensor:
    wrong = next((item for item in value if not isinstance(item, Tensor)), None)
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


def _check_kind(value: Any, name: str) -> None:
    """Raise where a value cannot be an array: it has no length, and does not say how it becomes one."""
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        raise WrongKindError(f"{name} must be dense, got a sparse matrix: pass {name}.toarray()")
    several = any(hasattr(value, way) for way in ("__len__", "__array__", "__array_interface__"))
    if isinstance(value, (str, bytes, bytearray, dict, set, frozenset, type)) or not several:
        raise WrongKindError(
            f"{name} must be numbers in an array, a tensor, a list or a table, got {shown(value)}: pass "
            "np.asarray(...) of them, and list(...) of a generator"
        )


def _from_numpy(value: Any, name: str) -> Tensor:
    _check_kind(value, name)
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
    # Tensors share the caller's memory; they are never written to, but torch warns of a read-only source.
    # Long doubles and foreign byte orders are unknown to torch, so everything becomes native float64.
    with np.errstate(over="ignore"):  # long doubles beyond float64 are found to be infinite below
        array = np.asarray(array, dtype=np.float64, order="C")
    usable = array.flags.writeable and min(array.strides, default=0) >= 0  # of one entry they may be negative
    return torch.from_numpy(array if usable else array.copy())


def _plainly(kind: Any) -> str:
    return str(kind).removeprefix("torch.")


def _from_frame(value: Any) -> np.ndarray:
    array = np.asarray(value.to_numpy())
    dtypes = [value.dtype] if hasattr(value, "dtype") else list(getattr(value, "dtypes", ()))
    if array.dtype == object and all(getattr(dtype, "kind", "O") in "fiub" for dtype in dtypes):
        # pandas makes objects of its nullable numbers unless told what stands for a missing one.
        array = value.to_numpy(dtype=np.float64, na_value=np.nan)
    return array


def _pad(items: list[Tensor], name: str) -> tuple[Tensor, tuple[int, ...]]:
    dims = {item.shape[1] for item in items}
    if len(dims) > 1:
        raise WrongValueError(f"the problems of {name} must have one dimension d, got d = {sorted(dims)}")
    devices = {str(item.device) for item in items}
    if len(devices) > 1:
        raise WrongValueError(f"the problems of {name} must be on one device, got {sorted(devices)}")
    dtype = items[0].dtype
    for item in items[1:]:
        dtype = torch.promote_types(dtype, item.dtype)
    points = torch.cat([item.to(dtype) for item in items])
    sizes = tuple(item.shape[0] for item in items)
    counts = torch.tensor(sizes, device=points.device)[:, None]
    rows = torch.arange(max(sizes), device=points.device)
    # Copies of the first point: zeros might lie far from all points, and cost the others digits.
    index = counts.cumsum(0) - counts + torch.where(rows < counts, rows, 0)
    # Of a problem without points, which is refused later, there is no first one.
    return points[index.clamp_max(max(0, len(points) - 1))], sizes


def _check_points(points: Tensor, sizes: tuple[int, ...], name: str) -> None:
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
    # Both extremes are NaN where there is one. Looking at them first takes no memory, unlike a mask.
    if not bool(torch.isfinite(torch.stack(points.detach().aminmax())).all()):
        finite = torch.isfinite(points.detach())
        count = int((~finite).sum())
        where = tuple(int(k) for k in (~finite).nonzero()[0])
        raise WrongValueError(
            f"{name} must be finite, got {count} NaN or infinite value{'s' if count > 1 else ''}, the first at "
            f"sample {where[1]}, coordinate {where[2]}{f' of problem {where[0]}' if shape[0] > 1 else ''}: "
            "drop or impute those rows"
        )


class _InDouble(torch.autograd.Function):
    """A tensor in float64, whose gradient comes back as numbers of its own type.

    A point of weight 0 may be worth more than any number; times the 0 of a mask its gradient must be 0.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.dtype = x.dtype
        return x.double()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        largest = torch.finfo(ctx.dtype).max
        return upstream.clamp(-largest, largest).to(ctx.dtype)


def _in_double(x: Tensor) -> Tensor:
    if not x.requires_grad:
        return x.double()
    found: Tensor = _InDouble.apply(x)
    return found


def _total(weights: Tensor) -> Tensor:
    """Sum weights of at most 1, of shape (B, n), to the same bits wherever among them zeros stand.

    A solver branches on numbers, so that a total that differs in its last bit may cost it another pass, and give
    potentials that differ by as much as `tol` allows. Cut at fixed bits, weights sum without any rounding.
    """
    sums = [torch.zeros_like(weights[:, 0])] * len(_CUTS)
    for block in weights.split(_IN_CACHE, 1):
        rest = block
        for k, cut in enumerate(_CUTS):
            high = (rest + cut).sub_(cut)
            sums[k] = sums[k] + high.sum(1)
            rest = rest - high
    return sums[2] + sums[1] + sums[0]


def _weights(
    weights: Any,
    points: Tensor,
    sizes: tuple[int, ...],
    inside: Tensor | None,
    numpy: bool,
    name: str,
) -> Tensor:
    """Check the weights of one measure and return them as float64 of shape (B, n), zero past each size."""
    if not isinstance(weights, Tensor):
        _check_kind(weights, name)
    if not _is_plain(weights) and holds_tensors(weights) == numpy:
        kinds = ("NumPy", "a torch tensor") if numpy else ("a torch tensor", "NumPy")
        raise WrongKindError(f"{name} is {kinds[1]} and the samples are {kinds[0]}: use one library for both")
    batch, n = points.shape[:2]
    if inside is None:
        raw = _in_double(_tensor(weights, name))
    else:
        listed = isinstance(weights, (list, tuple)) and not any(isinstance(row, Real) for row in weights)
        rows = list(weights) if listed else []
        tensors = [_tensor(row, f"{name}[{k}]") for k, row in enumerate(rows)]
        tensors = [_in_double(row) for row in tensors]
        shapes = [tuple(row.shape) for row in tensors]
        if shapes != [(size,) for size in sizes]:
            raise WrongValueError(
                f"{name} must be a list of {batch} 1-D arrays of lengths {sizes!s:.60}, one for each problem, got "
                f"{f'shapes {shapes!s:.60}' if rows else type(weights).__name__}"
            )
        raw = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)
    if raw.shape not in {(n,), (1, n), (batch, n)}:
        raise WrongValueError(
            f"{name} must have one weight a sample, shape ({n},){f' or ({batch}, {n})' if batch > 1 else ''}, "
            f"got {tuple(raw.shape)}"
        )
    if raw.device != points.device:
        if not _is_plain(weights):
            raise WrongValueError(
                f"{name} is on {raw.device} and the samples on {points.device}: use .to(device)"
            )
        raw = raw.to(points.device)
    _check_held(raw, name)
    raw = raw.expand(batch, n)
    if inside is not None:
        raw = raw * inside
    values = raw.detach()
    if not bool(torch.isfinite(values).all()):
        raise WrongValueError(f"{name} must be finite, got NaN or infinite weights")
    if bool((values < 0).any()):
        raise WrongValueError(f"{name} must be nonnegative, got a smallest weight of {float(values.min()):g}")
    empty = values.amax(1) <= 0
    if bool(empty.any()):
        which = f" in problem {int(empty.nonzero()[0])}" if batch > 1 else ""
        raise WrongValueError(f"{name} must have a positive total, got all zeros{which}")
    return raw
