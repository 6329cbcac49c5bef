"""One cell: otgan and every peer on one problem, in one process, within one budget of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from benchmarks.costs import quickest
from benchmarks.grid import EPSILONS, MNIST_PIXELS, Key
from benchmarks.ledger import BROKEN, USED_UP, Ledger, Outcome, Row
from benchmarks.peers.contender import Attempt, Contender, Deadline
from benchmarks.peers.ours import Otgan
from benchmarks.problems import Problem
from benchmarks.record import Cell
from benchmarks.timing import in_turns, timed

__all__ = ["CLOSE", "MOST", "RACE", "fair_share", "in_order", "measure", "repeats"]

RACE = 4.0
"""A peer has, for all its runs, this many times the fastest peer's time: with more it can hardly become the fastest."""

CLOSE = 1.5
"""Peers whose first run was within this factor of the fastest are timed again, in turns with otgan."""

MOST = 9
"""Rounds of a race that is run again."""

_BRIEF = 0.3
"""Seconds that every peer has in any case."""

_CLOSING = 0.25
"""Share of a cell's time that is kept for the rounds at its end."""

_LEADING = 0.3
"""Share of the time left that a peer has which arrived in an easier cell, until one has arrived in this one."""

_EARLY = 0.2
"""Share of its time before which a peer that ends far off has broken down."""

_SHORT = 5.0
"""Seconds below which otgan solves once before it is timed."""


def measure(key: Key, problem: Problem, peers: Sequence[Contender], ledger: Ledger, limit: float) -> Outcome:
    """Run a cell within about `limit` seconds, compilations of OTT-JAX excepted."""
    quickest(problem)  # is found out once for all cells of these points
    budget, contender = Deadline(limit), Otgan()
    ours = contender.attempt(problem, key.tol, limit)
    if ours.seconds < _SHORT:
        ours = contender.attempt(problem, key.tol, limit)
    runners, tried = in_order(key, peers, ledger)
    arrived: list[tuple[str, Attempt]] = []
    for place, peer in enumerate(runners):
        best = min((attempt.seconds for _, attempt in arrived), default=math.inf)
        left = budget.left - _CLOSING * limit
        share = fair_share(left, len(runners) - place)
        if not arrived and math.isfinite(ledger.nearest(key, peer.name)):
            # Who is expected to arrive sets the pace of the others.
            share = max(share, _LEADING * left)
        if share <= 0:
            tried[peer.name] = "not run: the cell's time was over"
            continue
        allowed = min(share, max(RACE * best, _BRIEF))
        before = peer.uncounted
        attempt = peer.attempt(problem, key.tol, allowed)
        budget.extend(peer.uncounted - before)
        if attempt.error <= key.tol:
            arrived.append((peer.name, attempt))
            tried[peer.name] = attempt.seconds
        else:
            tried[peer.name] = _in_words(attempt, allowed, raced=allowed < share)
    row, again = _timed_again(key, problem, ours, arrived, budget)
    return Outcome(row, {peer.name: again.get(peer.name, tried[peer.name]) for peer in peers})


def in_order(key: Key, peers: Sequence[Contender], ledger: Ledger) -> tuple[list[Contender], dict[str, Cell]]:
    """Return who runs, those first that were fastest in the nearest easier cell, and what is said of the others."""
    runners, dropped = [], {}
    for peer in peers:
        before = [k for k in ledger.failures(peer.name) if key.is_harder_than(k, sparse=peer.sparse)]
        if before:
            easier = min(before)
            said = f"n = {easier.n}, ε = {easier.relative:g}, error {easier.tol:g}"
            dropped[peer.name] = f"not run: failed at {said}"
        else:
            runners.append(peer)
    runners.sort(key=lambda peer: ledger.nearest(key, peer.name))
    return runners, dict[str, Cell](dropped)


def fair_share(left: float, runners: int) -> float:
    """Return the seconds of the next of so many runners: twice its equal share, for not all will use theirs up."""
    return 2 * left / (runners + 1)


def repeats(seconds: Sequence[float], left: float) -> int:
    """Return how often runs of these lengths are made again: an odd number of times, or not at all."""
    affordable = min(int(left / sum(seconds)), MOST)
    return affordable - 1 + affordable % 2 if affordable > 1 else 0


def _in_words(attempt: Attempt, allowed: float, *, raced: bool) -> str:
    error = f"(error {attempt.error:.1e})" if math.isfinite(attempt.error) else attempt.words
    broken = (
        attempt.seconds < _EARLY * allowed and attempt.error > 1 and attempt.words == "(no finite answer)"
    )
    word = BROKEN if broken else "slower:" if raced else USED_UP
    return f"{word} {attempt.seconds:.2g} s {error}"


def _timed_again(
    key: Key, problem: Problem, ours: Attempt, arrived: Sequence[tuple[str, Attempt]], budget: Deadline
) -> tuple[Row, dict[str, float]]:
    """Time otgan and the closest peers in turns, as often as there is time for; return the line and those peers' times."""
    best = min((attempt.seconds for _, attempt in arrived), default=math.inf)
    closest = [(name, attempt) for name, attempt in arrived if attempt.seconds <= CLOSE * best]
    attempts = [ours, *(attempt for _, attempt in closest)]
    runs: list[Callable[[], object]] = [attempt.again for attempt in attempts]
    seconds = [attempt.seconds for attempt in attempts]
    floored = (key.d, key.relative) == (MNIST_PIXELS, EPSILONS[0])
    if floored:
        runs.append(product_and_exponentials(problem))
        runs[-1]()
        seconds.append(timed(runs[-1])[0])
    if rounds := repeats(seconds, budget.left):
        seconds = in_turns(runs, rounds)
    floor = seconds.pop() if floored else None
    head = (key.d, key.n, key.relative, key.tol, seconds[0], ours.error, ours.passes or 0)
    if not closest:
        return Row(*head, None, None, None, None, floor), {}
    fastest = min(range(len(closest)), key=lambda i: seconds[1 + i])
    name, attempt = closest[fastest]
    taken = seconds[1 + fastest]
    ratio = taken / seconds[0] if ours.error <= key.tol else None
    again = {name: time for (name, _), time in zip(closest, seconds[1:], strict=True)}
    return Row(*head, name, taken, attempt.error, ratio, floor), again


def product_and_exponentials(problem: Problem) -> Callable[[], torch.Tensor]:
    """Return a run of one float64 product of all points and one exponential of each entry: what none can do without."""
    x, y = problem.x / problem.x.square().sum(-1).mean().sqrt(), problem.y.mT

    def run() -> torch.Tensor:
        return (x @ y).exp_()

    return run
