"""The exact solvers beside POT's and SciPy's: ``python -m benchmarks.exact [--quick]``."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from tqdm import tqdm

import otgan
from benchmarks.record import Cell, record
from otgan.exact.pot import import_pot

_LIMIT = 10**9  # pivots: POT's default of 1e5 ends with a partial cost

Solver = Callable[[], float]


def problem(n: int, d: int, weighted: bool) -> tuple[np.ndarray, ...]:
    """Return x ~ N(0, I), y ~ N(½, 1.3² I), and weights, uniform ones too."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((n, d)), 0.5 + 1.3 * rng.standard_normal((n, d))
    a, b = (rng.random(n), rng.random(n)) if weighted else (np.ones(n), np.ones(n))
    return x, y, a / a.sum(), b / b.sum()


def solvers(n: int, d: int, p: int, weighted: bool) -> dict[str, Solver]:
    """Return what is timed, from the points to the value of ⟨P, C⟩: every solver makes its own costs."""
    x, y, a, b = problem(n, d, weighted)
    pot = import_pot()

    def costs() -> np.ndarray:
        cost: np.ndarray = pot.dist(x, y, metric={1: "euclidean", 2: "sqeuclidean"}[p])
        return cost

    def assignment() -> float:
        cost = costs()
        return float(cost[linear_sum_assignment(cost)].mean())

    weights = (a, b) if weighted else ()
    found: dict[str, Solver] = {
        "otgan": lambda: otgan.transport(x, y, *weights, p=p).value,
        "POT": lambda: float(pot.lp.emd2(a, b, costs(), numItermax=_LIMIT)),
    }
    if not weighted:
        found["SciPy"] = assignment
    return found


def measure(n: int, d: int, p: int, weighted: bool, rounds: int) -> tuple[Cell, ...]:
    """Time the solvers in turns and return a row of the table."""
    todo = solvers(n, d, p, weighted)
    times: dict[str, list[float]] = {name: [] for name in todo}
    values: dict[str, float] = {}
    for _ in range(rounds):
        for name, solve in todo.items():
            start = time.perf_counter()
            values[name] = solve()
            times[name].append(time.perf_counter() - start)
    x, y, a, b = problem(n, d, weighted)
    t = otgan.transport(x, y, *((a, b) if weighted else ()), p=p)
    median = {name: statistics.median(several) for name, several in times.items()}
    peers = [median[name] for name in todo if name != "otgan"]
    return (
        n,
        d,
        p,
        "weighted" if weighted else "uniform",
        t.backend,
        median["otgan"],
        median["POT"],
        median.get("SciPy"),
        min(peers) / median["otgan"],
        abs(values["otgan"] - values["POT"]) / values["POT"],
        (t.upper - t.lower) / t.value,
    )


def large(n: int, d: int) -> tuple[Cell, ...]:
    """Solve a problem whose costs nobody stores."""
    x, y, _, _ = problem(n, d, False)
    start = time.perf_counter()
    t = otgan.transport(x, y, p=2, backend="certified")
    seconds = time.perf_counter() - start
    return (n, d, 2, "uniform", t.backend, seconds, None, None, None, None, (t.upper - t.lower) / t.value)


def main(argv: Sequence[str] | None = None) -> None:
    """Time every case and record the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exact", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smallest size, once, nothing recorded")
    quick = parser.parse_args(argv).quick
    torch.set_num_threads(1)
    sizes = [(500, 5)] if quick else [(200, 9), (1000, 5), (2000, 3), (4000, 1)]
    cases = [
        (n, d, p, w, rounds) for n, rounds in sizes for d in (2, 64) for p in (1, 2) for w in (False, True)
    ]
    solvers(10, 2, 2, False)["otgan"]()  # what is imported on first use is not timed
    rows = [measure(*case) for case in tqdm(cases, disable=None)]
    if not quick:
        rows += [large(20_000, d) for d in (2, 64)]
    for row in rows:
        print("  ".join(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row), flush=True)
    if quick:
        return
    record(
        "exact",
        [
            "n = m",
            "d",
            "p",
            "weights",
            "solver chosen",
            "otgan (s)",
            "POT emd2 (s)",
            "SciPy assignment (s)",
            "fastest peer / otgan",
            "difference to POT, relative",
            "gap of the certificate, relative",
        ],
        rows,
        notes=[
            "From points to ⟨P, C⟩, costs included; float64, one thread, medians in turns in one process; "
            "x ~ N(0, I), y ~ N(½, 1.3² I).",
            "POT's iteration limit is raised from its default, which ends larger problems at a partial cost.",
            "At 20,000 points a matrix of costs takes 3.2 GB, and POT's simplex several times that; only the certified "
            "solver, whose memory grows with n + m, is run.",
        ],
    )


if __name__ == "__main__":
    main()
