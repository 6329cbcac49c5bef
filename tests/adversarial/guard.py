"""A clock over one call: what does not come back is a failure, and not a test run that never ends."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class Hang(BaseException):
    """A call that did not come back in time; no `except Exception` on its way swallows it."""


@contextlib.contextmanager
def limit(seconds: float, *, cpu: bool = False) -> Iterator[None]:
    """Raise `Hang` in the main thread where the block takes longer; without SIGALRM (Windows) there is no limit.

    With `cpu` the seconds are those of this process's processor time, which a busy machine does not lengthen.
    """
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise Hang(f"no answer in {seconds:g} s")

    timer, number = (signal.ITIMER_PROF, signal.SIGPROF) if cpu else (signal.ITIMER_REAL, signal.SIGALRM)
    before = signal.signal(number, ring)
    signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        signal.setitimer(timer, 0)
        signal.signal(number, before)
