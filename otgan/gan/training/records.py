"""What a run writes down while it trains: ``metrics.jsonl``, its history, and the alarm for numbers gone wrong."""

from __future__ import annotations

import itertools
import json
import math
import operator
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otgan.gan.errors import DivergedError, OptionError
from otgan.gan.files import write_whole, writing
from otgan.gan.training.folder import Folder

__all__ = ["Records"]


class Records:
    """The terms of every step, brought to the host once for many steps, and the evaluations.

    A row is a dict with ``step`` and the mean of each term over the steps since the row before that had it (of the
    system's estimate of a distance, the median), or with ``step`` and ``evaluation``.

    Parameters
    ----------
    folder : Folder or None
        Where to append each row as a line of JSON.
    estimate : str or None
        The term whose median is taken.
    history : list of dict, optional
        Rows of the same run before it was interrupted; the file then holds these and no others.
    tensorboard : bool
        Write the rows for TensorBoard too.
    pending : sequence of mapping
        The terms since the last of those rows, of :meth:`state_dict`: groups of steps that had the same.

    Raises
    ------
    OptionError
        If there is no folder for TensorBoard's files, or no TensorBoard.
    WriteError
        If the system refuses.
    """

    def __init__(
        self,
        folder: Folder | None,
        estimate: str | None,
        history: list[dict[str, Any]] | None = None,
        *,
        tensorboard: bool = False,
        pending: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.estimate, self.history = estimate, list(history or [])
        self._window: list[tuple[tuple[str, ...], Tensor]] = []
        for group in pending:
            self._window += [(tuple(group["names"]), terms) for terms in group["terms"]]
        self._board = _board(folder, self.history) if tensorboard else None
        self._file = None
        if folder is not None:
            self._path = folder.metrics_file
            lines = "".join(_line(row) for row in self.history)
            write_whole(self._path, lambda file: file.write(lines.encode()))
            with writing(self._path):
                self._file = self._path.open("ab", buffering=0)

    def add(self, terms: dict[str, Tensor]) -> None:
        """Keep the terms of one step, on their device."""
        self._window.append((tuple(terms), torch.stack(list(terms.values()))))

    def check(self, step: int) -> dict[str, NDArray[np.float64]]:
        """Return the terms kept, the last of them being of ``step``: of each its values, in the order of the steps that had it.

        Raises
        ------
        DivergedError
            If one of them is not finite.
        """
        if not self._window:
            return {}
        here = self._window[-1][1].device  # those of a checkpoint come on the CPU
        flat = torch.cat([terms.to(here) for _, terms in self._window]).double().cpu().numpy()
        found: dict[str, list[float]] = {}
        values = iter(flat.tolist())
        for at, (names, _) in enumerate(self._window, step - len(self._window) + 1):
            for name in names:
                value = next(values)
                if not math.isfinite(value):
                    raise DivergedError(f"step {at}: {name} became {value}")
                found.setdefault(name, []).append(value)
        return {name: np.array(several) for name, several in found.items()}

    def flush(self, step: int, **also: Any) -> dict[str, Any]:
        """Turn the terms kept, the last of them being of ``step``, into a row.

        Raises
        ------
        DivergedError
            If one of them is not finite.
        """
        found = self.check(step)
        if not found:
            return {}
        self._window.clear()
        terms = {
            name: float(np.median(values) if name == self.estimate else values.mean())
            for name, values in found.items()
        }
        return self.write({"step": step, **terms, **also})

    def write(self, row: dict[str, Any]) -> dict[str, Any]:
        """Append a row.

        Raises
        ------
        WriteError
            If the system refuses; the file then ends with the row before.
        """
        self.history.append(row)
        if self._file is not None:
            with writing(self._path):
                _append(self._file.fileno(), _line(row).encode())
        if self._board is not None:
            with writing(self._path.parent / "tensorboard"):
                for name, value in {**row, **row.get("evaluation", {})}.items():
                    if isinstance(value, (int, float)) and name != "step":
                        self._board.add_scalar(name, value, row["step"])
        return row

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps: the rows as they were written, and the terms that are in none yet."""
        found: dict[str, Any] = {"rows": "".join(_line(row) for row in self.history)}
        if self._window:
            groups = itertools.groupby(self._window, key=operator.itemgetter(0))
            found["pending"] = [
                {"names": list(names), "terms": torch.stack([terms.cpu() for _, terms in steps])}
                for names, steps in groups
            ]
        return found

    def close(self) -> None:
        """Close the files."""
        if self._file is not None:
            self._file.close()
        if self._board is not None:
            with writing(self._path.parent / "tensorboard"):
                self._board.close()


def _append(descriptor: int, line: bytes) -> None:
    """Write a line at the end of a file, or leave the file as it is."""
    before = os.fstat(descriptor).st_size
    rest = memoryview(line)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except BaseException:
        os.ftruncate(descriptor, before)
        raise


def _board(folder: Folder | None, history: list[dict[str, Any]]) -> Any:
    if folder is None:
        raise OptionError("TensorBoard's files need a folder: out")
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise OptionError("tensorboard is not installed: pip install 'otgan[tensorboard]'") from error
    resumed_at = history[-1]["step"] + 1 if history else None
    with writing(folder.path / "tensorboard"):
        return SummaryWriter(folder.path / "tensorboard", purge_step=resumed_at)


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, allow_nan=False) + "\n"
