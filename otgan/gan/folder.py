"""The folder of a run: what lies where, and files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from otgan.gan.errors import RunError, WriteError, reason
from otgan.gan.lock import locked

__all__ = ["Folder", "remove", "write_json", "write_whole", "writing"]

FORMAT = "otgan run 1"

# What describes a run and may not change when it is resumed; the rest (steps, versions) may.
_IDENTITY = (
    "system",
    "seed",
    "options",
    "data",
    "modules",
    "device",
    "log_every",
    "save_every",
    "evaluate_every",
)

# What a run writes in its folder: only these are removed when a killed process left them unfinished.
_WRITTEN = ("config.json", "metrics.jsonl", "evaluation.json", "curves.png", "checkpoint-*.pt")
_PICTURES = ("samples", "reconstructions", "traversals")


class Folder:
    """The folder of a run.

    ``config.json`` says what the run is; ``checkpoint-*.pt`` hold its state; ``metrics.jsonl`` has a line for every
    few steps and one for every evaluation; ``samples/`` has a picture for every evaluation, and of systems with an
    encoder so have ``reconstructions/`` and ``traversals/``; ``curves.png`` has the course of the losses and distances,
    ``evaluation.json`` the last evaluation in full. While a process trains, ``.lock`` has its number.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.json"
        self.metrics_file = self.path / "metrics.jsonl"
        self.evaluation_file = self.path / "evaluation.json"
        self.curves_file = self.path / "curves.png"

    def picture(self, kind: str, step: int) -> Path:
        """Return where a picture of an evaluation belongs: among those of its kind, such as "samples"."""
        place = self.path / kind
        with writing(place):
            place.mkdir(exist_ok=True)
        return place / f"step-{step:08d}.png"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder where there is none, and keep other processes from training in it.

        Raises
        ------
        RunError
            If it can hold no run, or another process trains in it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{self.path}: cannot hold a run: {reason(error)}") from error
        with locked(self.path):
            yield

    def start(self, config: dict[str, Any]) -> None:
        """Write what the run is.

        Raises
        ------
        RunError
            If there is something in the folder already.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            found = sorted(entry.name for entry in self.path.iterdir() if not entry.name.startswith("."))
        except OSError as error:
            raise RunError(f"{self.path}: cannot hold a run: {reason(error)}") from error
        if self.config_file.name in found:
            raise RunError(f"{self.path} holds another run: resume it, or choose another folder")
        if found:
            raise RunError(f"{self.path} is not empty (it holds {found[0]!r}): choose another folder")
        self.write_config(config)

    def clean(self) -> None:
        """Remove what a killed process left unfinished; only whoever holds the folder may.

        Whose number the name has does not matter: who trained here no longer does, and numbers come again.
        """
        for name in _WRITTEN:
            for partial in self.path.glob(f".{name}.*.partial"):
                remove(partial)
        for kind in _PICTURES:
            for partial in (self.path / kind).glob(".step-*.png.*.partial"):
                remove(partial)

    def holds_run(self) -> bool:
        """Whether a run has begun here."""
        try:
            return self.config_file.is_file()
        except OSError as error:
            raise RunError(f"{self.path}: cannot hold a run: {reason(error)}") from error

    def write_config(self, config: dict[str, Any]) -> None:
        """Write ``config.json``."""
        content = {"format": FORMAT, **config}
        write_json(self.config_file, {**content, "checksum": _checksum(content)})

    def config(self) -> dict[str, Any]:
        """Read ``config.json``.

        Raises
        ------
        RunError
            If it is missing, not that of a run, or not as it was written.
        """
        try:
            found = json.loads(self.config_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RunError(f"{self.path} holds no run: it has no config.json") from error
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{self.config_file}: cannot be read: {reason(error)}") from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise RunError(f"{self.config_file} is not the configuration of a run of this version of otgan")
        # Folders that were written before there were checksums have none.
        if "checksum" in found and found.pop("checksum") != _checksum(found):
            raise RunError(
                f"{self.config_file} is damaged or was changed: its checksum does not match; put it back as it was"
            )
        for key, fits in _KEYS.items():
            if key not in found or not fits(found[key]):
                raise RunError(
                    f"{self.config_file} is damaged: its {key!r} is missing or not what it must be"
                )
        if unknown := set(found) - set(_KEYS) - {"format"}:
            raise RunError(f"{self.config_file} is damaged: it has {min(unknown)!r}, which means nothing")
        return found

    def check_same(self, config: dict[str, Any]) -> None:
        """Refuse to resume the run here as something that it is not.

        Raises
        ------
        RunError
            Naming what differs.
        """
        there = self.config()
        for key in _IDENTITY:
            old, new = there.get(key), config[key]
            if old == new:
                continue
            what = key
            if isinstance(old, dict) and isinstance(new, dict):
                name = next(name for name in {**old, **new} if old.get(name) != new.get(name))
                what, old, new = f"{key}: {name}", old.get(name), new.get(name)
            raise RunError(
                f"{self.path} holds a run with {what} = {old!r}, not {new!r}: it cannot be resumed so"
            )


def _whole(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _counts(value: Any) -> bool:
    return _whole(value, 1)


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _data(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("spec"), (str, type(None))):
        return False
    shape = value.get("shape")
    sizes = all(_counts(value.get(part)) for part in ("train", "held_out"))
    return (
        sizes
        and isinstance(value.get("digest"), str)
        and isinstance(shape, list)
        and len(shape) in {1, 3}
        and all(_counts(length) for length in shape)
        and math.prod(shape) < 2**31
    )


_KEYS: dict[str, Callable[[Any], bool]] = {
    "system": lambda value: isinstance(value, str),
    "options": lambda value: isinstance(value, dict),
    "data": _data,
    "seed": _whole,
    "modules": _names,
    "device": lambda value: isinstance(value, str),
    "log_every": _counts,
    "save_every": _counts,
    "evaluate_every": _counts,
    "steps": _counts,
    "versions": lambda value: isinstance(value, dict),
}
"""What ``config.json`` holds, and whether a value can be that."""


def _checksum(content: dict[str, Any]) -> str:
    """Return what changes with the content, however it is laid out."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


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
