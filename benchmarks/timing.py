"""Wall times of callables: alone, and in turns so that whatever else the machine does falls on all alike."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

__all__ = ["in_turns", "timed", "use_threads"]

T = TypeVar("T")


def timed(run: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds that a call took, work on a GPU included, and its result."""
    _synchronize()
    start = time.perf_counter()
    result = run()
    _synchronize()
    return time.perf_counter() - start, result


def in_turns(runs: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Call every one of `runs` once a round and return the median seconds of each."""
    seconds: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, times in zip(runs, seconds, strict=True):
            times.append(timed(run)[0])
    return [statistics.median(times) for times in seconds]


def use_threads(threads: int) -> None:
    """Give this process so many threads: torch, BLAS and, by the cores it may use, XLA. Call before JAX is imported."""
    from threadpoolctl import threadpool_limits

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    torch.set_num_threads(threads)
    threadpool_limits(threads)


def _synchronize() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
