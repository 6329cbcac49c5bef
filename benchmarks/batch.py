"""Batches of small problems against the peers' batches: ``python -m benchmarks.batch [--quick]``."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

import otgan
from benchmarks.costs import quickest
from benchmarks.peers import Contender, Otgan, distributions, field_of_batches
from benchmarks.peers.contender import Attempt
from benchmarks.problems import Problem, gaussians
from benchmarks.race import MOST, repeats
from benchmarks.record import Cell, record
from benchmarks.timing import add_options, clock, in_turns, prepare

RELATIVE = 0.05
TOL = 1e-4

_CLOSE = 3.0
"""Contenders within this factor of the fastest peer are timed again, in turns."""

_RACE = 20.0
"""A peer has, for all its runs, this many times the fastest peer's time, and a second at least."""

_CLOSING = 20.0
"""Seconds for the rounds in turns."""

_ROUNDS = 5
"""Rounds that ragged and equal batches take in turns."""


@dataclass(frozen=True)
class Case:
    """So many problems of so many points on either side, in so many dimensions."""

    batch: int
    points: int
    d: int


CASES = (Case(256, 64, 2), Case(256, 64, 64), Case(1024, 128, 16), Case(64, 512, 2))
QUICK = (Case(16, 64, 2), Case(8, 128, 16))


def ragged(case: Case, device: str) -> tuple[list[Tensor], list[Tensor]]:
    """Return lists of clouds of half to three halves as many points, distributed as those of `gaussians`."""
    rng = np.random.default_rng(8)
    sizes = np.linspace(case.points // 2, 3 * case.points // 2, case.batch).round().astype(int)
    rng.shuffle(sizes)
    x = [torch.from_numpy(rng.standard_normal((n, case.d))).to(device) for n in sizes]
    y = [torch.from_numpy(0.5 + 1.3 * rng.standard_normal((n, case.d))).to(device) for n in sizes]
    return x, y


def attempts_at(problem: Problem, peers: Sequence[Contender], limit: float) -> list[Attempt]:
    """Let otgan and then every peer solve a batch; who follows a fast peer has less time than who leads."""
    quickest(problem)
    contender = Otgan()
    contender.attempt(problem, TOL, limit)
    attempts, best = [contender.attempt(problem, TOL, limit)], math.inf
    for peer in peers:
        attempt = peer.attempt(problem, TOL, min(limit, max(1.0, _RACE * best)))
        if attempt.error <= TOL:
            best = min(best, attempt.seconds)
        attempts.append(attempt)
    return attempts


def against_peers(case: Case, limit: float, device: str) -> list[tuple[Cell, ...]]:
    """Time a batch of equal sizes by everyone."""
    problem = gaussians(case.points, case.d, RELATIVE, batch=case.batch, device=device)
    peers = field_of_batches(device)
    attempts = attempts_at(problem, peers, limit)
    fastest = min((a.seconds for a in attempts[1:] if a.error <= TOL), default=math.inf)
    close = [
        i for i, a in enumerate(attempts) if a.error <= TOL and (i == 0 or a.seconds <= _CLOSE * fastest)
    ]
    seconds = [attempt.seconds for attempt in attempts]
    rounds = repeats([seconds[i] for i in close], _CLOSING) if close else 0
    if rounds:
        again = in_turns([attempts[i].again for i in close], rounds)
        seconds = [again[close.index(i)] if i in close else old for i, old in enumerate(seconds)]
    rows: list[tuple[Cell, ...]] = []
    for name, attempt, time in zip(["otgan", *(peer.name for peer in peers)], attempts, seconds, strict=True):
        error, reached = attempt.error if math.isfinite(attempt.error) else None, attempt.error <= TOL
        # Who does not get there shows the time that was not enough.
        ratio = time / seconds[0] if reached and attempts[0].error <= TOL else None
        rows.append((case.batch, case.points, case.d, name, time, error, reached, ratio))
    return rows


def against_equal(case: Case, device: str) -> tuple[Cell, ...]:
    """Time a ragged batch beside an equal one, each per entry of its cost matrices."""
    problem = gaussians(case.points, case.d, RELATIVE, batch=case.batch, device=device)
    x, y = ragged(case, device)
    epsilon = [float(RELATIVE * torch.cdist(u, v).square().mean()) for u, v in zip(x, y, strict=True)]

    def solve(x: Any, y: Any, epsilon: Any) -> otgan.Transport:
        return otgan.transport(x, y, epsilon=epsilon, tol=TOL)

    uneven = torch.tensor(epsilon, dtype=torch.float64, device=device)
    runs = [lambda: solve(problem.x, problem.y, problem.epsilon), lambda: solve(x, y, uneven)]
    in_turns(runs, 1)
    equal, seconds = in_turns(runs, _ROUNDS)
    work = sum(len(u) * len(v) for u, v in zip(x, y, strict=True)) / (case.batch * case.points**2)
    return case.batch, case.points, case.d, equal, seconds, work, seconds / equal / work


def main(argv: Sequence[str] | None = None) -> None:
    """Measure both comparisons."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.batch", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="few problems, nothing recorded")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds of a peer's runs (default: 60)")
    add_options(parser)
    options = parser.parse_args(argv)
    prepare(options)
    cases, limit = (QUICK, 5.0) if options.quick else (CASES, options.limit)
    rows: list[tuple[Cell, ...]] = []
    uneven = []
    for case in cases:
        rows += against_peers(case, limit, options.device)
        uneven.append(against_equal(case, options.device))
    for row in [*rows, *uneven]:
        print(*(f"{cell:.3g}" if isinstance(cell, float) else cell for cell in row))
    if not options.quick:
        _write(rows, uneven, limit, "-cuda" if options.device == "cuda" else "", options.device)


def _write(
    rows: Sequence[Sequence[Cell]],
    uneven: Sequence[Sequence[Cell]],
    limit: float,
    suffix: str,
    device: str,
) -> None:
    setting = f"ε = {RELATIVE:g} of each problem's mean cost, L1 error {TOL:g}, float64. {clock()}"
    record(
        f"batch{suffix}",
        ["problems", "points", "d", "contender", "time (s)", "largest L1 error", "reached", "times otgan's"],
        rows,
        notes=[
            f"{setting} Every problem must reach the error, recomputed.",
            "Times run from the samples to the answers: cost matrices are in them, compilations of OTT-JAX (vmap) are not. "
            f"otgan and peers within {_CLOSE:g} times the fastest: medians of up to {MOST} warm runs in turns; others one run.",
            f"Who did not reach the error in {limit:g} s, or in {_RACE:g} times the fastest peer's time, shows the time and "
            "the error of its last run. POT's batch takes one ε for all: it is given the costs divided by each problem's.",
        ],
        packages=distributions(field_of_batches(device)),
    )
    record(
        f"batch-ragged{suffix}",
        [
            "problems",
            "points",
            "d",
            "equal sizes (s)",
            "a half to three halves as many (s)",
            "its work / equal work",
            "time per work, ragged / equal",
        ],
        uneven,
        notes=[
            f"{setting} Work is the number of entries of all cost matrices. Medians of {_ROUNDS}, in turns."
        ],
    )


if __name__ == "__main__":
    main()
