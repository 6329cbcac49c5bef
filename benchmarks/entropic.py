"""Entropic transport against its peers, cell by cell: ``python -m benchmarks.entropic [--quick] [--resume]``.

A cell is a problem (n points of dimension d on either side), an ε and an L1 error of the marginals to reach. Every
contender runs in this one process, at float64, with the same threads. A peer receives the cost matrix; otgan computes
it within its time.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.peers import Attempt, Contender, Otgan, Ott, field_of_peers
from benchmarks.problems import Problem, gaussians, mnist
from benchmarks.record import RESULTS, Cell, Result, record
from benchmarks.timing import add_options, clock, in_turns, prepare

SIZES = (500, 1000, 2000, 5000)
MNIST_PIXELS = 784
DIMENSIONS = (2, 64, MNIST_PIXELS)
EPSILONS = (1e-1, 1e-2, 1e-3)
TOLERANCES = (1e-3, 1e-6)

HEADS = (
    "d",
    "n",
    "ε / mean cost",
    "L1 error asked",
    "otgan (s)",
    "its error",
    "passes",
    "fastest peer",
    "its time (s)",
    "its error ",
    "ratio",
    "costs (s)",
    "ratio with costs",
)

SUMMARY_HEADS = (
    "ε / mean cost",
    "L1 error asked",
    "cells",
    "reached by otgan",
    "by a peer",
    "least ratio",
    "geometric mean",
    "with costs",
)

_RATIO = HEADS.index("ratio")

_RACE = 2.0
"""A peer is stopped after this many times the fastest peer's time: it can no longer change the ratio."""

_BROKEN = "breaks down:"
"""What is said of a peer that ends early with no plan at all, as kernels that underflow do."""

_BRIEF = 0.3
"""Seconds that every peer has in any case."""

_EARLY = 0.2
"""Share of its time before which a peer that ends far off has broken down."""

_ROUNDS = ((10, 1), (0.3, 3), (0, 7))
"""How often a race is run whose longest solve takes more than so many seconds."""

_FEW = 3
"""A ratio below which there are peers that are not far behind."""

_CLOSE = 1.5
"""Peers whose first run was within this factor of the fastest are timed again, in turns with otgan."""


@dataclass(frozen=True, order=True)
class Key:
    """Which cell: dimension, points, ε as a share of the mean cost, and the error asked for."""

    d: int
    n: int
    relative: float
    tol: float

    def is_harder_than(self, other: Key) -> bool:
        """Whether who fails at `other` would fail here: the same kind of points, no fewer, ε and error no larger."""
        same = self.d == other.d
        return same and self.n >= other.n and self.relative <= other.relative and self.tol <= other.tol


def grid(quick: bool) -> list[Key]:
    """Return the cells, small problems first."""
    if quick:
        return [
            Key(d, 500, relative, tol) for d in (2, 64) for relative in EPSILONS[:2] for tol in TOLERANCES
        ]
    return [
        Key(d, n, relative, tol)
        for n in SIZES
        for d in DIMENSIONS
        for relative in EPSILONS
        for tol in TOLERANCES
    ]


def problems(keys: Sequence[Key], device: str) -> Iterator[tuple[Key, Problem | None]]:
    """Yield every cell with its problem, whose costs are computed once for all its ε and errors."""
    last: tuple[int, int] | None = None
    points: Problem | None = None
    for key in keys:
        if (key.d, key.n) != last:
            last = (key.d, key.n)
            points = (
                mnist(key.n, 1.0, device=device)
                if key.d == MNIST_PIXELS
                else gaussians(key.n, key.d, 1.0, device=device)
            )
        yield key, None if points is None else points.at(key.relative)


