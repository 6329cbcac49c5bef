"""Every error that otgan raises on purpose, under one base, so that the rest can be told for what it is: a bug.

Callers catch what Python has for the kind of trouble (ValueError, TypeError, OverflowError, ...), of which each class
here is one too. The command catches :class:`OtganError` alone: its message is for the user, and any other error keeps
its traceback.
"""

from __future__ import annotations

__all__ = [
    "MistakeError",
    "NoSuchNameError",
    "NotInstalledError",
    "OtganError",
    "OutOfRangeError",
    "RankError",
    "TooLargeError",
    "UnsupportedError",
    "WorkerError",
    "WrongKindError",
    "WrongValueError",
]


class OtganError(Exception):
    """An error raised on purpose: its one sentence says what was expected, what arrived and what to do."""


class MistakeError(OtganError):
    """What was given cannot be used."""


class WrongValueError(MistakeError, ValueError):
    """An argument of the kind expected, with a value that cannot be used."""


class WrongKindError(MistakeError, TypeError, ValueError):
    """An argument of another kind than expected: a TypeError, and a ValueError for those who catch only that."""


class NoSuchNameError(MistakeError, KeyError):
    """A name that is not among those there are."""

    def __str__(self) -> str:
        return Exception.__str__(self)  # KeyError would show its sentence in quotation marks


class OutOfRangeError(OtganError, OverflowError):
    """Numbers beyond what floating point holds, or can tell apart."""


class TooLargeError(OtganError, MemoryError):
    """A problem that does not fit in memory in the way that was asked for."""


class NotInstalledError(OtganError, ImportError):
    """A package is needed that is not installed; the message names what brings it."""


class UnsupportedError(OtganError, RuntimeError):
    """An operation that a result does not have."""


class RankError(OtganError, RuntimeError):
    """A rank of a group of processes that ended, did not answer, or did something else than the others."""


class WorkerError(OtganError, RuntimeError):
    """Worker processes that were killed again and again."""
