"""Checkpoints: the whole state of a run in one file, written at once, checked before it is believed."""

from __future__ import annotations

import logging
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from otgan.gan.errors import RunError
from otgan.gan.folder import write_whole

__all__ = ["CheckpointError", "latest", "load", "save", "saved"]

FORMAT = "otgan checkpoint 1"
KEPT = 2

_log = logging.getLogger("otgan")


class CheckpointError(RunError):
    """A file is no usable checkpoint; the message says why."""


def save(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write ``checkpoint-STEP.pt`` and remove all but the last two.

    Parameters
    ----------
    folder : Path
    step : int
    state : dict
        Tensors, numbers, strings, and dicts and lists of them.
    """
    path = folder / f"checkpoint-{step:08d}.pt"
    write_whole(path, lambda file: torch.save({"format": FORMAT, "step": step, **state}, file))
    for old in saved(folder)[:-KEPT]:
        old.unlink()
    for partial in folder.glob(".checkpoint-*.partial"):  # left by a run that was killed while it wrote
        partial.unlink()
    return path


def saved(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, the last one last."""
    return sorted(folder.glob("checkpoint-*.pt"))


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint whose every byte is as it was written. Nothing is unpickled but tensors and plain values.

    Raises
    ------
    CheckpointError
        If the file is torn, damaged, or no checkpoint of a run of this library.
    """
    try:
        # torch.load does not look at the checksums of the archive.
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
        if broken is not None:
            raise CheckpointError(f"{path}: damaged: {broken} does not match its checksum")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except zipfile.BadZipFile as error:
        raise CheckpointError(f"{path}: torn or damaged: it is no complete archive") from error
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        if isinstance(error, CheckpointError):
            raise
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise CheckpointError(f"{path}: cannot be read as a checkpoint: {reason[0]}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a checkpoint of an otgan run")
    return state


def latest(folder: Path) -> dict[str, Any] | None:
    """Read the last usable checkpoint; warn of each later one that is not. None where there is no checkpoint at all.

    Raises
    ------
    CheckpointError
        If there are checkpoints, and none is usable.
    """
    refused = None
    for path in reversed(saved(folder)):
        try:
            return load(path)
        except CheckpointError as error:
            _log.warning("%s; trying the one before", error)
            refused = error
    if refused is not None:
        raise CheckpointError(f"no usable checkpoint in {folder}: {refused}")
    return None
