"""What goes wrong with a training run: the messages are one line each, and say what to do."""

from __future__ import annotations

__all__ = ["DivergedError", "OptionError", "RunError"]


class OptionError(ValueError):
    """A name or an option means nothing here; the message says what would."""


class RunError(RuntimeError):
    """A run cannot start, continue or be read: its folder, its files or its data are not what they must be."""


class DivergedError(RunError):
    """Training met a number that is not finite; the message names the step, the term and the last good checkpoint."""
