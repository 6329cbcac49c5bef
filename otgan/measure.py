"""The border: whatever holds samples and weights comes in here and leaves as a :class:`Measure`.

Samples are validated in this module, weights in :mod:`otgan.weights`; nothing behind them checks either again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from otgan.arrays import check_held, float_tensor, holds_arrays, holds_tensors, is_list_of_matrices
from otgan.mistakes import WrongValueError
from otgan.options import WrongKindError, shown
from otgan.weights import total_of, weights_of

__all__ = ["Measure"]

_MATRIX, _BATCH = 2, 3
"""Dimensions of one set of samples, and of a batch of them."""


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
        if not numpy and holds_arrays(points):
            raise WrongKindError(
                f"{name} is a list of NumPy arrays and torch tensors: use one library for all of them"
            )
        ragged = is_list_of_matrices(points)
        if ragged:
            items = [float_tensor(item, f"{name}[{k}]") for k, item in enumerate(points)]
            padded, sizes = _pad(items, name)
            batched = True
        else:
            padded = float_tensor(points, name)
            if padded.ndim == 1:
                padded = padded[:, None]
            if padded.ndim not in {_MATRIX, _BATCH}:
                raise WrongValueError(
                    f"{name} must have shape (n,), (n, d) or (B, n, d), got {tuple(padded.shape)}: "
                    "flatten each sample to a row"
                )
            batched = padded.ndim == _BATCH
            padded = padded if batched else padded[None]
            sizes = (padded.shape[1],) * padded.shape[0]
        check_held(padded, name)
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
            raw = weights_of(weights, padded, sizes, inside, numpy, weights_name)
            # Dividing by the largest first keeps the total finite for weights near the ends of the range.
            largest = raw.detach().amax(1, keepdim=True)
            scaled = raw / largest
            total = total_of(scaled)[:, None]
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
