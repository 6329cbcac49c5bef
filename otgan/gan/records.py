"""What a run writes down while it trains: ``metrics.jsonl``, its history, and the alarm for numbers gone wrong."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otgan.gan.errors import DivergedError, OptionError
from otgan.gan.folder import Folder, write_whole

__all__ = ["Records", "read_metrics"]


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

    Raises
    ------
    OptionError
        If there is no folder for TensorBoard's files, or no TensorBoard.
    """

    def __init__(
        self,
        folder: Folder | None,
        estimate: str | None,
        history: list[dict[str, Any]] | None = None,
        *,
        tensorboard: bool = False,
    ) -> None:
        self.estimate, self.history = estimate, list(history or [])
        self._window: list[Tensor] = []
        self._names: list[str] = []
        self._board = _board(folder, self.history) if tensorboard else None
        self._file = None
        if folder is not None:
            lines = "".join(_line(row) for row in self.history)
            write_whole(folder.metrics_file, lambda file: file.write(lines.encode()))
            self._file = folder.metrics_file.open("a", encoding="utf-8")

    def add(self, terms: dict[str, Tensor]) -> None:
        """Keep the terms of one step, on their device."""
        self._names = list(terms)
        self._window.append(torch.stack(list(terms.values())))

    def flush(self, step: int, **also: Any) -> dict[str, Any]:
        """Turn the terms kept, the last of them being of ``step``, into a row.

        Raises
        ------
        DivergedError
            If one of them is not finite.
        """
        if not self._window:
            return {}
        values = torch.stack(self._window).double().cpu().numpy()
        self._window.clear()
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0]
            raise DivergedError(
                f"step {step - len(values) + 1 + row}: {self._names[column]} became {values[row, column]}"
            )
        means = values.mean(0)
        if self.estimate in self._names:
            at = self._names.index(self.estimate)
            means[at] = np.median(values[:, at])
        return self.write({"step": step, **dict(zip(self._names, means.tolist(), strict=True)), **also})

    def write(self, row: dict[str, Any]) -> dict[str, Any]:
        """Append a row."""
        self.history.append(row)
        if self._file is not None:
            self._file.write(_line(row))
            self._file.flush()
        if self._board is not None:
            for name, value in {**row, **row.get("evaluation", {})}.items():
                if isinstance(value, (int, float)) and name != "step":
                    self._board.add_scalar(name, value, row["step"])
        return row

    def close(self) -> None:
        """Close the files."""
        for sink in (self._file, self._board):
            if sink is not None:
                sink.close()


def read_metrics(path: Path, upto: float = math.inf) -> list[dict[str, Any]]:
    """Read the rows of steps up to ``upto``; what follows them, a line torn by a crash included, is left out."""
    rows: list[dict[str, Any]] = []
    if not path.is_file():
        return rows
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            break
        if row["step"] > upto:
            break
        rows.append(row)
    return rows


def _board(folder: Folder | None, history: list[dict[str, Any]]) -> Any:
    if folder is None:
        raise OptionError("TensorBoard's files need a folder: out")
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise OptionError("tensorboard is not installed: pip install 'otgan[tensorboard]'") from error
    resumed_at = history[-1]["step"] + 1 if history else None
    return SummaryWriter(folder.path / "tensorboard", purge_step=resumed_at)


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, allow_nan=False) + "\n"
