"""Long calls that can be interrupted: they work on a thread of their own, while the one that asked waits.

Python hands signals to its main thread between two of its own instructions. A sort of ten million numbers, or a compiled loop over
them, is one instruction, of seconds; a thread that waits can be woken at any time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from dataclasses import replace
from typing import TypeVar

from otgan.deadline import Deadline

__all__ = ["apart"]

Result = TypeVar("Result")

_OFTEN = 0.1
"""Seconds between two looks at whether there is progress to report."""


def apart(function: Callable[[Deadline], Result], deadline: Deadline) -> Result:
    """Call function(deadline), so that an interruption of the main thread ends the wait for it at once.

    The function is told by its deadline, which is over then, and ends in its own time. Progress is reported while it works, by the
    thread that waits. In any other thread than the main one, which no signals reach, it is a plain call.
    """
    if threading.current_thread() is not threading.main_thread():
        return function(deadline)
    future: Future[Result] = Future()
    halted = threading.Event()
    watched = replace(deadline, halted=halted)

    def work() -> None:
        try:
            future.set_result(function(watched))
        except BaseException as error:
            future.set_exception(error)

    thread = threading.Thread(target=copy_context().run, args=(work,), name="otgan-apart")
    try:
        thread.start()
        while not wait([future], _OFTEN).done:
            deadline.report()
        return future.result()
    finally:
        halted.set()
