"""How exact solvers end where they do not end at an optimum."""

from __future__ import annotations

from otgan.mistakes import OtganError

__all__ = ["LIMIT", "OutOfTimeError", "SimplexError"]

LIMIT = 10**9
"""Pivots allowed by default: a limit that problems meet ends them at a plausible partial cost."""


class SimplexError(OtganError, RuntimeError):
    """The network simplex did not end at an optimal plan."""


class OutOfTimeError(Exception):
    """The time that a call may take is over. Never leaves the package."""
