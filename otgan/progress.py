"""What a long call tells of itself: a bar on stderr for who asked for one, and words for whoever asks meanwhile."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

__all__ = ["Progress", "bar", "current"]

_BEAT = 1.0
"""Seconds after which a bar is drawn anew, whatever has been done meanwhile."""

_RUNNING: list[Progress] = []
"""Those of the calls that are running, the innermost last."""


class Progress:
    """Steps of a call, and which one is running.

    Parameters
    ----------
    drawn : tqdm
        The bar, which may be one that is not drawn.
    """

    def __init__(self, drawn: Any) -> None:
        self._drawn, self._what, self._since = drawn, "", time.monotonic()

    def begin(self, what: str) -> None:
        """Say what runs from now on."""
        self._what, self._since = what, time.monotonic()
        self._drawn.set_description(what)

    def tell(self, words: str) -> None:
        """Say something of it beside the bar."""
        self._drawn.set_postfix_str(words, refresh=bool(words))

    def tick(self, steps: int = 1) -> None:
        """Count steps that are done."""
        self._drawn.update(steps)

    def __str__(self) -> str:
        done = f"step {self._drawn.n + 1} of {self._drawn.total}" if self._drawn.total else "running"
        return f"{self._what or 'at work'}, for {time.monotonic() - self._since:.0f} s ({done})"


@contextlib.contextmanager
def bar(total: int, progress: bool) -> Iterator[Progress]:
    """Yield what counts steps, with a bar of tqdm where progress is asked for, which is gone afterwards."""
    from tqdm import tqdm

    with tqdm(total=total, disable=not progress, leave=False) as drawn, _beating(drawn, progress):
        _RUNNING.append(Progress(drawn))
        try:
            yield _RUNNING[-1]
        finally:
            _RUNNING.pop()


def current() -> str | None:
    """Return in words what is running, None where nothing says so."""
    return str(_RUNNING[-1]) if _RUNNING else None


@contextlib.contextmanager
def _beating(drawn: Any, progress: bool) -> Iterator[None]:
    """Draw a bar anew every second, so that its time goes on while a step does."""
    if not progress:
        yield
        return
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_BEAT):
            drawn.refresh()

    thread = threading.Thread(target=beat, name="otgan-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
