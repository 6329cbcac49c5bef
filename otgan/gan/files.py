"""Files that are written whole or not at all, and read only as they were written."""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import torch

from otgan.gan.errors import DamagedError, WriteError, reason

__all__ = ["read_tensors", "remove", "write_json", "write_whole", "writing"]


def write_json(path: Path, content: Any) -> None:
    """Write strict JSON, whole or not at all."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    # A file name that is no text becomes an escape, which JSON reads back.
    write_whole(path, lambda file: file.write(text.encode(errors="backslashreplace")))


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system has against writing a file into one sentence.

    Raises
    ------
    WriteError
    """
    try:
        yield
    except OSError as error:
        raise WriteError(f"{path}: cannot be written: {reason(error)}") from error


def remove(path: Path) -> None:
    """Remove a file, if it is still there."""
    with writing(path):
        path.unlink(missing_ok=True)


def write_whole(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a file so that whoever looks, also after a crash, finds the old one or the new one, complete.

    Raises
    ------
    WriteError
        If the system refuses; the old file is then as it was.
    """
    # Made in memory first: what other libraries make of a full disk is no OSError always.
    content = io.BytesIO()
    write(content)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with writing(path):
        try:
            with partial.open("wb") as file:
                file.write(content.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system lets a folder be synced."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_tensors(path: Path) -> Any:
    """Return what torch saved: tensors and plain values, nothing else being unpickled.

    Raises
    ------
    DamagedError
        If a byte of it is not as it was written. Other errors are those of zipfile and torch.
    """
    with zipfile.ZipFile(path) as archive:  # torch.load does not check the checksums of the archive
        broken = archive.testzip()
    if broken is not None:
        raise DamagedError(f"{path}: damaged: {broken!r} does not match its checksum")
    return torch.load(path, map_location="cpu", weights_only=True)
