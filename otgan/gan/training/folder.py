"""The folder of a run: what lies where."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from otgan.gan.errors import RunError, reason
from otgan.gan.files import remove, write_json, writing
from otgan.gan.training.lock import locked
from otgan.gan.training.settings import Settings

__all__ = ["Folder"]

# What a run writes in its folder: only these are removed when a killed process left them unfinished.
_WRITTEN = ("config.json", "metrics.jsonl", "evaluation.json", "curves.png", "report.html", "checkpoint-*.pt")
_PICTURES = ("samples", "reconstructions", "traversals")

_log = logging.getLogger("otgan")


class Folder:
    """The folder of a run.

    ``config.json`` says what the run is; ``checkpoint-*.pt`` hold its state; ``metrics.jsonl`` has a line for every
    few steps and one for every evaluation; ``samples/`` has a picture for every evaluation, and of systems with an
    encoder so have ``reconstructions/`` and ``traversals/``; ``curves.png`` has the course of the losses and distances,
    ``evaluation.json`` the last evaluation in full, ``report.html`` all of this on one page. While a process trains, ``.lock`` has its number.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.json"
        self.metrics_file = self.path / "metrics.jsonl"
        self.evaluation_file = self.path / "evaluation.json"
        self.curves_file = self.path / "curves.png"
        self.report_file = self.path / "report.html"

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

    def start(self, settings: Settings) -> None:
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
        self.write_settings(settings)

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

    def write_settings(self, settings: Settings) -> None:
        """Write ``config.json``."""
        write_json(self.config_file, settings.to_dict())

    def settings(self) -> Settings:
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
        return Settings.read(found, str(self.config_file))

    def mend_evaluation(self, history: list[dict[str, Any]], step: int) -> None:
        """Write the evaluation that a run ended with again, where its file was damaged or removed."""
        row = next((row for row in reversed(history) if "evaluation" in row), None)
        if row is None or row["step"] != step:
            return
        try:
            there = json.loads(self.evaluation_file.read_bytes())
        except (OSError, ValueError, RecursionError):
            there = None
        if there != row["evaluation"]:
            _log.warning("%s is missing or damaged: it is written again", self.evaluation_file)
            write_json(self.evaluation_file, row["evaluation"])
