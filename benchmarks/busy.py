"""Beside other work: ``python -m benchmarks.busy [--quick]``.

Solves while another process keeps a core busy, beside the same solves on a quiet machine; and threads that each solve
their own problems at once, beside the same problems one after another.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.peers import Contender, Otgan, Ott, Pot, PotBatch, distributions, has_jax
from benchmarks.problems import Problem, gaussians
from benchmarks.record import Cell, record
from benchmarks.timing import add_options, clock, prepare, timed

RELATIVE = 0.01
TOL = 1e-6
D = 2
SIZES = (200, 1000, 2000)
BATCH, BATCHED = 256, 64
AIM = 2.2
"""What a solve may take longer for one busy core of two."""

THREADS, EACH = 8, 4
"""Threads that solve at once, and how many solves each of them makes."""

_TUNING = 20.0
"""Seconds in which a peer finds the position of its knob."""

_SLOW = 0.3
"""Seconds of a solve that is not made by many threads: spinning against each other they may need thirty times as long."""

_LATE = "not reached"


_WORK = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(10**6):
        pass
"""
"""What the other process does, for as long as there is this one."""


class Hog:
    """Another process that computes without end; it runs only where it is let."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", _WORK, str(os.getpid())])
        self._process.send_signal(signal.SIGSTOP)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let it run inside."""
        self._process.send_signal(signal.SIGCONT)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGSTOP)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


@dataclass(frozen=True)
class Case:
    """A problem, in words, and who solves it."""

    what: str
    problem: Problem
    contenders: tuple[Contender, ...]


def cases(quick: bool) -> list[Case]:
    """Return what is solved: single problems of several sizes, and a batch of small ones."""
    jax = has_jax("cpu")
    sizes, batch = (SIZES[:1], BATCH // 16) if quick else (SIZES, BATCH)
    peers: tuple[Contender, ...] = (Pot("sinkhorn"), *((Ott("anderson"),) if jax else ()))
    whole: tuple[Contender, ...] = (PotBatch("sinkhorn"), *((Ott("scalings"),) if jax else ()))
    return [
        *(Case(f"n = {n}", gaussians(n, D, RELATIVE), (Otgan(), *peers)) for n in sizes),
        Case(f"{batch} × {BATCHED}²", gaussians(BATCHED, D, RELATIVE, batch=batch), (Otgan(), *whole)),
    ]


def quiet_and_busy(run: Callable[[], object], hog: Hog, rounds: int) -> tuple[float, float]:
    """Return the median seconds of a run alone and beside the other process, in turns."""
    quiet, busy = [], []
    for _ in range(rounds):
        quiet.append(timed(run)[0])
        with hog.running():
            busy.append(timed(run)[0])
    return statistics.median(quiet), statistics.median(busy)


def at_once(run: Callable[[], object], threads: int, each: int) -> tuple[float, float]:
    """Return the seconds of solves one after another, and of as many by threads at once."""

    def several() -> None:
        for _ in range(each):
            run()

    def in_one() -> None:
        for _ in range(threads):
            several()

    after, _ = timed(in_one)
    with ThreadPoolExecutor(threads) as pool:
        # The pool's threads exist before the clock starts.
        list(pool.map(lambda _: None, range(threads)))
        together, _ = timed(lambda: list(pool.map(lambda _: several(), range(threads))))
    return after, together


def measure(case: Case, hog: Hog, rounds: int) -> tuple[list[tuple[Cell, ...]], list[tuple[Cell, ...]]]:
    """Return the lines of a case: beside another process, and by threads."""
    beside: list[tuple[Cell, ...]] = []
    threaded: list[tuple[Cell, ...]] = []
    for contender in case.contenders:
        contender.attempt(case.problem, TOL, _TUNING)
        attempt = contender.attempt(case.problem, TOL, _TUNING)
        if attempt.error > TOL:
            beside.append((case.what, contender.name, None, None, None, _LATE))
            continue
        quiet, busy = quiet_and_busy(attempt.again, hog, rounds)
        beside.append((case.what, contender.name, quiet, busy, busy / quiet, ""))
        if quiet < _SLOW:
            after, together = at_once(attempt.again, THREADS, EACH)
            threaded.append((case.what, contender.name, after, together, together / after))
    return beside, threaded


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every case, and record both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.busy", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small problems, nothing recorded")
    add_options(parser)
    options = parser.parse_args(argv)
    if options.clock != "wall" or options.device != "cpu":
        parser.error("what other work takes away is seen by the wall clock, on the CPU")
    prepare(options)
    rounds, beside, threaded = 3 if options.quick else 9, [], []
    measured = cases(options.quick)
    hog = Hog()
    try:
        for case in measured:
            lines = measure(case, hog, rounds)
            beside += lines[0]
            threaded += lines[1]
            for row in [*lines[0], *lines[1]]:
                print(*(f"{cell:.3g}" if isinstance(cell, float) else cell for cell in row), flush=True)
    finally:
        hog.close()
    if not options.quick:
        _write(beside, threaded, rounds, distributions([c for case in measured for c in case.contenders]))


def _write(
    beside: Sequence[Sequence[Cell]], threaded: Sequence[Sequence[Cell]], rounds: int, packages: list[str]
) -> None:
    setting = (
        f"d = {D}, ε = {RELATIVE:g} of the mean cost, L1 error {TOL:g}, float64, from the samples. {clock()}"
    )
    record(
        "busy",
        ["problem", "contender", "quiet (s)", "one core busy (s)", "busy / quiet", "remark"],
        beside,
        notes=[
            f"{setting} Medians of {rounds}, in turns with and without another process that computes without end.",
            f"The aim is {AIM:g}: the work of two cores on one, and a tenth.",
        ],
        packages=packages,
    )
    record(
        "threads",
        ["problem", "contender", "one after another (s)", "at once (s)", "at once / after another"],
        threaded,
        notes=[f"{setting} {THREADS} Python threads, {EACH} solves each, and the same number in one thread."],
        packages=packages,
    )


if __name__ == "__main__":
    main()
