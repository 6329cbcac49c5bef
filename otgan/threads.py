"""Threads that wait without spinning: pieces of one call that release Python's lock while they work.

The threads of BLAS and of OpenMP stay on their cores between calls, which costs a process that shares its machine many
times what it gains. These sleep until there is work. Any thread of Python may hand some in, and so may a forked process.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any

__all__ = ["count", "in_pieces", "in_turns", "run", "workers"]


class _Pool:
    """The workers of this process, made when they are first needed."""

    def __init__(self) -> None:
        self.executor: ThreadPoolExecutor | None = None
        self.size = 0

    def of(self, size: int) -> ThreadPoolExecutor:
        """Return workers, at least so many."""
        if self.executor is None or self.size < size:
            # What an older executor was given it finishes; its threads end when it is no longer referred to.
            self.executor = ThreadPoolExecutor(size, thread_name_prefix="otgan")
            self.size = size
        return self.executor

    def forget(self) -> None:
        """Leave the workers to the process that has them: threads do not survive a fork."""
        self.executor, self.size = None, 0


_POOL = _Pool()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_POOL.forget)


_STATE = threading.local()
"""Whether this thread does a share of somebody's work: then it has no help itself."""


def count() -> int:
    """Threads to use: as many as torch is set to, where it is loaded; else as it would be set. One in a thread at work."""
    if getattr(_STATE, "at_work", False):
        return 1
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_num_threads"):
        return int(torch.get_num_threads())
    chosen = os.environ.get("OMP_NUM_THREADS", "")
    if chosen.isdecimal() and int(chosen) > 0:
        return int(chosen)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(tasks: Sequence[Callable[[], Any]]) -> None:
    """Run tasks side by side, one of them in this thread, and return when all are done.

    All of them see the context of this thread, such as NumPy's settings. In a thread at work they run one by one.
    """
    if len(tasks) == 1 or getattr(_STATE, "at_work", False):
        for task in tasks:
            task()
        return
    pool = _POOL.of(len(tasks) - 1)
    rest: list[Future[Any]] = [pool.submit(copy_context().run, _work, task) for task in tasks[1:]]
    try:
        _work(tasks[0])
    finally:
        # They write into memory of this call: it must not be given back before they are done.
        for each in rest:
            each.exception()
    for each in rest:
        each.result()


def _work(task: Callable[[], Any]) -> None:
    _STATE.at_work = True
    try:
        task()
    finally:
        _STATE.at_work = False


def in_turns(
    function: Callable[[int, int, int], Any], total: int, step: int, most: int | None = None
) -> None:
    """Call function(worker, start, stop) for parts of range(total), which workers take as they are free for the next.

    There are `most` of them, or as many as :func:`workers` tells. What raises in one of them, an interruption too, keeps the others from taking any more.
    """
    starts = itertools.count(0, step)
    halted: list[bool] = []

    def work(worker: int) -> None:
        try:
            for start in starts:
                if start >= total or halted:
                    return
                function(worker, start, min(start + step, total))
        except BaseException:
            halted.append(True)
            raise

    run([partial(work, worker) for worker in range(most or workers(total, step))])


def workers(total: int, step: int) -> int:
    """Return how many threads :func:`in_turns` takes."""
    return max(1, min(count(), -(-total // step)))


def in_pieces(function: Callable[..., Any], total: int, pieces: int, *arguments: Any) -> None:
    """Call function(*arguments, piece, start, stop) for pieces of range(total), side by side."""
    pieces = max(1, min(pieces, total))
    if pieces == 1:
        function(*arguments, 0, 0, total)
        return
    ends = [total * k // pieces for k in range(pieces + 1)]
    run([partial(function, *arguments, k, ends[k], ends[k + 1]) for k in range(pieces)])
