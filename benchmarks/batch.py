"""Batches of small problems against the peers' batches: ``python -m benchmarks.batch [--quick]``."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

import otgan
from benchmarks.peers import Contender, GeomLoss, Otgan, Ott, PotBatch, has_jax
from benchmarks.problems import gaussians
from benchmarks.record import Cell, record
from benchmarks.timing import add_options, clock, in_turns, prepare

POINTS = 64
RELATIVE = 0.05
TOL = 1e-4


def ragged(batch: int, d: int, device: str) -> tuple[list[Tensor], list[Tensor]]:
    """Return lists of clouds of 32 to 96 points, distributed as those of `gaussians`."""
    rng = np.random.default_rng(8)
    sizes = np.linspace(POINTS // 2, 3 * POINTS // 2, batch).round().astype(int)
    rng.shuffle(sizes)
    x = [torch.from_numpy(rng.standard_normal((n, d))).to(device) for n in sizes]
    y = [torch.from_numpy(0.5 + 1.3 * rng.standard_normal((n, d))).to(device) for n in sizes]
    return x, y


def against_peers(d: int, batch: int, limit: float, device: str) -> list[tuple[Cell, ...]]:
    """Time a batch of equal sizes by everyone."""
    problem = gaussians(POINTS, d, RELATIVE, batch=batch, device=device)
    contenders: list[Contender] = [Otgan(), PotBatch("log_sinkhorn"), PotBatch("sinkhorn"), GeomLoss()]
    if has_jax(device):
        contenders += [Ott(variant, limit) for variant in ("plain", "anderson", "momentum", "scalings")]
    contenders[0].attempt(problem, TOL, limit)
    attempts = [contender.attempt(problem, TOL, limit) for contender in contenders]
    reached = [attempt.error <= TOL for attempt in attempts]
    runs = [attempt.again for attempt, ok in zip(attempts, reached, strict=True) if ok]
    times = iter(in_turns(runs, 5))
    seconds = [next(times) if ok else None for ok in reached]
    ours = seconds[0]
    rows: list[tuple[Cell, ...]] = []
    for contender, attempt, time in zip(contenders, attempts, seconds, strict=True):
        error = attempt.error if math.isfinite(attempt.error) else None
        ratio = time / ours if time is not None and ours is not None else None
        # Who does not get there shows the time that was not enough.
        rows.append(
            (d, contender.name, attempt.seconds if time is None else time, error, time is not None, ratio)
        )
    return rows


def against_equal(d: int, batch: int, device: str) -> tuple[Cell, ...]:
    """Time a ragged batch beside an equal one, each per entry of its cost matrices."""
    problem = gaussians(POINTS, d, RELATIVE, batch=batch, device=device)
    x, y = ragged(batch, d, device)
    epsilon = [float(RELATIVE * torch.cdist(u, v).square().mean()) for u, v in zip(x, y, strict=True)]

    def solve(x: Any, y: Any, epsilon: Any) -> otgan.Transport:
        return otgan.transport(x, y, epsilon=epsilon, tol=TOL)

    uneven = torch.tensor(epsilon, dtype=torch.float64, device=device)
    runs = [lambda: solve(problem.x, problem.y, problem.epsilon), lambda: solve(x, y, uneven)]
    in_turns(runs, 1)
    equal, seconds = in_turns(runs, 5)
    work = sum(len(u) * len(v) for u, v in zip(x, y, strict=True)) / (batch * POINTS**2)
    return d, equal, seconds, work, seconds / equal / work


def main(argv: Sequence[str] | None = None) -> None:
    """Measure both comparisons for d = 2 and 64."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.batch", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="16 problems instead of 256, nothing recorded")
    add_options(parser)
    options = parser.parse_args(argv)
    prepare(options)
    batch, limit = (16, 2.0) if options.quick else (256, 30.0)
    suffix = "-cuda" if options.device == "cuda" else ""
    rows: list[tuple[Cell, ...]] = []
    uneven = []
    for d in (2, 64):
        rows += against_peers(d, batch, limit, options.device)
        uneven.append(against_equal(d, batch, options.device))
    for row in [*rows, *uneven]:
        print(*(f"{cell:.3g}" if isinstance(cell, float) else cell for cell in row))
    if options.quick:
        return
    setting = f"{batch} problems of {POINTS} x {POINTS} points, ε = {RELATIVE:g} of each mean cost, float64. {clock()}"
    record(
        f"batch{suffix}",
        ["d", "contender", "time (s)", "largest L1 error", f"reached {TOL:g}", "times otgan's"],
        rows,
        notes=[
            f"{setting} Every problem must reach an L1 error of {TOL:g}, recomputed; medians of five warm runs in turns.",
            "otgan and GeomLoss start from the points, POT and OTT-JAX (vmap, compiled beforehand) from the costs.",
            f"Who reached no such error in {limit:g} s shows the time and the error of its best run. POT's batch takes "
            "one ε for all: it is given the costs divided by each problem's.",
        ],
        packages=["ott-jax", "jax"] if has_jax(options.device) else [],
    )
    record(
        f"batch-ragged{suffix}",
        [
            "d",
            "equal sizes (s)",
            "sizes 32 to 96 (s)",
            "its work / equal work",
            "time per work, ragged / equal",
        ],
        uneven,
        notes=[f"{setting} Work is the number of entries of all cost matrices. Medians of five, in turns."],
    )


if __name__ == "__main__":
    main()
