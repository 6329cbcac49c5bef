"""When a call must have returned. Imports nothing heavy: whoever reports a solver's error reads it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["NEVER", "Deadline", "Progress"]

_OFTEN = 0.2
"""Seconds between two reports."""


class Progress:
    """What a long solve knows so far, told to whoever wants to know, at most a few times a second.

    Parameters
    ----------
    tell : callable
        Called with a lower bound of the cost, an upper one, and the seconds since the beginning, in the thread that has made
        this. What it raises ends the solve.
    scale : float
        What bounds are multiplied by.
    """

    def __init__(self, tell: Callable[[float, float, float], object], scale: float = 1.0) -> None:
        self.tell, self.scale = tell, scale
        self.lower, self.upper = 0.0, math.inf  # no cost is negative
        self.begun = self.last = time.monotonic()
        self.thread = threading.get_ident()

    def know(self, lower: float, upper: float) -> None:
        """Take note of bounds, which count where they are better."""
        self.lower, self.upper = max(self.lower, lower), min(self.upper, upper)

    def report(self, *, now: bool = False) -> None:
        """Tell what is known, where it is time to or in any case."""
        seconds = time.monotonic()
        if threading.get_ident() == self.thread and (now or seconds - self.last >= _OFTEN):
            self.last = seconds
            self.tell(self.scale * self.lower, self.scale * self.upper, seconds - self.begun)


@dataclass(frozen=True)
class Deadline:
    """The moment at which a call must have returned, on the clock of :func:`time.monotonic`; infinity for never.

    Whoever looks at it does so some times a second, which is when progress is reported too.

    Attributes
    ----------
    at : float
    progress : Progress or None
    halted : Event or None
        Set where nobody waits for the result any more.
    """

    at: float = math.inf
    progress: Progress | None = None
    halted: threading.Event | None = None

    @classmethod
    def after(cls, seconds: float | None, progress: Progress | None = None) -> Deadline:
        """Return the deadline that is so many seconds away, or none."""
        return cls(math.inf if seconds is None else time.monotonic() + seconds, progress)

    @property
    def left(self) -> float:
        """Seconds left, infinite where there is no limit; below 0 once it has passed."""
        return self.at - time.monotonic() if self.at < math.inf else math.inf

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        self.report()
        return self.left <= 0 or (self.halted is not None and self.halted.is_set())

    def alone(self) -> Deadline:
        """Return it as that of one process, where several have one together."""
        return self

    def report(self) -> None:
        """Tell what is known, where it is time to."""
        if self.progress is not None:
            self.progress.report()

    def know(self, lower: float, upper: float) -> None:
        """Take note of bounds of the cost."""
        if self.progress is not None:
            self.progress.know(lower, upper)


NEVER = Deadline()
"""No limit."""
