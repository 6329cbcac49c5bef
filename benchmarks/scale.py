"""One problem over several processes: ``python -m benchmarks.scale [--nproc 2 4] [--rows N] [--parts PART ...] [--quick]``.

Groups of gloo on this machine, one thread a process: how far the solutions are from that of one process, bytes and seconds of
a pass beside the model of docs/scale.md, one pass of a large problem with its memory; exact problems beside what the share of
their search predicts; and all pairs of sets by joblib.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

import otgan
from benchmarks.peak import peak_memory
from benchmarks.record import Cell, record

D, RELATIVE, TOL = 3, 0.1, 1e-6
"""Dimensions, ε as a share of the mean cost, and the L1 error of solves."""

SIZES, LARGE = (10_000, 20_000), 1_000_000
EQUAL, EQUAL_TOL, FEW = (2_000, 20_000), 1e-9, 2_000
"""Points of problems whose solutions are compared, the error they are solved to, on kernels of float64, and points of a glance."""

EXACT, EXACT_D, EXACT_WARM = (20_000, 50_000), (2, 10), 6_000
"""Points and dimensions of exact problems, and points of one that loads what is compiled, and is shared as well."""

PASSES = 7
SETS, SAMPLES = (200, 500), 100
"""Sets whose pairs are measured, and samples of each: of the first a job of seconds, of the second one of a minute."""
WARM = 50
"""Of those, sets whose pairs are some batches, so that both workers are warm."""
HEADS = 6
"""Numbers that a rank tells of a step."""

_LOOPBACK = Path("/proc/net/dev")
_DOUBLE = 8

Job = Callable[[int, int, dict[str, Any]], dict[str, Any]]


def clouds(n: int, d: int = D) -> tuple[Any, Any, float]:
    """Return two clouds of n points and ε."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, d)), 1.3 * rng.normal(size=(n, d)) + 0.5
    mean = x.var(0).sum() + y.var(0).sum() + ((x.mean(0) - y.mean(0)) ** 2).sum()
    return x, y, RELATIVE * float(mean)


