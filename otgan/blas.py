"""Products of matrices on the threads of this package: BLAS multiplies, but does not share the work out.

The threads of BLAS spin while they wait for each other: on a machine with other busy processes a product that takes
three milliseconds takes seventy. So each piece of a product is one call to BLAS on one thread.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from otgan.threads import count, in_pieces

__all__ = ["one_thread", "own_threads", "times_transposed"]

_SMALL = 2**18
"""Multiplications up to which BLAS takes one thread anyway."""

_WORTH = 2**20
"""Multiplications that are worth a second thread, which takes some 30 µs to wake."""


_SETTING = threading.Lock()
"""Held by the one thread that has set the threads of BLAS, and will set them back."""


def times_transposed(x: Any, y: Any) -> Any:
    """x yᵀ of batches of matrices, shapes (B, n, d) and (B, m, d): shape (B, n, m)."""
    batch, n, d = x.shape
    work = batch * n * y.shape[1] * d
    if work <= _SMALL:
        return x @ y.mT
    out = np.empty((batch, n, y.shape[1]), np.result_type(x, y))
    with one_thread():
        in_pieces(_multiply, batch * n, max(1, min(count(), work // _WORTH)), x, y.mT, out)
    return out


def _multiply(x: Any, y: Any, out: Any, piece: int, start: int, stop: int) -> None:
    """Multiply rows of all problems together, numbered 0 … B·n − 1."""
    del piece
    n, index = x.shape[1], start
    while index < stop:
        k = index // n
        low, high = index - k * n, min(n, stop - k * n)
        np.matmul(x[k, low:high], y[k], out=out[k, low:high])
        index = k * n + high


class _Turn:
    """Who may have BLAS share out work on threads of its own: one thread of Python at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def forget(self) -> None:
        """Begin anew in a forked process, in which nobody will give it back."""
        self.lock = threading.Lock()


_TURN = _Turn()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_TURN.forget)


@contextlib.contextmanager
def own_threads() -> Iterator[None]:
    """Let BLAS share work out on its own threads, for one thread of Python after another.

    The threads of calls at once spin against each other: eight threads that solve then take three times as long as one.
    """
    with _TURN.lock:
        yield


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let BLAS take one thread a call, unless another thread of Python does so already, or has set it itself."""
    if not _SETTING.acquire(blocking=False):
        yield
        return
    try:
        with _libraries().limit(limits=1):
            yield
    finally:
        _SETTING.release()


@cache
def _libraries() -> Any:
    """The libraries of BLAS that this process has loaded when it first multiplies here."""
    from threadpoolctl import ThreadpoolController  # here: most problems have few dimensions

    return ThreadpoolController().select(user_api="blas")
