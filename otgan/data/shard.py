"""One file of several that hold one set of samples: what is known of it, and how some of its rows are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from otgan.data.sources import Stored

__all__ = ["Shard"]


@dataclass(frozen=True, eq=False)
class Shard:
    """A file whose header has been found good, of which any rows may be read without the others.

    Attributes
    ----------
    path : Path
    rows : int
        How many it has; there may be none.
    shape : tuple of int
        That of one row.
    kind : str
        What its numbers are, as the file has them.
    columns : tuple of str
        The names of its columns, where it is a table that names them.
    read : callable
        Given where to start and where to stop, of at least one row, returns these rows and how many bytes of numbers were
        read for them.
    """

    path: Path
    rows: int
    shape: tuple[int, ...]
    kind: str
    columns: tuple[str, ...]
    read: Callable[[int, int], tuple[Stored, int]]

    def describe(self) -> str:
        """Return in words what its rows are, whatever their number: shards of one set must agree in it."""
        rows = f"rows of shape {self.shape}" if self.shape else "single numbers"
        names = f", columns {', '.join(self.columns)}" if self.columns else ""
        return f"{rows} of {self.kind}{names}"
