"""Times of callables: alone, and in turns so that whatever else the machine does falls on all alike."""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

__all__ = ["add_options", "adding_up", "clock", "in_turns", "now", "prepare", "timed", "total"]

T = TypeVar("T")

_CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}

CLOCK_NOTES = {
    "wall": "Times are wall times.",
    "cpu": "Times are processor time of the process, on one thread, which other work on the machine hardly disturbs.",
}

_chosen = "wall"


def clock() -> str:
    """Return which clock is in use, in words for the notes of a table."""
    return CLOCK_NOTES[_chosen]


def now() -> float:
    """Return the seconds that the clock in use shows."""
    return _CLOCKS[_chosen]()


def timed(run: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds that a call took, work on a GPU included, and its result."""
    _synchronize()
    start = now()
    result = run()
    _synchronize()
    return now() - start, result


class LateError(Exception):
    """A run that was stopped because its time is over."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Stop what runs inside by a LateError after so many seconds of the clock in use, at the next Python operation.

    Compiled code is not interrupted.
    """
    timer, ring = (
        (signal.ITIMER_PROF, signal.SIGPROF) if _chosen == "cpu" else (signal.ITIMER_REAL, signal.SIGALRM)
    )

    def stop(number: int, frame: object) -> None:
        raise LateError

    before = signal.signal(ring, stop)
    signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        signal.setitimer(timer, 0)
        signal.signal(ring, before)


@contextmanager
def adding_up(parts: Path, clock: Callable[[], float] = now) -> Iterator[None]:
    """Note in a file what the body takes, also where it is stopped: what goes on another time takes the :func:`total` of its parts."""
    before = clock()
    try:
        yield
    finally:
        with parts.open("a", encoding="utf-8") as file:
            file.write(f"{clock() - before:.1f}\n")


def total(parts: Path) -> float:
    """Return the seconds of all parts that are noted in a file."""
    return sum(float(part) for part in parts.read_text(encoding="utf-8").split())


def in_turns(runs: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Call every one of `runs` once a round and return the median seconds of each."""
    seconds: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, times in zip(runs, seconds, strict=True):
            times.append(timed(run)[0])
    return [statistics.median(times) for times in seconds]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what all timed benchmarks have in common."""
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--clock",
        choices=tuple(_CLOCKS),
        default="wall",
        help="cpu: the time that the process computes, for a machine that is busy otherwise; needs --threads 1",
    )


def prepare(options: argparse.Namespace) -> None:
    """Choose the clock and the threads: torch's, those of BLAS and, by the cores, XLA's. Call before JAX is imported."""
    global _chosen  # noqa: PLW0603  (one process is one measurement)
    if options.clock == "cpu" and (options.threads != 1 or options.device != "cpu"):
        raise SystemExit(
            "error: --clock cpu counts what all threads compute: use it with --threads 1 on the CPU"
        )
    _chosen = options.clock
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    torch.set_num_threads(options.threads)
    threadpool_limits(options.threads)


def _synchronize() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
