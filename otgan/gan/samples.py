"""From what the user names or holds to what a run trains on and is judged by."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otgan.data import DataError, Dataset, SpecError, open_spec, open_splits
from otgan.data.stored import stack
from otgan.data.toy import TOYS
from otgan.gan import arguments
from otgan.gan.arrays import array_of, narrow, suspect
from otgan.gan.errors import OptionError, RunError
from otgan.gan.networks import Space

__all__ = ["Samples", "Scaling", "as_tensor", "check_held_out", "digest", "rows_of"]

_SYNTHETIC = (65536, 8192)
"""Rows to train on and to hold out where they are generated: as good as endless, and still countable."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """The affine map x = center + scale · u between samples x and the units u that networks work in.

    Images, whose pixels are in [0, 1], and points that are about standardized as they are keep their units; others
    are centered and divided by one number, so that distances keep their proportions.

    Attributes
    ----------
    center : Tensor, shape (d,) or ()
    scale : float
    """

    center: Tensor
    scale: float

    @classmethod
    def of(cls, points: Tensor, space: Space) -> Scaling:
        """Choose the units for samples of shape (n, ...)."""
        if space.kind != "points":
            return cls(torch.zeros(()), 1.0)
        center = points.double().mean(0)
        scale = float((points.double() - center).square().mean().sqrt())
        if scale == 0:
            scale = 1.0
        elif float(center.abs().max()) < 0.5 and 0.5 < scale < 2:
            return cls(torch.zeros(()), 1.0)
        return cls(center.float(), scale)

    def to_units(self, x: Tensor) -> Tensor:
        """Return (x − center) / scale."""
        return (x - self.center.to(x.device)) / self.scale

    def to_data(self, u: Tensor) -> Tensor:
        """Return center + scale · u."""
        return self.center.to(u.device) + self.scale * u

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"center": self.center, "scale": self.scale}

    @classmethod
    def read(cls, state: Any) -> Self:
        """Become what :meth:`state_dict` returned; a ValueError says that it is no such thing."""
        center, scale = state["center"], state["scale"]
        if not isinstance(center, Tensor) or center.ndim > 1 or not bool(torch.isfinite(center).all()):
            raise ValueError("its center is no vector")
        if not isinstance(scale, float) or not 0 < scale < math.inf:
            raise ValueError(f"its scale is {scale!r}")
        return cls(center, scale)


@dataclass(frozen=True, eq=False)
class Samples:
    """A data set to train on, and one that is held out.

    Attributes
    ----------
    spec : str or None
        The name or path, from which they can be had again; None for arrays.
    train, held_out : Dataset
    """

    spec: str | None
    train: Dataset
    held_out: Dataset

    @classmethod
    def of(
        cls, data: Any, seed: int, data_dir: str | os.PathLike[str] | None = None, name: str = "data"
    ) -> Samples:
        """Open a spec, or split an array, a tensor or a data set.

        Raises
        ------
        SpecError, DataError
            If there is no such data, or they cannot be used.
        RunError
            If they are weighted.
        """
        if isinstance(data, (str, os.PathLike)):
            spec = arguments.path(name, data)
            return cls(spec, *_opened(spec, seed, data_dir))
        if not isinstance(data, Dataset):
            data = stack("the array", array_of(name, data)).draw(None, 0, dtype=np.float64)
        if data.weights is not None:
            raise RunError(f"{data.name} is weighted: draw rows by their weights before training on them")
        train, held_out = narrow(data).hold_out(max(1, len(data) // 5), seed)
        return cls(None, train, held_out)

    @property
    def space(self) -> Space:
        """Where the samples live."""
        return Space(self.train.shape or (self.train.dim,))

    def describe(self) -> dict[str, Any]:
        """Return what identifies the data."""
        return {
            "spec": self.spec,
            "shape": list(self.space.shape),
            "train": len(self.train),
            "held_out": len(self.held_out),
            "digest": digest(self.train, self.held_out),
        }


def _opened(spec: str, seed: int, data_dir: str | os.PathLike[str] | None) -> tuple[Dataset, Dataset]:
    """Open a spec in single precision, which is what networks work in, and find out what that does not hold."""
    synthetic = spec.partition(":")[0].partition("@")[0] in {*TOYS, "lines"}
    n, n_test = _SYNTHETIC if synthetic else (None, None)
    try:
        train, held_out = open_splits(spec, n, n_test, seed, data_dir=data_dir, dtype=np.float32)
    except SpecError:
        raise
    except DataError:
        if not synthetic:  # the number may be one that single precision cannot hold
            narrow(open_spec(spec, data_dir=data_dir, dtype=np.float64))
        raise
    if train.shape is None and not synthetic and suspect(train.points):
        narrow(open_spec(spec, data_dir=data_dir, dtype=np.float64))
    return train, held_out


def check_held_out(n: int) -> None:
    """Refuse to judge codes by a single sample: nothing varies in it."""
    if n < 2:
        raise RunError(f"{n} sample held out is too few to judge codes by: give at least 10 samples")


def rows_of(name: str, x: Any) -> NDArray[np.float32]:
    """Copy samples or codes, NumPy-like or torch, into a float32 array.

    Raises
    ------
    OptionError
        If they are no finite numbers that float32 holds.
    """
    try:
        values = array_of(name, x)
        if values.dtype.kind not in "biuf":
            raise DataError(f"{name} must hold real numbers, got values of type {values.dtype}")
        with np.errstate(over="ignore"):
            rows = np.array(values, np.float32)
    except DataError as error:
        raise OptionError(str(error)) from error
    if not np.isfinite(rows).all():
        at = tuple(int(k) for k in np.argwhere(~np.isfinite(rows))[0])
        raise OptionError(
            f"{name} must hold finite numbers of at most 3.4e38, got {values[at]} at {list(at)}"
        )
    return rows


def digest(*parts: Dataset) -> str:
    """Return what tells these rows from any others."""
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        found.update(np.ascontiguousarray(part.points, np.float32).data)
    return found.hexdigest()


def as_tensor(points: NDArray[Any], space: Space) -> Tensor:
    """Return rows as a float32 tensor of shape (n, *space.shape)."""
    return torch.from_numpy(np.ascontiguousarray(points, np.float32)).reshape(len(points), *space.shape)
