"""The data of a run: what it trains on, and what is held out to judge it by."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otgan.data import DataError, Dataset, SpecError, open_spec, open_splits
from otgan.data.labelled import open_labelled
from otgan.data.labels import labels_of
from otgan.data.sources import stack
from otgan.data.toy import TOYS
from otgan.gan import arguments
from otgan.gan.datasets.arrays import array_of, is_frame, narrow, suspect, with_labels
from otgan.gan.datasets.classes import Classes
from otgan.gan.errors import OptionError, RunError
from otgan.gan.networks import Space

__all__ = ["DataDescription", "TrainingData", "as_tensor", "check_held_out", "digest"]

_SYNTHETIC = (65536, 8192)
"""Rows to train on and to hold out where they are generated: as good as endless, and still countable."""

_VARYING = 2
"""Samples, at least, of which anything can vary."""


@dataclass(frozen=True)
class DataDescription:
    """What identifies the data of a run.

    Attributes
    ----------
    spec : str or None
        The name or path, from which they can be had again; None for arrays.
    shape : tuple of int
        Of a sample.
    train, held_out : int
        How many samples.
    digest : str
        What tells them from any others.
    columns : tuple of str
        The names of their coordinates, where they have any.
    classes : tuple of str
        Of a conditional run the names of the classes.
    counts : tuple of int
        How many samples of each there were to train on.
    labels : str or None
        The column of a table that they are named in.
    """

    spec: str | None
    shape: tuple[int, ...]
    train: int
    held_out: int
    digest: str
    columns: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    labels: str | None = None

    def known_classes(self) -> Classes | None:
        """The classes of a conditional run."""
        return Classes(self.classes, self.counts) if self.classes else None


@dataclass(frozen=True, eq=False)
class TrainingData:
    """A data set to train on, and one that is held out.

    Attributes
    ----------
    spec : str or None
        The name or path, from which they can be had again; None for arrays.
    train, held_out : Dataset
    labels : str or None
        The column of a table that holds the labels.
    """

    spec: str | None
    train: Dataset
    held_out: Dataset
    labels: str | None = None

    @classmethod
    def of(
        cls,
        data: Any,
        seed: int,
        data_dir: str | os.PathLike[str] | None = None,
        name: str = "data",
        labels: Any = None,
    ) -> TrainingData:
        """Open a spec, or split an array, a tensor or a data set, with the label of each sample where they are given.

        Raises
        ------
        SpecError, DataError
            If there is no such data, or they cannot be used.
        RunError
            If they are weighted.
        """
        if isinstance(data, (str, os.PathLike)):
            spec = arguments.path(name, data)
            if labels is None:
                return cls(spec, *_opened(spec, seed, data_dir))
            if not isinstance(labels, str):
                raise OptionError(
                    f"labels of {spec} must be the name of a column, or left out where it has labels, got {arguments.shown(labels)}"
                )
            table = narrow(open_labelled(spec, labels, data_dir=data_dir))
            return cls(spec, *table.hold_out(max(1, len(table) // 5), seed), labels)
        if isinstance(data, Dataset):
            # Where the classes have no names, their numbers are.
            labels = data.labels if labels is None and not data.classes else labels
        else:
            data, labels = _dataset_of(name, data, labels)
        if labels is not None:
            index, classes = labels_of("labels", labels, len(data))
            data = replace(data, labels=index, classes=classes)
        if data.weights is not None:
            raise RunError(f"{data.name} is weighted: draw rows by their weights before training on them")
        train, held_out = narrow(data).hold_out(max(1, len(data) // 5), seed)
        return cls(None, train, held_out)

    @property
    def space(self) -> Space:
        """Where the samples live."""
        return Space(self.train.shape or (self.train.dim,))

    def describe(self, *, conditional: bool = False) -> DataDescription:
        """Return what identifies the data, of a conditional run their labels too."""
        classes = Classes.of(self.train) if conditional else Classes((), ())
        return DataDescription(
            spec=self.spec,
            shape=self.space.shape,
            train=len(self.train),
            held_out=len(self.held_out),
            digest=digest(self.train, self.held_out, labels=conditional),
            columns=self.train.columns,
            classes=classes.names,
            counts=classes.counts,
            labels=self.labels,
        )


def _dataset_of(name: str, data: Any, labels: Any) -> tuple[Dataset, Any]:
    """Return an array, a tensor, a frame or a data set of torch as ours, and the labels that have yet to be read, if any."""
    data, own, names = with_labels(name, data)
    if is_frame(data) and isinstance(labels, str) and labels in data.columns:
        labels, data = data[labels], data[[name for name in data.columns if name != labels]]
    columns = tuple(map(str, data.columns)) if is_frame(data) else ()
    stored = replace(stack("the array", array_of(name, data)), columns=columns)
    found = stored.draw(None, 0, dtype=np.float64)
    if labels is None and names:
        return replace(found, labels=own, classes=names), None
    return found, own if labels is None else labels


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
    if n < _VARYING:
        raise RunError(f"{n} sample held out is too few to judge codes by: give at least 10 samples")


def digest(*parts: Dataset, labels: bool = False) -> str:
    """Return what tells these rows, and their labels where they count, from any others."""
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        found.update(np.ascontiguousarray(part.points, np.float32).data)
        if labels and part.labels is not None:
            found.update(np.ascontiguousarray(part.labels, np.int64).data)
    return found.hexdigest()


def as_tensor(points: NDArray[Any], space: Space) -> Tensor:
    """Return rows as a float32 tensor of shape (n, *space.shape)."""
    return torch.from_numpy(np.ascontiguousarray(points, np.float32)).reshape(len(points), *space.shape)
