"""An exact problem over the ranks of a group: each searches for arcs in some rows, the first one has the simplex."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar, cast

import numpy as np
from torch import Tensor

from otgan.deadline import NEVER, Deadline, Progress
from otgan.distributed.exchange import Exchange
from otgan.exact.endings import OutOfTimeError
from otgan.exact.network.network import Flow, Network
from otgan.exact.search.processes import Combine, Look, Processes, Visit
from otgan.exact.sparse_plan import SparsePlan
from otgan.namespace import Array, as_numpy, as_tensor

__all__ = ["RankedSearch"]

Found = TypeVar("Found")

_SMALL = 2**25
"""Costs up to which the first rank alone is faster than all with what they tell each other: some hundreds of times a solve."""

_SMALL_PART = 2**22
"""The same of a coarser problem on the way to a large one, where they tell each other less."""

_FEWEST = 64
"""Rows that a rank must have for its share to be worth it."""

_OFTEN = 1.0
"""Seconds after which those who wait hear that there is still something to wait for."""

_DONE, _LATE, _AT_WORK = 0, 1, 2
"""What a rank tells of what it does."""


class RankedSearch(Processes):
    """The ranks of a group, which hold the same numbers and each look at some of the rows.

    Parameters
    ----------
    ranks : Exchange
    """

    def __init__(self, ranks: Exchange) -> None:
        self.ranks = ranks
        self.name = f" on {ranks.size} ranks"

    def shares(self, n: int, m: int, *, part: bool = False) -> bool:
        """Whether there are so many costs, and rows for every rank."""
        return n * m > (_SMALL_PART if part else _SMALL) and n >= _FEWEST * self.ranks.size

    def ends(self, n: int) -> list[int]:
        """Equal parts of the rows; all of them to the first rank where they are few."""
        size = self.ranks.size
        if n < _FEWEST * size:
            return [0, *[n] * size]
        return [n * k // size for k in range(size + 1)]

    def part(self, ends: Sequence[int]) -> tuple[int, int]:
        """Return the first of the rows of this rank, and the one after the last."""
        return ends[self.ranks.rank], ends[self.ranks.rank + 1]

    def rows(self, name: str, look: Look, ends: Sequence[int]) -> tuple[Array, ...]:
        """Look at the rows of this rank, and put together what all have found."""
        return self._whole(self._step(name, lambda: look(*self.part(ends))), ends)

    def visited(
        self, name: str, visit: Visit, ends: Sequence[int], combine: Combine
    ) -> tuple[tuple[Array, ...], Array]:
        """Visit the rows of this rank; put together what is found for rows, and combine what is found for columns."""
        rows, columns = self._step(name, lambda: visit(*self.part(ends)))

        def combined(parts: Tensor) -> Tensor:
            found: Tensor = as_tensor(combine(as_numpy(parts)), parts.device)
            return found

        whole = self._whole(rows, ends)
        return whole, self.ranks.reduced(columns[None], combined)[0] if columns.size else columns

    def vectors(self, *own: Array) -> tuple[Array, ...]:
        """Return vectors as all have them: where they differ, as processors round in their own ways, those of rank 0."""
        return self.ranks.together("vectors", lambda *known: known, *own)[0]

    def number(self, own: float) -> float:
        """Return a number as all have it."""
        (found,) = self.vectors(np.array([own]))
        return float(found[0])

    def told(self, compute: Callable[[], Found]) -> Found:
        """Return plain values as rank 0 computes them."""
        return self.ranks.told("a choice of rank 0", compute)

    def network(self, supply: Array, demand: Array) -> Network:
        """Return the network simplex, which rank 0 has."""
        return _NetworkOfFirst(self, supply, demand)

    def clock(self, deadline: Deadline) -> Deadline:
        """Return the deadline on this rank's own clock: a look that is late here ends for all."""
        return deadline.alone()

    def alone(self, solve: Callable[[Deadline], list[SparsePlan]], deadline: Deadline) -> list[SparsePlan]:
        """Return the plans that rank 0 finds while the others wait."""
        return self._sent(self.waited("solution of rank 0", solve, deadline))

    def plans(self, own: list[SparsePlan]) -> list[SparsePlan]:
        """Return plans as rank 0 has them."""
        return self._sent(self._step("plans", lambda: own))

    def waited(self, name: str, work: Callable[[Deadline], Found], deadline: Deadline) -> Found | None:
        """Let rank 0 work, and the others hear from it until it is done; what it raises is raised on all.

        A group that hears nothing for the length of its timeout takes a rank for lost.
        """
        found, raised, ending = None, None, _DONE
        if self.ranks.rank == 0:
            try:
                found = work(
                    replace(deadline.alone(), progress=_Heartbeat(self.ranks, name, deadline.progress))
                )
            except OutOfTimeError:
                ending = _LATE
            except BaseException as error:
                if self.ranks.over:
                    raise
                raised = error

        def end() -> int:
            if raised is not None:
                raise raised
            return ending

        while True:
            said = self.ranks.together(name, end, note=int)[1][0]
            if said != _AT_WORK:
                break
        if said == _LATE:
            raise OutOfTimeError
        return found

    def _step(self, name: str, compute: Callable[[], Found]) -> Found:
        """Compute something on every rank; where one has no time for it, all are out of time."""

        def attempt() -> tuple[Found | None, int]:
            try:
                return compute(), _DONE
            except OutOfTimeError:
                return None, _LATE

        found, notes = self.ranks.together(name, attempt, note=lambda both: both[1])
        if any(notes):
            raise OutOfTimeError
        return cast(Found, found[0])

    def first_has(self, name: str, own: Array) -> Array:
        """Return the numbers that rank 0 has, of the same shape everywhere."""
        self._step(name, lambda: None)
        return self.ranks.of_first(own)

    def _whole(self, own: tuple[Array, ...], ends: Sequence[int]) -> tuple[Array, ...]:
        """Put together the rows of all ranks."""
        if ends[0] == ends[-1]:
            return own
        counts = [stop - start for start, stop in pairwise(ends)]
        return tuple(self.ranks.rows(each, counts, axis=0) for each in own)

    def _sent(self, own: list[SparsePlan] | None) -> list[SparsePlan]:
        """Send the plans of rank 0: what they are in words, and then all their numbers."""
        told = None if own is None else [_told(plan) for plan in own]
        facts = self.ranks.all_of(told)[0]
        sizes = [(fact["arcs"], fact["f"], fact["g"]) for fact in facts]
        total = sum(3 * arcs + (f or 0) + (g or 0) for arcs, f, g in sizes)
        parts = [] if own is None or self.ranks.rank else [_numbers(plan) for plan in own]
        numbers = self.ranks.of_first(np.concatenate(parts) if parts else np.zeros(total))
        found, at = [], 0
        for fact, (arcs, f, g) in zip(facts, sizes, strict=True):
            ends = np.cumsum([at, *[arcs] * 3, f or 0, g or 0])
            i, j, mass, of_x, of_y = (numbers[start:stop] for start, stop in pairwise(ends))
            at = int(ends[-1])
            both = (None if f is None else of_x, None if g is None else of_y)
            rest = fact["solver"], fact["optimal"], fact["slack"]
            found.append(SparsePlan(i.astype(np.int64), j.astype(np.int64), mass, *both, *rest))
        return found


