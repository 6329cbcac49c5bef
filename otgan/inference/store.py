"""A store of numbers that are dear: what is in it when a process is killed is there for the next one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from otgan.mistakes import OtganError
from otgan.options import WrongKindError, shown

__all__ = ["Store", "StoreError"]

_WAIT = 60.0
"""Seconds to wait for another process that writes."""


class StoreError(OtganError, OSError):
    """A file that is no store, or cannot be written."""


class Store:
    """Numbers by their keys, in a file of SQLite; without a path nothing is kept.

    Parameters
    ----------
    path : path or None
        Made where there is none. Several processes may use one.
    """

    def __init__(self, path: Any) -> None:
        self._connection: sqlite3.Connection | None = None
        if path is None:
            return
        if not isinstance(path, (str, os.PathLike)):
            raise WrongKindError(f"store must be the path of a file, or None, got {shown(path)}")
        self.path = Path(path)
        try:
            self._connection = sqlite3.connect(self.path, timeout=_WAIT)
            with self._connection as held:
                held.execute("CREATE TABLE IF NOT EXISTS numbers (key TEXT PRIMARY KEY, value REAL)")
        except sqlite3.Error as error:
            if self._connection is not None:
                self._connection.close()
            raise StoreError(f"{self.path}: not a store of distances: {error}") from error

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()

    def known(self, keys: Iterable[str]) -> dict[str, float]:
        """Return the numbers that are there of these keys."""
        if self._connection is None:
            return {}
        found = {}
        try:
            for key in keys:
                row = self._connection.execute("SELECT value FROM numbers WHERE key = ?", (key,)).fetchone()
                if row is not None:
                    # SQLite has no NaN and takes it for nothing.
                    found[key] = float("nan") if row[0] is None else float(row[0])
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: not a store of distances: {error}") from error
        return found

    def keep(self, numbers: Mapping[str, float]) -> None:
        """Write numbers down, all of them or none."""
        if self._connection is None:
            return
        try:
            with self._connection as held:
                held.executemany("INSERT OR REPLACE INTO numbers VALUES (?, ?)", list(numbers.items()))
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: cannot be written: {error}") from error
