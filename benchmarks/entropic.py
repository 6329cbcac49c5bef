"""Entropic transport against its peers, cell by cell: ``python -m benchmarks.entropic [--quick] [--resume]``.

A cell is a problem (n points of dimension d on either side), an ε and an L1 error of the marginals to reach. Every
contender runs in this one process, at float64, with the same threads, from the samples to the answer. A cell is written
when it is done; ``--resume`` goes on where a run ended.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Sequence

from benchmarks.grid import DIMENSIONS, EPSILONS, SIZES, TOLERANCES, grid, problems
from benchmarks.ledger import Ledger, Row
from benchmarks.peers import Contender, Otgan, Ott, distributions, field_of_peers
from benchmarks.problems import gaussians
from benchmarks.race import MOST, RACE, measure
from benchmarks.record import RESULTS
from benchmarks.summary import AIM, write_all
from benchmarks.timing import add_options, clock, prepare

_QUICK_LIMIT = 10.0
"""Seconds of a cell in a glance."""

_HOUR = 3600.0

_WARMED = (50, 2, 1e-1, 1e-3)
"""The problem (n, d, ε, error) on which packages are imported and loops compiled before anything is timed."""


def notes(limit: float, peers: Sequence[Contender], missing: bool) -> list[str]:
    """Return what a reader of the tables must know."""
    compilations = [seconds for peer in peers if isinstance(peer, Ott) for seconds in peer.compilations]
    said = [
        "x ~ N(0, I) and y ~ N(½, 1.3² I); d = 784: two disjoint draws of MNIST images. Uniform weights, float64.",
        "Errors are the L1 errors of both marginals together, recomputed in float64 from what each contender returns.",
        "Every time runs from the samples to the answer: the peers' cost matrices, made in the quickest of several ways, "
        "are in their times.",
        f"{clock()} Warm runs in one process: medians of up to {MOST} in turns, as many as there is time for; slow ones "
        "once.",
        f"A cell has {limit:g} s for everything. A peer that did not arrive in its share ('>', with the seconds and the "
        "error of its last run) or breaks down is not run with more points, a smaller error or a smaller ε (solvers of "
        "sparse plans: at the same ε) of the same kind; one that has used "
        f"{RACE:g} times the fastest peer's time is stopped ('slower').",
    ]
    if compilations:
        said.append(
            f"OTT-JAX is compiled beforehand, {statistics.median(compilations):.1f} s a shape in the median; "
            "that time is not counted."
        )
    elif not any(isinstance(peer, Ott) for peer in peers):
        said.append("OTT-JAX did not run here: there is no JAX for this device.")
    if missing:
        said.append(
            "The cells of d = 784 are missing: there was no copy of MNIST (set OTGAN_DATA to its folder)."
        )
    return said


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.entropic", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="eight small cells, nothing recorded")
    add_options(parser)
    parser.add_argument(
        "--cell-limit", type=float, default=60.0, help="seconds of a cell, everything included (default: 60)"
    )
    parser.add_argument("--hours", type=float, default=math.inf, help="start no cell after so many hours")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="only these n")
    parser.add_argument("--dimensions", type=int, nargs="+", default=DIMENSIONS, help="only these d")
    parser.add_argument("--epsilons", type=float, nargs="+", default=EPSILONS, help="only these shares")
    parser.add_argument("--tolerances", type=float, nargs="+", default=TOLERANCES, help="only these errors")
    parser.add_argument("--resume", action="store_true", help="keep the cells that are already recorded")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure the cells that are not recorded yet, and write the tables after each."""
    options = parse(argv)
    prepare(options)
    limit = min(_QUICK_LIMIT, options.cell_limit) if options.quick else options.cell_limit
    peers = field_of_peers(options.device)
    ledger = Ledger([peer.name for peer in peers], RESULTS, "-cuda" if options.device == "cuda" else "")
    if options.resume and not options.quick:
        ledger.resume()
    keys = [
        key
        for key in grid(options.quick)
        if key not in ledger.rows
        and (options.quick or key.n in options.sizes)
        and key.d in options.dimensions
        and key.relative in options.epsilons
        and key.tol in options.tolerances
    ]
    n, d, relative, tol = _WARMED
    for contender in (Otgan(), *peers):
        contender.attempt(gaussians(n, d, relative, device=options.device), tol, limit)
    begun, missing = time.monotonic(), False
    for key, problem in problems(keys, options.device):
        if time.monotonic() - begun > _HOUR * options.hours:
            print(f"stopped after {options.hours:g} h; --resume goes on")
            break
        if problem is None:
            missing = True
            continue
        start = time.monotonic()
        ledger.add(measure(key, problem, peers, ledger, limit))
        print(line(ledger.rows[key]), f"[{time.monotonic() - start:.0f} s]", flush=True)
        for name, cell in ledger.tried[key].items():
            print(f"      {name:30s} {f'{cell:.3g} s' if isinstance(cell, float) else cell}", flush=True)
        if not options.quick:
            write_all(ledger.write(notes(limit, peers, missing), distributions(peers)), RESULTS)
    ratios = [row.ratio for row in ledger.rows.values() if row.ratio is not None]
    if ratios:
        short = sum(ratio < AIM for ratio in ratios)
        print(
            f"geometric mean {statistics.geometric_mean(ratios):.1f}, least {min(ratios):.2f}, "
            f"{short} of {len(ratios)} below {AIM:g}"
        )


def line(row: Row) -> str:
    """Return a cell in one line."""
    other = "no peer" if row.peer is None else f"{row.peer} {row.peer_seconds:.3g} s"
    ratio = "" if row.ratio is None else f", ratio {row.ratio:.2f}"
    floor = "" if row.floor is None else f", {row.seconds / row.floor:.1f} times product and exp"
    return (
        f"d={row.d} n={row.n} ε={row.relative:g} tol={row.tol:g}: {row.seconds:.3g} s "
        f"({row.error:.1e}, {row.passes} passes) | {other}{ratio}{floor}"
    )


if __name__ == "__main__":
    main()
