"""Exact transport beside POT, SciPy and lapx: ``python -m benchmarks.exact [--quick] [--resume] [--hours H]``.

A cell is a family of points, their number and dimension, a power and weights or none. Contenders run in turns in one process,
from the points to the cost; a cell is written when it is done. Large problems, which only
otgan is given, have a process each.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

import otgan
from benchmarks.clouds import FAMILIES, PIXELS, cloud, weights
from benchmarks.peak import peak_memory
from benchmarks.record import RESULTS, Cell, Result, record
from benchmarks.timing import add_options, prepare, timed
from otgan.exact.pot import import_pot

SIZES, DIMENSIONS, POWERS = (1000, 2000, 4000, 10_000), (2, 3, 16, 64, PIXELS), (2, 1)
SMALL = (50, 100, 200, 500)
PEERS = ("POT", "POT lazy", "SciPy", "lapx")
LARGE = [
    *((n, d, p) for n in (1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000) for d in (2, 3) for p in (2, 1)),
    (200_000, 2, 2),
    (200_000, 3, 2),
    (200_000, 2, 1),
    (500_000, 2, 2),
    (20_000, 64, 2),
    (20_000, 64, 1),
]
AIM = 3.0

_LIMIT = 10**9  # pivots: POT's default of 1e5 ends with a partial cost
_SECONDS = 120.0
"""What a peer may take at the next size by what it took at this one, the time growing like the cube of the points."""

_BATCH, _EACH = 1000, 200

_ENOUGH = 3
"""Sizes that a fit needs."""

_BRIEF = 2.0
"""Seconds of a contender below which it runs three times."""


@dataclass(frozen=True)
class Key:
    """A cell."""

    family: str
    n: int
    d: int
    p: int
    weighted: bool


HEADS = (
    "points",
    "n = m",
    "d",
    "p",
    "weights",
    "solver chosen",
    "otgan (s)",
    *(f"{name} (s)" for name in PEERS),
    "fastest peer / otgan",
    "difference to POT, relative",
    "gap of the certificate, relative",
)

LARGE_HEADS = (
    "n = m",
    "d",
    "p",
    "time (s)",
    "gap of the certificate, relative",
    "memory (GiB)",
)


def contenders(key: Key) -> dict[str, Callable[[], float]]:
    """Return what is timed, from the points to ⟨P, C⟩: every peer makes its own costs, in its own way."""
    found = cloud(key.family, key.n, key.d)
    assert found is not None
    x, y = found
    a, b = (w / w.sum() for w in (weights(key.n) if key.weighted else (np.ones(key.n), np.ones(key.n))))
    given, pot = (a, b) if key.weighted else (), import_pot()
    metric = {1: "euclidean", 2: "sqeuclidean"}[key.p]

    def assigned(solve: Callable[[Any], Any]) -> float:
        cost = pot.dist(x, y, metric=metric)
        return float(cost[np.arange(key.n), solve(cost)].mean())

    runs: dict[str, Callable[[], float]] = {
        "otgan": lambda: otgan.transport(x, y, *given, p=key.p).value,
        "POT": lambda: float(pot.lp.emd2(a, b, pot.dist(x, y, metric=metric), numItermax=_LIMIT)),
        "POT lazy": lambda: float(
            pot.lp.emd2_lazy(x, y, a, b, metric=metric, numItermax=_LIMIT, return_matrix=False)
        ),
    }
    if not key.weighted:
        runs["SciPy"] = lambda: assigned(lambda cost: linear_sum_assignment(cost)[1])
        try:
            import lap
        except ImportError:
            return runs
        runs["lapx"] = lambda: assigned(lambda cost: lap.lapjv(cost)[1])
    return runs


def measure(key: Key, slow: set[tuple[Any, ...]]) -> tuple[Cell, ...]:
    """Time the contenders in turns and return a row of the table; note in `slow` whom the next size would take too long."""
    kind = (key.family, key.d, key.p, key.weighted)
    runs = {name: run for name, run in contenders(key).items() if (name, *kind) not in slow}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    values = {}
    for turn in range(3):
        for name, run in runs.items():
            if turn == 0 or statistics.median(seconds[name]) < _BRIEF:
                spent, values[name] = timed(run)
                seconds[name].append(spent)
    median = {name: statistics.median(several) for name, several in seconds.items()}
    larger = [n for n in SIZES if n > key.n]
    for name, spent in median.items():
        if larger and name != "otgan" and spent * (larger[0] / key.n) ** 3 > _SECONDS:
            slow.add((name, *kind))
    found = cloud(key.family, key.n, key.d)
    assert found is not None
    t = otgan.transport(*found, *(weights(key.n) if key.weighted else ()), p=key.p)
    peers = [median[name] for name in PEERS if name in median]
    return (
        *astuple(key)[:4],
        "random" if key.weighted else "equal",
        t.backend,
        median["otgan"],
        *(median.get(name) for name in PEERS),
        min(peers) / median["otgan"] if peers else None,
        abs(values["otgan"] - values["POT"]) / values["POT"] if "POT" in values else None,
        (t.upper - t.lower) / t.value,
    )


def keys(sizes: Sequence[int]) -> Iterator[Key]:
    """Yield the cells, small sizes of a kind first."""
    for n, d, p, weighted, family in product(sizes, DIMENSIONS, POWERS, (False, True), FAMILIES):
        if n in SMALL and (d not in {2, 64} or family != "gaussians"):
            continue
        if cloud(family, 4, d) is not None:
            yield Key(family, n, d, p, weighted)


def summary(rows: Sequence[Sequence[Cell]]) -> list[tuple[Cell, ...]]:
    """Return, for each n, d, p and weights, the median and the least ratio over the families."""
    ratio = HEADS.index("fastest peer / otgan")
    groups: dict[tuple[Cell, ...], list[float]] = {}
    for row in rows:
        if row[ratio] is not None:
            groups.setdefault(tuple(row[1:5]), []).append(float(str(row[ratio])))
    return [
        (*group, len(found), statistics.median(found), min(found), statistics.median(found) >= AIM)
        for group, found in groups.items()
    ]


def large(n: int, d: int, p: int) -> dict[str, Any]:
    """Solve a problem whose costs nobody stores, in this process, and say what it took."""
    points = cloud("gaussians", n, d)
    assert points is not None
    small = cloud("gaussians", 3000, d)
    assert small is not None
    otgan.transport(
        *small, p=p, backend="certified"
    )  # what is compiled and imported on first use is not timed
    start = time.perf_counter()
    t = otgan.transport(*points, p=p, backend="certified", on_failure="raise")
    value, lower, upper = t.value, t.lower, t.upper
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "gap": (upper - lower) / value,
        "memory": peak_memory() / 2**30,
    }


def large_rows(
    done: Sequence[Sequence[Cell]], threads: int, over: Callable[[], bool]
) -> Iterator[tuple[Cell, ...]]:
    """Yield the rows of large problems that are not done yet."""
    known = {tuple(row[:3]) for row in done}
    for n, d, p in LARGE:
        if (n, d, p) in known or over():
            continue
        command = [
            sys.executable,
            "-m",
            "benchmarks.exact",
            "--one",
            *map(str, (n, d, p)),
            "--threads",
            str(threads),
        ]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = json.loads(text.splitlines()[-1])
        yield (n, d, p, *(found[name] for name in ("seconds", "gap", "memory")))


def headline(rows: Sequence[Sequence[Cell]]) -> list[tuple[Cell, ...]]:
    """Return the largest problem of each d and p, as the README shows them."""
    ascending = sorted(rows, key=lambda row: int(str(row[0])))
    largest = {tuple(row[1:3]): row for row in ascending}
    descending = sorted(largest.values(), key=lambda row: -int(str(row[0])))
    return [(n, d, p, seconds, memory, gap) for n, d, p, seconds, gap, memory in descending]


def growth(rows: Sequence[Sequence[Cell]]) -> list[tuple[Cell, ...]]:
    """Return the exponent of n from 10,000 points on, and the times of 20,000 and 200,000, for each d and p."""
    lines: list[tuple[Cell, ...]] = []
    for d, p in product((2, 3), POWERS):
        times = {int(str(row[0])): float(str(row[3])) for row in rows if (row[1], row[2]) == (d, p)}
        fitted = {n: seconds for n, seconds in times.items() if n >= SIZES[-1]}
        if len(fitted) >= _ENOUGH:
            power = float(np.polyfit(np.log(list(fitted)), np.log(list(fitted.values())), 1)[0])
            tenfold = times[200_000] / times[20_000] if {20_000, 200_000} <= set(times) else None
            lines.append((d, p, power, tenfold))
    return lines


def batch() -> list[tuple[Cell, ...]]:
    """Return the times of a thousand small problems at once, and one by one by POT."""
    rng, pot = np.random.default_rng(0), import_pot()
    x, y = rng.standard_normal((2, _BATCH, _EACH, 2))
    uniform = np.full(_EACH, 1 / _EACH)

    def ours(p: int) -> Any:
        return otgan.transport(x, y, p=p).value

    def theirs(p: int) -> list[float]:
        metric = {1: "euclidean", 2: "sqeuclidean"}[p]
        costs = (pot.dist(u, v, metric=metric) for u, v in zip(x, y, strict=True))
        return [pot.lp.emd2(uniform, uniform, cost) for cost in costs]

    rows: list[tuple[Cell, ...]] = []
    for p in POWERS:
        ours(p)
        first = statistics.median(timed(partial(ours, p))[0] for _ in range(3))
        second = timed(partial(theirs, p))[0]
        rows.append((_BATCH, _EACH, 2, p, first, second, second / first))
    return rows


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.exact", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="small sizes of Gaussians, nothing recorded")
    parser.add_argument("--resume", action="store_true", help="keep the cells that are already recorded")
    parser.add_argument("--hours", type=float, default=math.inf, help="start no cell after so many hours")
    parser.add_argument(
        "--large",
        action="store_true",
        help="only otgan, up to half a million points, and a thousand small problems",
    )
    parser.add_argument(
        "--families", nargs="+", choices=FAMILIES, default=FAMILIES, help="only cells of these points"
    )
    parser.add_argument("--one", type=int, nargs=3, metavar=("N", "D", "P"), help=argparse.SUPPRESS)
    add_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Time every cell that is not recorded yet, and write the tables after each."""
    options = parse(argv)
    prepare(options)
    if options.one:
        print(json.dumps(large(*options.one)))
        return
    begun = time.monotonic()
    kept = {
        name: [list(row) for row in _rows(name)] if options.resume else []
        for name in ("exact", "exact-large")
    }
    known = {tuple(row[:5]) for row in kept["exact"]}
    slow: set[tuple[Any, ...]] = set()

    def over() -> bool:
        return time.monotonic() - begun > 3600 * options.hours

    contenders(Key("gaussians", 50, 2, 2, False))["otgan"]()
    for key in [] if options.large else keys(SMALL if options.quick else (*SMALL, *SIZES)):
        identity = (*astuple(key)[:4], "random" if key.weighted else "equal")
        if key.family not in options.families:
            continue
        if identity in known:
            _note(kept["exact"], identity, slow)
            continue
        if over():
            print(f"stopped after {options.hours:g} h; --resume goes on")
            return
        row = measure(key, slow)
        print("  ".join(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row), flush=True)
        kept["exact"].append(list(row))
        if not options.quick:
            _write_cells(kept["exact"])
    if options.quick:
        return
    for row in large_rows(kept["exact-large"], options.threads, over):
        print("  ".join(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row), flush=True)
        kept["exact-large"].append(list(row))
        _write_large(kept["exact-large"])
    record(
        "exact-batch",
        ("problems", "n = m", "d", "p", "otgan (s)", "POT, one by one (s)", "ratio"),
        batch(),
    )


