"""How time grows with the points: ``python -m benchmarks.growth [--quick] [--resume]``.

Takes the cells that `benchmarks.entropic` recorded, adds otgan at 10,000 points where that is affordable, and fits a
power of n to each row.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.grid import SIZES, Key, points
from benchmarks.ledger import HEADS, Row, rows_of
from benchmarks.peers import Otgan
from benchmarks.problems import Problem
from benchmarks.record import RESULTS, Cell, Result, record
from benchmarks.timing import add_options, clock, prepare

LARGEST = 10_000
COLUMNS = (*SIZES, LARGEST)

FITTED_FROM = 500
"""Points from which on the fit is made: below, what is the same at every n hides the growth."""

_ENOUGH = 3
"""Sizes that a fit needs."""

_SHORT = 10.0
"""Seconds below which the largest problem is solved three times."""

_HOUR = 3600.0

Times = Mapping[int, float]


def exponent(times: Times) -> float | None:
    """Return the power of n that fits the times best, by least squares of the logarithms; None for too few."""
    fitted = {n: seconds for n, seconds in times.items() if n >= FITTED_FROM}
    if len(fitted) < _ENOUGH:
        return None
    return float(np.polyfit(np.log(list(fitted)), np.log(list(fitted.values())), 1)[0])


def predicted(times: Times, n: int) -> float:
    """Return the seconds at n points, by the fit through the largest size; inf where there is none."""
    power = exponent(times)
    if power is None:
        return math.inf
    most = max(times)
    return times[most] * (n / most) ** power


def curves(
    rows: Sequence[Row], largest: Mapping[Key, float]
) -> dict[tuple[int, float, float], tuple[Times, Times]]:
    """Return, for each d, ε and error, the times of otgan and of the fastest peer by n."""
    found: dict[tuple[int, float, float], tuple[dict[int, float], dict[int, float]]] = {}
    for row in rows:
        ours, theirs = found.setdefault((row.d, row.relative, row.tol), ({}, {}))
        if row.reached:
            ours[row.n] = row.seconds
        if row.peer_seconds is not None:
            theirs[row.n] = row.peer_seconds
    for key, seconds in largest.items():
        if (key.d, key.relative, key.tol) in found:
            found[key.d, key.relative, key.tol][0][key.n] = seconds
    return dict(found)


def table(rows: Sequence[Row], largest: Mapping[Key, float]) -> list[tuple[Cell, ...]]:
    """Return the lines, one of otgan and one of the fastest peer for each d, ε and error."""
    lines: list[tuple[Cell, ...]] = []
    for (d, relative, tol), pair in sorted(curves(rows, largest).items()):
        for who, times in zip(("otgan", "fastest peer"), pair, strict=True):
            lines.append((d, relative, tol, who, *(times.get(n) for n in COLUMNS), exponent(times)))
    return lines


def heads() -> tuple[str, ...]:
    """Return the heads of the table."""
    return (HEADS[0], *HEADS[2:4], "contender", *(f"n = {n:,} (s)" for n in COLUMNS), "exponent")


def notes(largest: Mapping[Key, float]) -> list[str]:
    """Return what a reader of the table must know."""
    said = [
        "Times are those of the cells, from the samples to the answer; the fastest peer may be another in each. "
        f"The exponent is the slope of log time over log n, by least squares, from {FITTED_FROM} points on.",
    ]
    if largest:
        said.append(
            f"At {LARGEST:,} points otgan is measured alone, where it takes less than the time of a cell."
        )
    return said


def of_cells(result: Result) -> Result:
    """Return the table of recorded cells alone, with no largest problems."""
    name = f"growth{result.name.removeprefix('entropic')}"
    lines = tuple(table(rows_of(result), {}))
    return replace(result, name=name, columns=heads(), rows=lines, notes=tuple(notes({})))


def recorded(path: Path) -> dict[Key, float]:
    """Return the largest problems of an earlier run."""
    if not path.is_file():
        return {}
    column = heads().index(f"n = {LARGEST:,} (s)")
    return {
        Key(int(str(row[0])), LARGEST, float(str(row[1])), float(str(row[2]))): float(str(row[column]))
        for row in Result.read(path).rows
        if row[3] == "otgan" and row[column] is not None
    }


def measure(rows: Sequence[Row], limit: float, largest: dict[Key, float], done: Callable[[], bool]) -> None:
    """Solve the largest problem of each d, ε and error that is not among `largest` and takes less than the limit."""
    last: tuple[int, Problem | None] = (0, None)
    for (d, relative, tol), (ours, _) in sorted(curves(rows, {}).items()):
        key = Key(d, LARGEST, relative, tol)
        if key in largest or predicted(ours, LARGEST) > limit:
            continue
        if done():
            return
        if last[0] != d:
            last = (d, points(d, LARGEST, "cpu"))
        problem = last[1]
        if problem is None:
            continue
        at = problem.at(relative)
        attempt = Otgan().attempt(at, tol, limit)
        if attempt.error <= tol:
            again = 2 if attempt.seconds < _SHORT else 0
            seconds = [attempt.seconds, *(Otgan().attempt(at, tol, limit).seconds for _ in range(again))]
            largest[key] = statistics.median(seconds)
            print(f"d={d} ε={relative:g} tol={tol:g}: {largest[key]:.3g} s", flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure the largest problems, and record the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="the recorded cells alone, nothing recorded")
    parser.add_argument("--resume", action="store_true", help="keep the largest problems that are recorded")
    parser.add_argument("--cell-limit", type=float, default=60.0, help="seconds of a solve (default: 60)")
    parser.add_argument("--hours", type=float, default=math.inf, help="start no solve after so many hours")
    add_options(parser)
    options = parser.parse_args(argv)
    prepare(options)
    path = RESULTS / "entropic.json"
    if not path.is_file():
        raise SystemExit("error: there are no cells yet: run python -m benchmarks.entropic first")
    rows, begun = rows_of(Result.read(path)), time.monotonic()
    largest = recorded(RESULTS / "growth.json") if options.resume else {}
    if not options.quick:
        measure(rows, options.cell_limit, largest, lambda: time.monotonic() - begun > _HOUR * options.hours)
    lines = table(rows, largest)
    for line in lines:
        print(*("–" if cell is None else f"{cell:.3g}" if isinstance(cell, float) else cell for cell in line))
    if not options.quick:
        record("growth", heads(), lines, notes=[*notes(largest), clock()])


if __name__ == "__main__":
    main()
