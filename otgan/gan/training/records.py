"""What a run writes down while it trains: ``metrics.jsonl``, its history, and the alarm for numbers gone wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otgan.gan.errors import DivergedError, OptionError
from otgan.gan.files import write_whole, writing
from otgan.gan.training.folder import Folder

__all__ = ["Records"]


class Records:
    """The terms of every step, brought to the host once for many steps, and the evaluations.

    A row is a dict with ``step`` and the mean of each term over the steps since the row before (of the system's
    estimate of a distance, the median), or with ``step`` and ``evaluation``.

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
    pending : mapping, optional
        The terms since the last of those rows, of :meth:`state_dict`.

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
        pending: Mapping[str, Any] | None = None,
    ) -> None:
        self.estimate, self.history = estimate, list(history or [])
        self._window: list[Tensor] = []
        self._names: list[str] = []
        if pending:
            self._names, self._window = list(pending["names"]), list(pending["terms"])
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
        self._names = list(terms)
        self._window.append(torch.stack(list(terms.values())))

    def check(self, step: int) -> np.ndarray[Any, Any]:
        """Return the terms kept, the last of them being of ``step``, a row each.

        Raises
        ------
        DivergedError
            If one of them is not finite.
        """
        if not self._window:
            return np.zeros((0, len(self._names)))
        here = self._window[-1].device  # those of a checkpoint come on the CPU
        values = torch.stack([terms.to(here) for terms in self._window]).double().cpu().numpy()
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0]
            raise DivergedError(
                f"step {step - len(values) + 1 + row}: {self._names[column]} became {values[row, column]}"
            )
        return values

    def flush(self, step: int, **also: Any) -> dict[str, Any]:
        """Turn the terms kept, the last of them being of ``step``, into a row.

        Raises
        ------
        DivergedError
            If one of them is not finite.
        """
        if not self._window:
            return {}
        values = self.check(step)
        self._window.clear()
        means = values.mean(0)
        if self.estimate in self._names:
            at = self._names.index(self.estimate)
            means[at] = np.median(values[:, at])
        return self.write({"step": step, **dict(zip(self._names, means.tolist(), strict=True)), **also})

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
            terms = torch.stack([terms.cpu() for terms in self._window])
            found["pending"] = {"names": list(self._names), "terms": terms}
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