class Table:
    """The cells measured so far, as the two tables they are written to."""

    def __init__(self, peers: Sequence[str], directory: Path, suffix: str = "") -> None:
        self.peers, self.directory = tuple(peers), directory
        self.names = (f"entropic{suffix}", f"entropic-peers{suffix}")
        self.rows: dict[Key, tuple[Cell, ...]] = {}
        self.others: dict[Key, tuple[Cell, ...]] = {}
        self.fresh: set[Key] = set()  # what this run has measured

    def resume(self) -> None:
        """Take up the cells of an earlier run."""
        paths = [self.directory / f"{name}.json" for name in self.names]
        if not all(path.is_file() for path in paths):
            return
        rows, others = (Result.read(path) for path in paths)
        if others.columns[4:] != self.peers:
            raise SystemExit(f"{paths[1]} was measured with other peers, {others.columns[4:]}: start afresh")
        self.rows = {_key(row): row for row in rows.rows}
        self.others = {_key(row): row for row in others.rows}

    def drop_unreached(self) -> None:
        """Forget the cells that no peer reached, so that they are measured again."""
        for key in [key for key, row in self.rows.items() if row[_RATIO] is None]:
            del self.rows[key], self.others[key]

    def failed(self, peer: str) -> list[Key]:
        """Return the cells in which a peer broke down, or used up its whole time in this run.

        An earlier run may have given it less time.
        """
        column = 4 + self.peers.index(peer)
        return [
            key
            for key, row in self.others.items()
            if str(row[column]).startswith((_BROKEN, ">") if key in self.fresh else _BROKEN)
        ]

    def ratios(self, *, with_costs: bool = False) -> list[float]:
        """Return how many times faster otgan was, in the cells that it and a peer reached."""
        column = -1 if with_costs else _RATIO
        return [float(str(row[column])) for row in self.rows.values() if row[column] is not None]

    def write(self, notes: Sequence[str], packages: Sequence[str], command: str | None) -> None:
        """Write both tables, in the order of their cells."""
        ratios = self.ratios()
        said = []
        if ratios:
            ours = sum(float(str(row[5])) <= key.tol for key, row in self.rows.items())
            said = [
                f"{len(self.rows)} cells; otgan reached {ours} and a peer {len(ratios)}. Over the latter the ratio is "
                f"{statistics.geometric_mean(ratios):.1f} in the geometric mean and {min(ratios):.2f} at least, "
                f"and below {_FEW} in {sum(ratio < _FEW for ratio in ratios)}; with the costs in the peers' times it is "
                f"{statistics.geometric_mean(self.ratios(with_costs=True)):.1f} in the geometric mean."
            ]
        for name, heads, rows in (
            (self.names[0], HEADS, self.rows),
            (self.names[1], (*HEADS[:4], *self.peers), self.others),
        ):
            record(
                name,
                heads,
                [rows[key] for key in sorted(rows)],
                notes=[*said, *notes],
                packages=packages,
                command=command,
                directory=self.directory,
            )
        summary(Result.read(self.directory / f"{self.names[0]}.json")).write(self.directory)


def summary(result: Result) -> Result:
    """Return, for each ε and error asked for, how many cells were reached and how the times compare."""
    rows: list[tuple[Cell, ...]] = []
    for relative in EPSILONS:
        for tol in TOLERANCES:
            cells = [row for row in result.rows if (row[2], row[3]) == (relative, tol)]
            if not cells:
                continue
            against = [row for row in cells if row[_RATIO] is not None]
            ratios = [[float(str(row[column])) for row in against] for column in (_RATIO, -1)]
            means = [statistics.geometric_mean(values) if values else None for values in ratios]
            reached = sum(float(str(row[5])) <= tol for row in cells)
            least = min(ratios[0], default=None)
            rows.append((relative, tol, len(cells), reached, len(against), least, *means))
    note = "A ratio is the fastest peer's time over otgan's; in the last column the costs are added to the peer's."
    return replace(
        result, name=f"{result.name}-summary", columns=SUMMARY_HEADS, rows=tuple(rows), notes=(note,)
    )


def measure(
    key: Key, problem: Problem, peers: Sequence[Contender], table: Table, limit: float
) -> tuple[tuple[Cell, ...], tuple[Cell, ...]]:
    """Return the row of a cell, and that of all peers."""
    ours = Otgan()
    ours.attempt(problem, key.tol, limit)
    reached = ours.attempt(problem, key.tol, limit)
    texts: list[Cell] = []
    done: list[tuple[Contender, Attempt]] = []
    best = math.inf
    for peer in peers:
        before = [other for other in table.failed(peer.name) if key.is_harder_than(other)]
        if before:
            easier = min(before)
            texts.append(f"not run: failed at n = {easier.n}, ε = {easier.relative:g}, error {easier.tol:g}")
            continue
        allowed = min(limit, max(_RACE * best, _BRIEF))
        attempt = peer.attempt(problem, key.tol, allowed)
        if attempt.error <= key.tol:
            best = min(best, attempt.seconds)
            done.append((peer, attempt))
            texts.append(attempt.seconds)
        else:
            error = f"(error {attempt.error:.1e})" if math.isfinite(attempt.error) else attempt.words
            if attempt.seconds < _EARLY * allowed and attempt.error > 1:
                word = _BROKEN
            else:
                word = ">" if allowed >= limit else "slower:"
            texts.append(f"{word} {attempt.seconds:.2g} s {error}")
    closest = [(peer, attempt) for peer, attempt in done if attempt.seconds <= _CLOSE * best]
    longest = max([reached.seconds, *(attempt.seconds for _, attempt in closest)])
    rounds = next(rounds for seconds, rounds in _ROUNDS if longest > seconds)
    runs = [reached.again, *(attempt.again for _, attempt in closest), problem.computed_cost]
    *seconds, costs = in_turns(runs, rounds)
    head: tuple[Cell, ...] = (key.d, key.n, key.relative, key.tol)
    row: tuple[Cell, ...] = (*head, seconds[0], reached.error, reached.passes)
    if not closest:
        return (*row, "none", None, None, None, costs, None), (*head, *texts)
    fastest = min(range(len(closest)), key=lambda i: seconds[1 + i])
    peer, attempt = closest[fastest]
    taken = seconds[1 + fastest]
    ratios = (taken / seconds[0], (taken + costs) / seconds[0]) if reached.error <= key.tol else (None, None)
    row = (*row, peer.name, taken, attempt.error, ratios[0], costs, ratios[1])
    return row, (*head, *texts)


