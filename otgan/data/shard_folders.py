"""A set of samples in a folder of shards: how many rows there are is known from headers, and any range of them is read alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from otgan.data.dataset import Dataset
from otgan.data.errors import DataError, SpecError, first_line
from otgan.data.files import open_shard, shard_suffixes
from otgan.data.shard import Shard
from otgan.data.sources import check_fits

__all__ = ["ShardFolder"]

_ASIDE = (".", "_")
"""What names of files begin with that writers of shards put beside them."""


@dataclass(frozen=True, eq=False)
class ShardFolder:
    """The shards of one set, in the order of their names. Made by :meth:`open`, which reads their headers alone.

    Attributes
    ----------
    name : str
        What error messages call it.
    shards : tuple of Shard
        All of rows of one kind.
    """

    name: str
    shards: tuple[Shard, ...]

    @classmethod
    def open(cls, folder: str | Path) -> ShardFolder:
        """Open the shards of a folder.

        Raises
        ------
        SpecError
            If there is no such folder.
        DataError
            If there are no rows in it, or a file that is no shard, or rows of several kinds.
        """
        place = Path(folder)
        if not place.is_dir():
            found = "a file" if place.exists() else "nothing there"
            raise SpecError(f"{place}: expected a folder of shards, got {found}")
        try:
            paths = sorted(path for path in place.iterdir() if not path.name.startswith(_ASIDE))
        except OSError as error:
            raise DataError(f"{place}: cannot be read: {error.strerror or error}") from error
        if not paths:
            raise DataError(f"{place}: no shards in it: expected files {' '.join(shard_suffixes())}")
        shards = tuple(map(open_shard, paths))
        first = shards[0]
        for each in shards:
            if each.describe() != first.describe():
                raise DataError(
                    f"{each.path}: {each.describe()}, where {first.path.name} has {first.describe()}: the shards of one set must "
                    "be alike"
                )
        if not any(each.rows for each in shards):
            raise DataError(f"{place}: none of its {len(shards)} shards has a row")
        return cls(str(place), shards)

    @property
    def rows(self) -> int:
        """How many there are in all shards."""
        return sum(each.rows for each in self.shards)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, where the files name them."""
        return self.shards[0].columns

    @property
    def width(self) -> int:
        """How many numbers a row has."""
        return math.prod(self.shards[0].shape)

    def describe(self) -> str:
        """Return in words what must be the same wherever the folder is read."""
        sizes = ", ".join(f"{each.path.name} of {each.rows}" for each in self.shards)
        return f"{self.shards[0].describe()} in {sizes}"

    def share(self, rank: int, size: int) -> tuple[int, int]:
        """Return where the rows of one of several processes start and stop: as many for each, but for one."""
        return self.rows * rank // size, self.rows * (rank + 1) // size

    def read(self, start: int, stop: int) -> tuple[Dataset, int]:
        """Read some rows, in the order of the shards; there may be none.

        Parameters
        ----------
        start, stop : int

        Returns
        -------
        dataset : Dataset
        nbytes : int
            Bytes of numbers that were read for it: those of the rows, and of what can only be read with them.

        Raises
        ------
        DataError
            If a shard is damaged, holds what is not finite, or memory is too little.
        """
        check_fits(8 * (stop - start) * self.width, f"{self.name}: {stop - start} rows")
        points, nbytes, filled = np.empty((stop - start, self.width)), 0, 0
        for shard, first, last in self._within(start, stop):
            try:
                stored, count = shard.read(first, last)
                points[filled : filled + last - first] = stored.draw(None, 0).points
            except OSError as error:  # it has gone, or its disk has
                raise DataError(f"{shard.path}: cannot be read: {first_line(error)}") from error
            filled, nbytes = filled + last - first, nbytes + count
        return Dataset(self.name, points, columns=self.columns), nbytes

    def _within(self, start: int, stop: int) -> Iterator[tuple[Shard, int, int]]:
        """Yield the shards that have some of the rows, and which of their own these are."""
        before = 0
        for shard in self.shards:
            first, last = max(start - before, 0), min(stop - before, shard.rows)
            if first < last:
                yield shard, first, last
            before += shard.rows
