"""The rows that everybody else works with, and what is known about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.data.errors import SpecError, is_whole, shown

__all__ = ["Dataset", "Modes"]

Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Modes:
    """The modes of a mixture of isotropic Gaussians.

    Attributes
    ----------
    centers : ndarray, shape (k, d)
        One center per mode, in the units of the points.
    std : float
        The standard deviation of each mode along each axis, in the same units.
    """

    centers: NDArray[np.float64]
    std: float

    def __len__(self) -> int:
        return len(self.centers)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples as rows, and what is known about them.

    The arrays belong to whoever holds the data set: they are views of nothing else.

    Attributes
    ----------
    name : str
        The spec they came from.
    points : ndarray, shape (n, d)
        One sample per row. Images are flattened channel by channel.
    labels : ndarray of int64, shape (n,), or None
        The class of each sample, an index into ``classes``.
    weights : ndarray of float64, shape (n,), or None
        The weight of each sample as the file gives it, not normalized; None where all weigh the same.
    shape : tuple (C, H, W) or None
        The shape of one image, where the samples are images.
    classes : tuple of str
        The name of each class; empty without labels.
    modes : Modes or None
        The modes of a synthetic mixture.
    columns : tuple of str
        The names of the coordinates, where they have any.
    selected : bool
        Whether the spec names them, so that they stand in the order it gives.

    See Also
    --------
    otgan.data.open_spec : Open what a name or a file stands for.
    """

    name: str
    points: NDArray[Any]
    labels: NDArray[np.int64] | None = None
    weights: NDArray[np.float64] | None = None
    shape: Shape | None = None
    classes: tuple[str, ...] = ()
    modes: Modes | None = None
    columns: tuple[str, ...] = ()
    selected: bool = False

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        n, d = self.points.shape
        images = f", images {self.shape}" if self.shape else ""
        classes = f", {len(self.classes)} classes" if self.classes else ""
        return f"Dataset({self.name!r}, n={n}, d={d}{images}{classes})"

    @property
    def dim(self) -> int:
        """The number of coordinates of a sample."""
        return int(self.points.shape[1])

    def images(self) -> NDArray[Any]:
        """Return the points as images, a view of shape (n, C, H, W).

        Raises
        ------
        SpecError
            If the samples are not images.
        """
        if self.shape is None:
            raise SpecError(f"{self.name} holds points of {self.dim} coordinates, not images")
        return self.points.reshape(len(self), *self.shape)

    def take(self, rows: Any) -> Dataset:
        """Return the data set of these rows, given as indices, a mask or a slice, as NumPy takes them."""
        return replace(
            self,
            points=self.points[rows],
            labels=None if self.labels is None else self.labels[rows],
            weights=None if self.weights is None else self.weights[rows],
        )

    def hold_out(self, rows: int, seed: int = 0) -> tuple[Dataset, Dataset]:
        """Split off that many rows, drawn without replacement.

        Returns
        -------
        kept, held_out : Dataset
            The other rows, and the drawn ones, both in shuffled order.

        Raises
        ------
        SpecError
            If nothing would be left on one of the two sides.
        """
        if isinstance(rows, bool) or not isinstance(rows, (int, np.integer)):
            raise SpecError(f"expected a number of rows to hold out, a whole number, got {shown(rows)}")
        if not is_whole(seed, 0):
            raise SpecError(f"expected a seed that is a whole number, 0 or more, got {shown(seed)}")
        if not 0 < rows < len(self):
            raise SpecError(f"{self.name} has {len(self)} rows: cannot hold out {rows} and keep some")
        order = np.random.default_rng(seed).permutation(len(self))
        return self.take(order[rows:]), self.take(order[:rows])
