"""The classes of labelled data: their names, how many samples each has, and how a user names one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from otgan.data import Dataset
from otgan.data.errors import listed
from otgan.data.tables import is_number
from otgan.gan.arguments import shown
from otgan.gan.errors import OptionError, RunError

__all__ = ["Classes", "Labels"]

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Classes:
    """The classes of the data of a run.

    Attributes
    ----------
    names : tuple of str
    counts : tuple of int
        How many samples to train on each of them has.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def of(cls, data: Dataset) -> Classes:
        """Return those of samples to train on.

        Raises
        ------
        RunError
            If they have no labels.
        """
        if data.labels is None:
            raise RunError(
                f"{data.name} has no labels to train by class: pass labels, one a sample, or name data with classes, such as "
                "digits, or a folder of subfolders"
            )
        names = data.classes or tuple(str(k) for k in range(int(data.labels.max()) + 1))
        if not 0 <= data.labels.min() <= data.labels.max() < len(names):
            raise RunError(
                f"{data.name}: labels must be from 0 to {len(names) - 1}, one for each name of its classes"
            )
        if len(set(names)) < len(names):
            raise RunError(f"{data.name}: two classes have one name among {listed(names)}: rename them apart")
        counts = np.bincount(data.labels, minlength=len(names))
        return cls(tuple(map(str, names)), tuple(int(count) for count in counts))

    def numbered(self, data: Dataset) -> Dataset:
        """Return labelled data with the numbers that these classes have here, by their names; data without labels as they are.

        Raises
        ------
        RunError
            If some samples are of none of these classes.
        """
        if data.labels is None:
            return data
        theirs = data.classes or tuple(str(k) for k in range(int(data.labels.max()) + 1))
        if theirs == self.names:
            return data
        numbers = {name: k for k, name in enumerate(self.names)}
        table = np.array([numbers.get(str(name), -1) for name in theirs], np.int64)
        labels = table[data.labels]
        if (labels < 0).any():
            foreign = [str(theirs[k]) for k in np.unique(data.labels[labels < 0])]
            raise RunError(
                f"{data.name} has samples of classes that this run has not learnt, {listed(foreign)}: it knows {listed(self.names)}"
            )
        return replace(data, labels=labels, classes=self.names)

    def check_learnt(self, held_out: Dataset) -> None:
        """Refuse held-out samples, which an autoencoder is to reconstruct, of a class of which none is to be learnt from.

        Raises
        ------
        RunError
        """
        labels = np.unique(held_out.labels) if held_out.labels is not None else np.empty(0, np.int64)
        alone = [self.names[k] for k in labels.tolist() if not self.counts[k]]
        if alone:
            raise RunError(
                f"all samples of class {listed(alone)} are held out, and none is left to learn from: leave the class out, or take another seed"
            )

    @property
    def present(self) -> list[int]:
        """The classes that there were samples of."""
        return [k for k, count in enumerate(self.counts) if count]

    def draw(self, n: int, rng: np.random.Generator) -> Labels:
        """Draw the classes of n samples by their shares of the data."""
        shares = np.array(self.counts) / sum(self.counts)
        return rng.choice(len(self), n, p=shares).astype(np.int64)

    def read(self, label: Any, n: int) -> Labels:
        """Return the classes of n samples: one for all of them, or one for each, by names or numbers.

        Raises
        ------
        OptionError
            If there is no such class, or there are not as many as samples.
        """
        if isinstance(label, Tensor):
            label = label.detach().cpu().numpy()
        # An array, a scalar of NumPy's, a column of pandas.
        several = label.tolist() if hasattr(label, "tolist") else label
        if not isinstance(several, (list, tuple, range)):
            return np.full(n, self._one(several))
        if len(several) != n:
            raise OptionError(f"label must be one class, or one for each of {n} samples, got {len(several)}")
        return np.array([self._one(each) for each in several], np.int64)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """What a class can be called: its name, or its number unless names are numbers, of which it would be another."""
        named = {name: k for k, name in enumerate(self.names)}
        return named if self._named_by_numbers else {**{str(k): k for k in range(len(self))}, **named}

    @cached_property
    def _named_by_numbers(self) -> bool:
        return any(is_number(name) for name in self.names)

    def _one(self, label: Any) -> int:
        """Return the number of a class."""
        if isinstance(label, float) and label.is_integer():
            label = int(label)
        name = str(label) if isinstance(label, (str, int, float)) else ""
        found = self._numbers.get(name)
        if found is None:
            by_number = "" if self._named_by_numbers else ", or its number"
            raise OptionError(f"label must be a class, {listed(self.names)}{by_number}, got {shown(label)}")
        if not self.counts[found]:
            raise OptionError(f"class {self.names[found]} had no samples to learn from")
        return found
