"""What was measured cell by cell: written when a cell is done, and taken up again by a later run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.grid import Key
from benchmarks.record import Cell, Result, record

__all__ = ["BROKEN", "HEADS", "USED_UP", "Ledger", "Outcome", "Row", "rows_of"]

HEADS = (
    "d",
    "n",
    "ε / mean cost",
    "L1 error asked",
    "otgan (s)",
    "its error",
    "passes",
    "fastest peer",
    "its time (s)",
    "its error ",
    "ratio",
    "product and exp (s)",
)

BROKEN = "breaks down:"
"""What is said of a peer that ends early with no plan at all, as kernels that underflow do."""

USED_UP = ">"
"""What is said of a peer that did not arrive within its time."""

_KEYS = len(Key.__dataclass_fields__)


class Row(NamedTuple):
    """A line of the table of all cells, in the order of its heads."""

    d: int
    n: int
    relative: float
    tol: float
    seconds: float
    error: float
    passes: int
    peer: str | None
    peer_seconds: float | None
    peer_error: float | None
    ratio: float | None
    floor: float | None

    @property
    def key(self) -> Key:
        """Which cell it is."""
        return Key(self.d, self.n, self.relative, self.tol)

    @property
    def reached(self) -> bool:
        """Whether otgan reached the error that was asked for."""
        return self.error <= self.tol


@dataclass(frozen=True)
class Outcome:
    """What a race ended with: the line of the cell, and what each peer did in it."""

    row: Row
    tried: Mapping[str, Cell]


class Ledger:
    """The cells measured so far, as the two tables that they are written to."""

    def __init__(self, peers: Sequence[str], directory: Path, suffix: str = "") -> None:
        self.peers, self.directory = tuple(peers), directory
        self.names = (f"entropic{suffix}", f"entropic-peers{suffix}")
        self.rows: dict[Key, Row] = {}
        self.tried: dict[Key, Mapping[str, Cell]] = {}

    def resume(self) -> None:
        """Take up the cells of an earlier run."""
        paths = [self.directory / f"{name}.json" for name in self.names]
        if not all(path.is_file() for path in paths):
            return
        cells, others = (Result.read(path) for path in paths)
        if others.columns[_KEYS:] != self.peers:
            raise SystemExit(
                f"{paths[1]} was measured with other peers, {', '.join(others.columns[_KEYS:])}: start afresh"
            )
        self.rows = {row.key: row for row in rows_of(cells)}
        self.tried = {
            key: dict(zip(self.peers, row[_KEYS:], strict=True))
            for key, row in zip(sorted(self.rows), others.rows, strict=True)
        }

    def add(self, outcome: Outcome) -> None:
        """Keep what a cell ended with."""
        self.rows[outcome.row.key] = outcome.row
        self.tried[outcome.row.key] = outcome.tried

    def failures(self, peer: str) -> list[Key]:
        """Return the cells in which a peer broke down, or used up its time without having arrived."""
        return [key for key, said in self.tried.items() if str(said[peer]).startswith((BROKEN, USED_UP))]

    def nearest(self, key: Key, peer: str) -> float:
        """Return what a peer took in the nearest of the easier cells in which it arrived; inf where there is none."""
        easier = [other for other in self.tried if other != key and key.is_harder_than(other)]
        for other in sorted(easier, key=lambda k: (k.n, -k.relative, -k.tol), reverse=True):
            if isinstance(seconds := self.tried[other][peer], float):
                return seconds
        return math.inf

    def write(self, notes: Sequence[str], packages: Sequence[str]) -> Result:
        """Write both tables, in the order of their cells, and return the one of the cells."""
        keys = sorted(self.rows)
        head = HEADS[:_KEYS]
        others = [(*self.rows[key][:_KEYS], *(self.tried[key][peer] for peer in self.peers)) for key in keys]
        tables: list[tuple[str, tuple[str, ...], list[tuple[Cell, ...]]]] = [
            (self.names[0], HEADS, [tuple(self.rows[key]) for key in keys]),
            (self.names[1], (*head, *self.peers), others),
        ]
        for name, heads, rows in tables:
            record(name, heads, rows, notes=notes, packages=packages, directory=self.directory)
        return Result.read(self.directory / f"{self.names[0]}.json")


def rows_of(result: Result) -> list[Row]:
    """Return the lines of a recorded table of cells."""
    if result.columns != HEADS:
        raise SystemExit(f"{result.name}.json has other columns, {', '.join(result.columns)}: start afresh")
    return [Row(*row) for row in result.rows]  # type: ignore[arg-type]  # a file's cells are of any type