def model_bytes(n: int, m: int, ranks: int) -> int:
    """Bytes that a rank sends in a pass: sums of its rows to all, its part of those of columns, and what it has summed."""
    return _DOUBLE * (ranks - 1) * (-(-n // ranks) + 2 * -(-m // ranks) + HEADS)


def on_loopback() -> int | None:
    """Bytes that this machine has sent to itself, where it tells."""
    if not _LOOPBACK.is_file():
        return None
    line = next(line for line in _LOOPBACK.read_text().splitlines() if line.strip().startswith("lo:"))
    return int(line.split(":")[1].split()[8])


def solve(rank: int, size: int, task: dict[str, Any]) -> dict[str, Any]:
    """Solve one problem and return its value, its passes and how far it is from what was found before."""
    x, y, epsilon = clouds(task["n"])
    rows = [np.array_split(np.arange(len(side)), size)[rank] for side in (x, y)]
    points = [torch.tensor(side[own]).requires_grad_() for side, own in zip((x, y), rows, strict=True)]
    start = time.perf_counter()
    found = otgan.transport(
        *points, epsilon=epsilon, tol=task["tol"], backend="streamed", group=True if size > 1 else None
    )
    seconds = time.perf_counter() - start
    (gradient,) = torch.autograd.grad(found.value, points[:1])
    parts = {"f": found.f.detach().numpy(), "gradient": gradient.numpy()}
    result = {"value": found.value.item(), "passes": int(found.iterations), "seconds": seconds}
    if size == 1:
        np.savez(task["reference"], **parts)
        return result | {"f": 0.0, "gradient": 0.0}
    known = np.load(task["reference"])
    return result | {
        name: float(np.abs(part - known[name][rows[0]]).max() / np.abs(known[name]).max())
        for name, part in parts.items()
    }


def one_pass(rank: int, size: int, task: dict[str, Any]) -> dict[str, Any]:
    """Time passes over the kernel and count what they send, once one over a small kernel has loaded what is compiled."""
    import torch.distributed as dist

    from otgan.distributed.ranks import Ranks

    ranks = Ranks(dist.group.WORLD, torch.device("cpu")) if size > 1 else None
    _passing(ranks, FEW)()
    run, times = _passing(ranks, task["n"]), []
    if task["passes"] > 1:
        run()
    sent, before = 0 if ranks is None else ranks.sent, on_loopback()
    for _ in range(task["passes"]):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    after = on_loopback()
    lines = None if before is None or after is None else (after - before) / task["passes"]
    counted = 0 if ranks is None else (ranks.sent - sent) / task["passes"]
    return {"seconds": statistics.median(times), "sent": counted, "loopback": lines, "memory": peak_memory()}


def _passing(ranks: Any, n: int) -> Callable[[], object]:
    """Return what goes once over the kernel of two clouds of n points and back."""
    from otgan.costs import resolve
    from otgan.geometry import make_geometry
    from otgan.geometry.kernel import Turn

    x, y, epsilon = clouds(n)
    make = make_geometry if ranks is None else ranks.geometry
    geometry = make("streamed", x[None], y[None], resolve("euclidean", 2, 2))
    f, weights = np.zeros((1, n)), np.full((1, n), 1 / n)
    kernel = geometry.kernel(np.array([epsilon]), f, f, TOL)
    return lambda: kernel.through(weights, Turn(weights, divides=True))


def exact(rank: int, size: int, task: dict[str, Any]) -> dict[str, Any]:
    """Time an exact solve; in one process, with what its parts take."""
    found: dict[str, Any] = {}
    for n in (EXACT_WARM, task["n"]):
        x, y, _ = clouds(n, task["d"])
        if size == 1:
            found = timed_exactly(x, y)
            continue
        rows = [np.array_split(np.arange(len(side)), size)[rank] for side in (x, y)]
        start = time.perf_counter()
        solved = otgan.transport(x[rows[0]], y[rows[1]], backend="certified", group=True)
        found = {"seconds": time.perf_counter() - start, "value": solved.value}
    return found


def timed_exactly(x: Any, y: Any) -> dict[str, Any]:
    """Solve in one process and return seconds, those that ranks would share, and those of the simplex."""
    from otgan.exact.network.network import Network
    from otgan.exact.search.blocks import Blocks
    from otgan.exact.search.processes import Processes

    spent = {"search": 0.0, "simplex": 0.0}

    def watched(function: Callable[..., Any], part: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                spent[part] += time.perf_counter() - begun

        return call

    shared = ((Processes, "rows"), (Processes, "visited"), (Blocks, "keep"))
    parts = [(owner, name, "search") for owner, name in shared] + [(Network, "solve_sparse", "simplex")]
    with contextlib.ExitStack() as stack:
        for owner, name, part in parts:
            stack.enter_context(mock.patch.object(owner, name, watched(getattr(owner, name), part)))
        start = time.perf_counter()
        solved = otgan.transport(x, y, backend="certified")
        return {"seconds": time.perf_counter() - start, "value": solved.value, **spent}


JOBS: dict[str, Job] = {"solve": solve, "one_pass": one_pass, "exact": exact}


def _rank(rank: int, size: int, folder: str, job: str, task: dict[str, Any]) -> None:
    """Join the group on a core of its own, do the job, write down what came of it."""
    import torch.distributed as dist

    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, [cores[rank % len(cores)]])
    if size > 1:
        dist.init_process_group(
            "gloo", init_method=(Path(folder) / f"meeting-{size}-{job}").as_uri(), rank=rank, world_size=size
        )
    found = JOBS[job](rank, size, task)
    Path(folder, f"{rank}.json").write_text(json.dumps(found), encoding="utf-8")
    if size > 1:
        dist.barrier()
        dist.destroy_process_group()


def run(job: str, size: int, **task: Any) -> list[dict[str, Any]]:
    """Do a job on so many processes and return what each found."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        ranks = [context.Process(target=_rank, args=(k, size, folder, job, task)) for k in range(size)]
        for each in ranks:
            each.start()
        for each in ranks:
            each.join()
        if any(each.exitcode for each in ranks):
            raise SystemExit(f"error: a process of {job} on {size} ended with a failure")
        return [json.loads(Path(folder, f"{k}.json").read_text(encoding="utf-8")) for k in range(size)]


def equality(sizes: Sequence[int], n: int) -> list[tuple[Cell, ...]]:
    """Return how far the solutions of groups are from that of one process."""
    with tempfile.TemporaryDirectory() as folder:
        task = {"n": n, "tol": EQUAL_TOL, "reference": str(Path(folder, "reference.npz"))}
        (alone,) = run("solve", 1, **task)
        rows: list[tuple[Cell, ...]] = []
        for size in sizes:
            found = run("solve", size, **task)
            values = {each["value"] for each in found}
            error = max(abs(value - alone["value"]) for value in values) / abs(alone["value"])
            largest = (max(each[name] for each in found) for name in ("f", "gradient"))
            passes = found[0]["passes"], alone["passes"]
            rows.append((size, n, *passes, len(values) == 1, error, *largest))
    return rows


def passes(sizes: Sequence[int], points: Sequence[int]) -> list[tuple[Cell, ...]]:
    """Return seconds and bytes of a pass on several processes, beside those of one and of the model."""
    rows: list[tuple[Cell, ...]] = []
    for n in points:
        alone = run("one_pass", 1, n=n, passes=PASSES)[0]["seconds"]
        rows.append((n, 1, alone, 1.0, None, None, None))
        for size in sizes:
            found = run("one_pass", size, n=n, passes=PASSES)
            seconds = max(each["seconds"] for each in found)
            model = model_bytes(n, n, size)
            lines = found[0]["loopback"]
            outside = None if lines is None else lines / (size * model)
            rows.append((n, size, seconds, seconds * size / alone, model, found[0]["sent"] / model, outside))
    return rows


def large(size: int, n: int, solved: int, tol: float) -> tuple[Cell, ...]:
    """Return one pass of a large problem, its memory, and the solve that follows from it."""
    found = run("one_pass", size, n=n, passes=1)
    seconds = max(each["seconds"] for each in found)
    with tempfile.TemporaryDirectory() as folder:
        task = {"n": solved, "tol": tol, "reference": str(Path(folder, "reference.npz"))}
        needed = run("solve", 1, **task)[0]["passes"]
    memory = max(each["memory"] for each in found) / 2**30
    return n, size, seconds, memory, solved, needed, seconds * needed / 3600


def exactly(sizes: Sequence[int], points: Sequence[int]) -> list[tuple[Cell, ...]]:
    """Return seconds of exact solves by one process, the shares of their parts, and seconds of groups beside what these predict."""
    rows: list[tuple[Cell, ...]] = []
    for n in points:
        for d in EXACT_D:
            (alone,) = run("exact", 1, n=n, d=d)
            whole = alone["seconds"]
            shares = alone["search"] / whole, alone["simplex"] / whole
            rows.append((n, d, 1, whole, 1.0, *shares, whole, None))
            for size in sizes:
                found = run("exact", size, n=n, d=d)
                seconds = max(each["seconds"] for each in found)
                predicted = whole * (1 - shares[0] + shares[0] / size)
                apart = abs(found[0]["value"] / alone["value"] - 1)
                rows.append((n, d, size, seconds, seconds * size / whole, None, None, predicted, apart))
    return rows


def pairs(sets: int, samples: int) -> tuple[Cell, ...]:
    """Return seconds of the distances between all pairs of sets of digits, by one process of joblib and by two."""
    from sklearn.datasets import load_digits

    images = load_digits().data / 16
    rng = np.random.default_rng(0)
    given = [images[rng.choice(len(images), samples, replace=False)] for _ in range(sets)]
    times, found = [], []
    for jobs in (1, 2):
        # Starts the processes, and loads in each what is compiled.
        otgan.pairwise(given[:WARM], n_jobs=jobs)
        start = time.perf_counter()
        found.append(otgan.pairwise(given, n_jobs=jobs))
        times.append(time.perf_counter() - start)
    apart = float(np.abs(found[0] - found[1]).max())
    return sets, samples, math.comb(sets, 2), *times, 2 * times[1] / times[0], apart


_SETTING = f"d = {D}, squared distances, ε = {RELATIVE:g} of the mean cost, float64 samples, one thread a process, gloo on one machine."

TABLES: dict[str, tuple[tuple[str, ...], str]] = {
    "equality": (
        (
            "ranks",
            "points",
            "passes",
            "passes of one process",
            "one value",
            "error of the value",
            "of f",
            "of the gradient",
        ),
        f"{_SETTING} L1 error {EQUAL_TOL:g}. Errors are relative to the largest number of one process.",
    ),
    "pass": (
        (
            "points",
            "ranks",
            "a pass (s)",
            "× ranks / one process",
            "bytes of the model",
            "counted / model",
            "on the wire / model",
        ),
        f"{_SETTING} Medians of {PASSES} passes. The fourth column is 1 where K processes take a K-th of the time; more processes "
        "than cores share them. On the wire: what the loopback device counts, headers and all other traffic included.",
    ),
    "large": (
        (
            "points",
            "ranks",
            "one pass (s)",
            "memory of a rank (GiB)",
            "passes counted at",
            "passes",
            "a solve (h, extrapolated)",
        ),
        f"{_SETTING} One pass was timed; the passes of a solve to an L1 error of {TOL:g} are those of the smaller problem.",
    ),
    "pairs": (
        ("sets", "samples", "pairs", "1 worker (s)", "2 workers (s)", "× 2 / one", "largest difference"),
        "Exact EM between sets of handwritten digits, 8 × 8, by processes of joblib.",
    ),
    "exact": (
        (
            "points",
            "d",
            "ranks",
            "seconds",
            "× ranks / one process",
            "share of the search",
            "share of the simplex",
            "predicted (s)",
            "difference of the value",
        ),
        'Exact transport between two clouds, squared distances, `backend="certified"`, one thread a process, gloo on one machine. '
        "Predicted is the time of one process with the search divided by the number of ranks.",
    ),
}
"""By the part that is measured: the columns of its table, and the note under it."""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and record each table before the next one is measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--nproc", type=int, nargs="+", default=[2, 4], help="processes of the groups")
    parser.add_argument("--rows", type=int, default=LARGE, help="points on either side of the large problem")
    parser.add_argument(
        "--parts", nargs="+", choices=TABLES, default=list(TABLES), help="which tables (default: all)"
    )
    parser.add_argument("--quick", action="store_true", help="small problems, nothing recorded")
    options = parser.parse_args(argv)
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)  # of this process too, which measures the pairs of one worker
    quick, sizes = options.quick, options.nproc
    measure: dict[str, Callable[[], Sequence[Sequence[Cell]]]] = {
        "equality": lambda: [row for n in ((FEW,) if quick else EQUAL) for row in equality(sizes, n)],
        "pass": lambda: passes(sizes, (FEW,) if quick else SIZES),
        "large": lambda: [
            large(sizes[0], 20_000 if quick else options.rows, FEW if quick else SIZES[-1], TOL)
        ],
        "pairs": lambda: [pairs(sets, SAMPLES) for sets in ((8,) if quick else SETS)],
        "exact": lambda: exactly(sizes[:1], (EXACT_WARM,) if quick else EXACT),
    }
    for part in options.parts:
        rows = measure[part]()
        for row in rows:
            print(part, *(f"{cell:.3g}" if isinstance(cell, float) else cell for cell in row), flush=True)
        if not quick:
            columns, note = TABLES[part]
            record(f"scale-{part}", columns, rows, notes=[note])


if __name__ == "__main__":
    main()