def _note(rows: Sequence[Sequence[Cell]], identity: tuple[Cell, ...], slow: set[tuple[Any, ...]]) -> None:
    """Take from a recorded cell whom the next size would take too long."""
    family, n, d, p, kind = identity
    row = next(row for row in rows if tuple(row[:5]) == identity)
    larger = [size for size in SIZES if size > int(str(n))]
    for name, spent in zip(PEERS, row[7 : 7 + len(PEERS)], strict=True):
        late = spent is None or (larger and float(str(spent)) * (larger[0] / int(str(n))) ** 3 > _SECONDS)
        if late:
            slow.add((name, family, d, p, kind == "random"))


def _rows(name: str) -> tuple[tuple[Cell, ...], ...]:
    path = RESULTS / f"{name}.json"
    return Result.read(path).rows if path.exists() else ()


def _write_cells(rows: list[list[Cell]]) -> None:
    """Write the tables beside peers."""
    write = _writer()
    write(
        "exact",
        HEADS,
        rows,
        notes=[
            "From the points to ⟨P, C⟩, costs included; float64, medians of three in turns in one process, slow ones once.",
            f"A peer that by its time at one size would take more than {_SECONDS:g} s at the next is not run there. POT's limit of "
            "iterations is raised from its default, which ends larger problems at a partial cost.",
            "Gaussians: N(0, I) to N(½, 1.3² I). Square: two uniform draws. Clusters: twenty, of other weights on either side. Moons: "
            "two half circles to a ring. Lattice: whole numbers, so few that points share places. MNIST: two disjoint draws of images, "
            "in 16 or 64 principal directions or all pixels.",
        ],
    )
    heads = (*HEADS[1:5], "families", "median ratio", "least ratio", f"median at least {AIM:g}")
    write(
        "exact-summary",
        heads,
        summary(rows),
        notes=["A ratio is the fastest peer's time over otgan's. Where no peer was run there is none."],
    )


def _write_large(rows: list[list[Cell]]) -> None:
    """Write the tables of large problems."""
    write = _writer()
    said = [
        "N(0, I) to N(½, 1.3² I), equal weights; each in a process of its own, from the points to the cost and its certified bounds. "
        "Memory is the most that the process has ever held."
    ]
    write("exact-large", LARGE_HEADS, rows, notes=said)
    write(
        "exact-headline",
        (
            "points on either side",
            "dimensions",
            "p",
            "seconds",
            "memory (GiB)",
            "relative gap of the certificate",
        ),
        headline(rows),
    )
    write(
        "exact-growth",
        ("d", "p", "exponent of n from 10,000 on", "time at 200,000 over time at 20,000"),
        growth(rows),
    )


def _writer() -> Any:
    return partial(record, packages=("lapx",) if _has_lapx() else ())


def _has_lapx() -> bool:
    from importlib.util import find_spec

    return find_spec("lap") is not None


if __name__ == "__main__":
    main()
