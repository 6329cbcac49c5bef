"""Checkpoints: the whole state of a run in one file, written at once, checked before it is believed."""

from __future__ import annotations

import logging
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from otgan.gan.errors import DamagedError, RunError, reason
from otgan.gan.files import read_tensors, remove, write_whole

__all__ = ["Checkpoint", "CheckpointError", "latest", "load", "newest", "read", "save", "saved"]

FORMAT = "otgan checkpoint 1"
KEPT = 2

_NAME = re.compile(r"checkpoint-\d{8,}\.pt")

_log = logging.getLogger("otgan")


class CheckpointError(RunError):
    """A file is no usable checkpoint; the message says why."""


class Checkpoint(NamedTuple):
    """What a checkpoint holds.

    Attributes
    ----------
    state : dict
        What determines how the run goes on, and ``step``.
    records : dict or None
        What it had written down by then, see :meth:`otgan.gan.training.records.Records.state_dict`.
    """

    state: dict[str, Any]
    records: dict[str, Any] | None


def save(folder: Path, step: int, state: dict[str, Any], records: Mapping[str, Any] | None = None) -> Path:
    """Write ``checkpoint-STEP.pt`` and remove all but the last two.

    Parameters
    ----------
    folder : Path
    step : int
    state : dict
        Tensors, numbers, strings, and dicts and lists of them.
    records : mapping, optional
        The same, of what the run has written down.

    Raises
    ------
    WriteError
        If the system refuses; the checkpoints before it are then as they were.
    """
    path = folder / f"checkpoint-{step:08d}.pt"
    content = {"format": FORMAT, "step": step, **state}
    if records is not None:
        content["records"] = dict(records)
    write_whole(path, lambda file: torch.save(content, file))
    for old in saved(folder)[:-KEPT]:
        remove(old)
    for partial in folder.glob(".checkpoint-*.partial"):  # left by a run that was killed while it wrote
        remove(partial)
    return path


def saved(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, the last one last."""
    found = [path for path in folder.glob("checkpoint-*.pt") if _NAME.fullmatch(path.name) and path.is_file()]
    return sorted(found, key=lambda path: (len(path.name), path.name))


def read(path: Path) -> Checkpoint:
    """Read a checkpoint whose every byte is as it was written. Nothing is unpickled but tensors and plain values.

    Raises
    ------
    CheckpointError
        If the file is torn, damaged, or no checkpoint of a run of this library.
    """
    try:
        state = read_tensors(path)
    except zipfile.BadZipFile as error:
        raise CheckpointError(f"{path}: torn or damaged: it is no complete archive") from error
    except DamagedError as error:
        raise CheckpointError(str(error)) from error
    except Exception as error:  # a damaged archive ends in whatever its bytes happen to mean
        raise CheckpointError(f"{path}: cannot be read as a checkpoint: {reason(error)}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a checkpoint of an otgan run")
    step, records = state.get("step"), state.pop("records", None)
    if not isinstance(step, int) or isinstance(step, bool) or step < 0:
        raise CheckpointError(f"{path}: damaged: its step is {step!r}")
    if records is not None and not isinstance(records, dict):
        raise CheckpointError(f"{path}: damaged: its records are no dict")
    return Checkpoint(state, records)


def load(path: Path) -> dict[str, Any]:
    """Return the state of :func:`read`."""
    return read(path).state


def newest(folder: Path) -> Checkpoint | None:
    """Read the last usable checkpoint; warn of each later one that is not. None where there is no checkpoint at all.

    Raises
    ------
    CheckpointError
        If there are checkpoints, and none is usable.
    """
    refused = None
    for path in reversed(saved(folder)):
        try:
            return read(path)
        except CheckpointError as error:
            _log.warning("%s; trying the one before", error)
            refused = error
    if refused is not None:
        raise CheckpointError(f"no usable checkpoint in {folder}: {refused}; start anew in another folder")
    return None


def latest(folder: Path) -> dict[str, Any] | None:
    """Return the state of :func:`newest`."""
    found = newest(folder)
    return None if found is None else found.state