def _told(plan: SparsePlan) -> dict[str, Any]:
    """What a plan is, beside its numbers."""
    return {
        "arcs": len(plan.i),
        "f": None if plan.f is None else len(plan.f),
        "g": None if plan.g is None else len(plan.g),
        "solver": plan.solver,
        "optimal": bool(plan.optimal),
        "slack": float(plan.slack),
    }


def _numbers(plan: SparsePlan) -> Array:
    """All numbers of a plan; those of points are whole ones, of which float64 has enough."""
    parts = (plan.i, plan.j, plan.mass, plan.f, plan.g)
    return np.concatenate([np.asarray(part, dtype=np.float64) for part in parts if part is not None])


class _NetworkOfFirst(Network):
    """The network simplex of rank 0, of which the others know what it has found."""

    def __init__(self, processes: RankedSearch, supply: Array, demand: Array) -> None:
        super().__init__(supply, demand)
        self.processes = processes
        self._missing, self._levels = 1.0, np.zeros(len(supply) + len(demand))

    def solve_sparse(
        self, i: Array, j: Array, cost: Array, penalty: float | Array, deadline: Deadline = NEVER
    ) -> None:
        """Find the plan of least cost on rank 0."""

        def pivot(own: Deadline) -> None:
            super(_NetworkOfFirst, self).solve_sparse(i, j, cost, penalty, own)

        self.processes.waited("simplex of rank 0", pivot, deadline)
        own = np.concatenate([*super().potentials, [super().missing]])
        found = self.processes.first_has("potentials of the simplex", own)
        self._levels, self._missing = found[:-1], float(found[-1])

    @property
    def missing(self) -> float:
        """The mass that no arc carries."""
        return self._missing

    @property
    def potentials(self) -> tuple[Array, Array]:
        """Those of the last solve."""
        n = len(self.supply)
        return self._levels[:n].copy(), self._levels[n:].copy()

    @property
    def flow(self) -> Flow:
        """What the arcs of the tree carry, which rank 0 sends."""
        most = len(self.supply) + len(self.demand)  # no tree has more
        own, flow = np.zeros((3, most)), super().flow
        own[:, : len(flow.i)] = flow
        i, j, mass = self.processes.first_has("flow of the simplex", own)
        used = mass > 0
        return Flow(i[used].astype(np.int64), j[used].astype(np.int64), mass[used])


class _Heartbeat(Progress):
    """What rank 0 lets the others know while they wait, beside whoever else wants to know of its progress."""

    def __init__(self, ranks: Exchange, name: str, other: Progress | None) -> None:
        super().__init__(lambda *_: None)
        self.ranks, self.name, self.other = ranks, name, other

    def know(self, lower: float, upper: float) -> None:
        """Take note of bounds."""
        if self.other is not None:
            self.other.know(lower, upper)

    def report(self, *, now: bool = False) -> None:
        """Tell the others, where it is time to."""
        if self.other is not None:
            self.other.report(now=now)
        if threading.get_ident() != self.thread or time.monotonic() - self.last < _OFTEN:
            return
        self.last = time.monotonic()
        self.ranks.together(self.name, lambda: _AT_WORK, note=int)
        if self.ranks.late:
            raise OutOfTimeError
