"""What goes wrong with a training run: the messages are one line each, and say what to do."""

from __future__ import annotations

import os

from otgan.mistakes import MistakeError, OtganError

__all__ = [
    "DamagedError",
    "DivergedError",
    "Interrupted",
    "OptionError",
    "RunError",
    "Terminated",
    "WriteError",
    "reason",
]


class OptionError(MistakeError, ValueError):
    """A name or an option means nothing here; the message says what would."""


class RunError(OtganError, RuntimeError):
    """A run cannot start, continue or be read: its folder, its files or its data are not what they must be."""


class WriteError(RunError):
    """A file of a run cannot be written: the disk is full, or read-only, or fails."""


class DamagedError(RunError):
    """A file of a run is not as it was written."""


class DivergedError(RunError):
    """Training met a number that is not finite; the message names the step, the term and the last good checkpoint."""


class Interrupted(KeyboardInterrupt):
    """SIGINT ended a training, after what it had done was saved; the message says where to resume."""


class Terminated(SystemExit):
    """SIGTERM ended a training, after what it had done was saved; the exit status is 143.

    Attributes
    ----------
    message : str
        Where to resume.
    """

    def __init__(self, message: str) -> None:
        super().__init__(143)
        self.message = message

    def __str__(self) -> str:
        return self.message


def reason(error: BaseException) -> str:
    """Return why, in a few words of one line: of the system's errors what the system says."""
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    words = " ".join(str(error).split())
    return words[:200] or type(error).__name__