def notes(limit: float, peers: Sequence[Contender], missing: bool) -> list[str]:
    """Return what a reader of the tables must know."""
    compilations = [seconds for peer in peers if isinstance(peer, Ott) for seconds in peer.compilations]
    said = [
        "x ~ N(0, I) and y ~ N(½, 1.3² I); d = 784: two disjoint draws of MNIST images. Uniform weights, float64.",
        "Errors are the L1 errors of both marginals together, recomputed in float64 from what each contender returns.",
        "otgan's time starts from the points and includes the costs; the peers are given the cost matrix, and the "
        "ratio is that of these times. The last column adds to the peer's time what the matrix takes us.",
        f"{clock()} Warm runs, in turns in one process: medians of seven, of three where one takes over 0.3 s, "
        "a single one where one takes over 10 s.",
        f"A peer's time in a cell is limited, in the latest run to {limit:g} s ('>': used up, with the seconds and the "
        f"error reached; tuning its knob takes further runs); it is stopped ('slower') at {_RACE:g} times the fastest peer's time, and is not run again with more points, a "
        "smaller ε or a smaller error where it has failed.",
    ]
    if compilations:
        said.append(
            f"OTT-JAX is compiled beforehand, {statistics.median(compilations):.1f} s a shape in the median; "
            "that time is not counted."
        )
    else:
        said.append("OTT-JAX did not run here: there is no JAX for this device.")
    if missing:
        said.append("Without a copy of MNIST (OTGAN_DATA) the cells with d = 784 are left out.")
    return said


def main(argv: Sequence[str] | None = None) -> None:
    """Measure the grid, cell by cell, and write the tables after every cell."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.entropic", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="eight small cells, nothing recorded")
    add_options(parser)
    parser.add_argument("--cell-limit", type=float, default=60.0, help="seconds a peer has in a cell")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="only these n")
    parser.add_argument("--resume", action="store_true", help="keep the cells that are already recorded")
    parser.add_argument(
        "--unreached", action="store_true", help="--resume, and the cells again that no peer reached"
    )
    options = parser.parse_args(argv)
    prepare(options)
    limit = 2.0 if options.quick else options.cell_limit
    peers = field_of_peers(options.device, limit)
    table = Table([peer.name for peer in peers], RESULTS, "-cuda" if options.device == "cuda" else "")
    if (options.resume or options.unreached) and not options.quick:
        table.resume()
        if options.unreached:
            table.drop_unreached()
    keys = [key for key in grid(options.quick) if key not in table.rows and key.n in options.sizes]
    missing = False
    for key, problem in problems(keys, options.device):
        if problem is None:
            missing = True
            continue
        start = time.monotonic()
        table.fresh.add(key)
        table.rows[key], table.others[key] = measure(key, problem, peers, table, limit)
        print(_line(table.rows[key]), f"[{time.monotonic() - start:.0f} s]", flush=True)
        for name, cell in zip(table.peers, table.others[key][4:], strict=True):
            print(f"      {name:30s} {f'{cell:.3g} s' if isinstance(cell, float) else cell}", flush=True)
        if not options.quick:
            packages = sorted({peer.package for peer in peers} - {"pot", "geomloss"})
            table.write(notes(limit, peers, missing), [*packages, "jax"] if packages else [], None)
    ratios = table.ratios()
    if ratios:
        print(f"geometric mean {statistics.geometric_mean(ratios):.1f}, least {min(ratios):.2f}")


def _key(row: Sequence[Cell]) -> Key:
    d, n, relative, tol = (float(str(cell)) for cell in row[:4])
    return Key(int(d), int(n), relative, tol)


def _line(row: Sequence[Cell]) -> str:
    d, n, relative, tol, ours, error, passes, peer, seconds, _, ratio, _, full = row
    other = (
        ""
        if seconds is None or ratio is None
        else f"{seconds:.3g} s, ratio {ratio:.2f}, with costs {full:.2f}"
    )
    return f"d={d} n={n} ε={relative:g} tol={tol:g}: {ours:.3g} s ({error:.1e}, {passes} passes) | {peer} {other}"


if __name__ == "__main__":
    main()
