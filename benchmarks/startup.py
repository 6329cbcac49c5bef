"""How long a user waits before anything is computed: ``python -m benchmarks.startup [--quick]``."""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.record import record


@dataclass(frozen=True)
class Case:
    """A process that a user starts, the exit status it ends with, and whether this user has no cache yet."""

    what: str
    arguments: tuple[str, ...]
    status: int = 0
    cold: bool = False


def cases(folder: Path) -> list[Case]:
    """Return what is timed; ``folder`` receives the files that it needs."""
    python, otgan = sys.executable, str(Path(sys.executable).with_name("otgan"))
    broken = folder / "broken.npy"
    broken.write_bytes(b"not an array")
    rng, sets = np.random.default_rng(0), [str(folder / name) for name in ("x.npy", "y.npy")]
    for name, size in zip(sets, (200, 150), strict=True):
        np.save(name, rng.normal(size=(size, 2)))
    return [
        Case("`python -c pass`, for comparison", (python, "-c", "pass")),
        Case("`import otgan`", (python, "-c", "import otgan")),
        Case("`import torch`, for comparison", (python, "-c", "import torch")),
        Case("`otgan --help`", (otgan, "--help")),
        Case("`otgan measure` of a broken file", (otgan, "measure", str(broken), "digits"), status=1),
        Case("`otgan measure` of an unknown name", (otgan, "measure", "digitz", "digits"), status=2),
        Case("`otgan measure` of two small files", (otgan, "measure", *sets)),
        Case("`otgan measure digits:3 digits:8`", (otgan, "measure", "digits:3", "digits:8")),
        Case("the same, its loops not yet compiled", (otgan, "measure", "digits:3", "digits:8"), cold=True),
    ]


def seconds(case: Case) -> tuple[float, float]:
    """Run the process once; return its wall time and the processor time that it and its children took."""
    with tempfile.TemporaryDirectory() as empty:
        environment = os.environ | ({"XDG_CACHE_HOME": empty} if case.cold else {})
        start, used = time.perf_counter(), _children()
        done = subprocess.run(case.arguments, capture_output=True, text=True, check=False, env=environment)
        elapsed, worked = time.perf_counter() - start, _children() - used
    if done.returncode != case.status:
        raise SystemExit(f"{case.what} ended with {done.returncode}, not {case.status}:\n{done.stderr}")
    return elapsed, worked


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main(argv: Sequence[str] | None = None) -> None:
    """Time every case, in turns, and record the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds, nothing recorded")
    quick = parser.parse_args(argv).quick
    with tempfile.TemporaryDirectory() as folder:
        todo = cases(Path(folder))
        for case in todo:
            seconds(case)  # once for the caches of the file system and of compiled modules
        rounds = [[seconds(case) for case in todo] for _ in tqdm(range(2 if quick else 5), disable=None)]
    rows = []
    for case, times in zip(todo, zip(*rounds, strict=True), strict=True):
        wall, processor = (statistics.median(each) for each in zip(*times, strict=True))
        rows.append((case.what, wall, processor))
        print(f"{wall:6.2f} s, {processor:6.2f} s of processor  {case.what}")
    if not quick:
        record(
            "startup",
            ["process", "wall time (s)", "processor time (s)"],
            rows,
            notes=["From start to exit, files in the system's cache; medians of five runs, in turns."],
        )


if __name__ == "__main__":
    main()
