"""SIGINT and SIGTERM while a run trains: the first lets it finish its step and save, the second ends it at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from otgan.gan.errors import Interrupted, Terminated

__all__ = ["Interrupts"]

_DEFAULTS: dict[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}


class Interrupts:
    """A context in which the signals are noted, where they would end the process.

    An application that has handlers of its own, or ignores the signals, keeps them. So does one that trains in another
    thread than the main one, since Python hands signals to that alone.

    Attributes
    ----------
    received : signal.Signals or None
        The first signal that came.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._patient = False
        self._installed: list[signal.Signals] = []

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number, default in _DEFAULTS.items():
                if signal.getsignal(number) == default:
                    signal.signal(number, self._note)
                    self._installed.append(number)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def wait(self) -> None:
        """From now on let whoever trains look at ``received`` between two steps; until then a signal ends it at once."""
        self._patient = True

    def ending(self, message: str) -> Interrupted | Terminated:
        """Return what the signal that came ends the training with."""
        return Terminated(message) if self.received == signal.SIGTERM else Interrupted(message)

    def _note(self, number: int, frame: FrameType | None) -> Any:
        self.received = signal.Signals(number)
        self._restore()  # a second one ends the process, whatever it is doing
        if not self._patient:
            raise self.ending(f"{self.received.name}: stopped before training began")

    def _restore(self) -> None:
        while self._installed:
            number = self._installed.pop()
            signal.signal(number, _DEFAULTS[number])
