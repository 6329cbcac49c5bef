"""When a call must have returned. Imports nothing heavy: whoever reports a solver's error reads it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

__all__ = ["NEVER", "Deadline"]


@dataclass(frozen=True)
class Deadline:
    """The moment at which a call must have returned, on the clock of :func:`time.monotonic`; infinity for never."""

    at: float = math.inf

    @classmethod
    def after(cls, seconds: float | None) -> Deadline:
        """Return the deadline that is so many seconds away, or none."""
        return cls() if seconds is None else cls(time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds left, infinite where there is no limit; below 0 once it has passed."""
        return self.at - time.monotonic() if self.at < math.inf else math.inf

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        return self.left <= 0


NEVER = Deadline()
"""No limit."""
