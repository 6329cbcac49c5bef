"""The folder of a run: what lies where, and files that are written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from otgan.gan.errors import RunError

__all__ = ["Folder", "write_json", "write_whole"]

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


class Folder:
    """The folder of a run.

    ``config.json`` says what the run is; ``checkpoint-*.pt`` hold its state; ``metrics.jsonl`` has a line for every
    few steps and one for every evaluation; ``samples/`` has a picture for every evaluation, and of systems with an
    encoder so have ``reconstructions/`` and ``traversals/``; ``curves.png`` has the course of the losses and distances,
    ``evaluation.json`` the last evaluation in full.
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
        place.mkdir(exist_ok=True)
        return place / f"step-{step:08d}.png"

    def start(self, config: dict[str, Any]) -> None:
        """Make the folder and write what the run is.

        Raises
        ------
        RunError
            If there is something in it already.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            found = sorted(entry.name for entry in self.path.iterdir() if not entry.name.startswith("."))
        except OSError as error:
            raise RunError(f"{self.path}: cannot hold a run: {error.strerror}") from error
        if self.config_file.name in found:
            raise RunError(f"{self.path} holds another run: resume it, or choose another folder")
        if found:
            raise RunError(f"{self.path} is not empty (it holds {found[0]!r}): choose another folder")
        self.write_config(config)

    def holds_run(self) -> bool:
        """Whether a run has begun here."""
        return self.config_file.is_file()

    def write_config(self, config: dict[str, Any]) -> None:
        """Write ``config.json``."""
        write_json(self.config_file, {"format": FORMAT, **config})

    def config(self) -> dict[str, Any]:
        """Read ``config.json``.

        Raises
        ------
        RunError
            If it is missing, or not that of a run.
        """
        try:
            found = json.loads(self.config_file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RunError(f"{self.path} holds no run: it has no config.json") from error
        except (OSError, ValueError) as error:
            raise RunError(f"{self.config_file}: cannot be read: {error}") from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise RunError(f"{self.config_file} is not the configuration of a run of this version of otgan")
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


def write_json(path: Path, content: Any) -> None:
    """Write strict JSON, whole or not at all."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, lambda file: file.write(text.encode()))


def write_whole(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a file so that whoever looks, also after a crash, finds the old one or the new one, complete."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
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
