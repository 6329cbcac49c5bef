"""Exact problems, one or a batch: the choice among the solvers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from otgan import threads
from otgan.apart import apart
from otgan.costs import Cost
from otgan.deadline import NEVER, Deadline
from otgan.exact.assignment import solve_assignment
from otgan.exact.flows import exact_flows
from otgan.exact.line import solve_line
from otgan.exact.plan import ExactPlan, weights_given
from otgan.exact.search.processes import ALONE, Processes
from otgan.exact.simplex import OutOfTimeError, SimplexError, solve_simplex
from otgan.exact.sorted import solve_roughly
from otgan.exact.sparse_plan import Floats, SparsePlan
from otgan.memory import available, free_memory
from otgan.mistakes import TooLargeError, WrongValueError
from otgan.namespace import double
from otgan.pair import Pair
from otgan.sizes import describe

__all__ = ["EXACT_BACKENDS", "solve_exact"]

EXACT_BACKENDS = ("line", "circle", "assignment", "simplex", "certified", "pot")

_SORTED = {
    "line": "points on the line (d = 1) at costs of their differences",
    "circle": "numbers (d = 1) at cost='circle'",
}
"""What the solvers sort that have a closed form."""

_ASSIGNMENT = 256
"""Points up to which the assignment solver is faster than the network simplex."""

_MANY = 1200**2
"""Costs from which on the certified solver is faster than the network simplex on all of them (`benchmarks/exact`)."""

_WIDE = 256
"""Dimension beyond which looks at all costs, which form them anew, need larger sets to be faster."""

_ALIKE = 5
"""How many more costs there must be at p = 1, where nearly optimal plans are many, for the certified solver to be faster."""

_ASKED = 9
"""The same where a function of the caller's is asked for the costs at every look."""

_WORTH = 2**16
"""Costs of all problems together that are worth a second thread."""

_COPIES = 6
"""Matrices of the size of the costs that the exact solvers hold at once, at most."""


def solve_exact(
    pair: Pair,
    cost: Cost,
    *,
    backend: str = "auto",
    max_iter: int | None = None,
    deadline: Deadline = NEVER,
    processes: Processes = ALONE,
) -> ExactPlan:
    """Solve every problem of a pair exactly, each by the solver that suits it.

    The pair is in normal form, in arrays of NumPy. After the deadline problems get a plan and potentials that are feasible and no more.

    Points on the line and on a circle are sorted; small sets of equally many points of equal weight are assigned; others go to the
    network simplex, on all costs where they are few, and on those that a proof shows to be enough where they are many. These
    several processes solve together; the first of them solves the others.

    Raises
    ------
    MemoryError
        If the costs do not fit; it says how much they need and what would fit.
    SimplexError
        If the network simplex ends without an optimum, or the certified solver without a proof.
    """
    problems = _problems(pair, cost, backend)
    large = [k for k, n in enumerate(pair.x.lengths) if processes.shares(n, pair.y.lengths[k])]
    shared = processes.told(lambda: [k for k in large if problems[k].solver == "certified"]) if large else []
    arcs: dict[int, SparsePlan] = {}
    for k in shared:
        found = problems[k].shared(deadline, processes)
        if found is None:
            problems[k] = replace(problems[k], refused=True)
        else:
            arcs[k] = found
    rest = [k for k in range(pair.count) if k not in arcs]
    if rest:
        left = [problems[k] for k in rest]
        found_alone = processes.alone(lambda deadline: _solved(left, max_iter, deadline), deadline)
        arcs |= dict(zip(rest, found_alone, strict=True))
    return ExactPlan(pair, cost, [arcs[k] for k in range(pair.count)])


def _problems(pair: Pair, cost: Cost, backend: str) -> list[_Single]:
    """The problems of a pair."""
    x, y = (double(side.points) for side in (pair.x, pair.y))
    a, b = (np.ascontiguousarray(side.weights) for side in (pair.x, pair.y))
    found = []
    for k, (n, m) in enumerate(zip(pair.x.lengths, pair.y.lengths, strict=True)):
        given = weights_given(pair.x, k, n), weights_given(pair.y, k, m)
        found.append(_Single(x[k, :n], y[k, :m], a[k, :n], b[k, :m], given, cost, backend))
    return found


def _solved(problems: Sequence[_Single], max_iter: int | None, deadline: Deadline) -> list[SparsePlan]:
    """Solve problems, small ones several at once."""
    arcs: dict[int, SparsePlan] = {}

    def solve(worker: int, start: int, stop: int) -> None:
        del worker
        for k in range(start, stop):
            arcs[k] = problems[k].solved(max_iter, deadline)

    threads.in_turns(solve, len(problems), 1, _workers(problems))
    return [arcs[k] for k in range(len(problems))]


def _workers(problems: Sequence[_Single]) -> int:
    """How many problems are solved at once: large ones are shared out themselves."""
    largest = max(len(each.x) * len(each.y) for each in problems)
    if not problems[0].cost.concurrent or len(problems) * largest < _WORTH or largest >= _MANY:
        return 1
    return threads.workers(len(problems), 1)


@dataclass(frozen=True)
class _Single:
    """One problem of a pair: points, weights, the weights as they were given, the cost, and the backend that is asked for."""

    x: Floats
    y: Floats
    a: Floats
    b: Floats
    given: tuple[Floats | None, Floats | None]
    cost: Cost
    backend: str
    refused: bool = False
    """Whether there was no proof, so that all costs are needed."""

    @property
    def solver(self) -> str:
        """The solver that was asked for, or that suits it."""
        return _choose(self.backend, self.x, self.y, self.cost, self._is_assignment)

    def solved(self, max_iter: int | None, deadline: Deadline) -> SparsePlan:
        """Solve it; roughly where time ends first."""
        solver = "simplex" if self.refused else self.solver
        try:
            found = self._solved(solver, max_iter, deadline)
        except OutOfTimeError:
            return solve_roughly(self.x, self.y, self.a, self.b, self.cost)
        return found if solver == "line" else self._recounted(found)

    def shared(self, deadline: Deadline, processes: Processes) -> SparsePlan | None:
        """Solve it by the certified solver, with others; None where that gives no proof, and there is another way."""
        from otgan.exact.certified import solve_certified  # here: small problems do without numba

        try:
            found = solve_certified(self.x, self.y, self.a, self.b, self.cost, deadline, processes)
        except OutOfTimeError:
            found = solve_roughly(self.x, self.y, self.a, self.b, self.cost)
        except SimplexError:
            if self.backend != "auto" or not processes.told(lambda: _fits(len(self.x), len(self.y))):
                raise
            return None
        found = self._recounted(found)
        return processes.plans([replace(found, solver=found.solver + processes.name)])[0]

    @property
    def _is_assignment(self) -> bool:
        return len(self.x) == len(self.y) and self.given[0] is None and self.given[1] is None

    def _recounted(self, arcs: SparsePlan) -> SparsePlan:
        """Count the masses of the arcs anew, in whole numbers: light ones lost digits, which far away are worth much."""
        if arcs.f is None or not arcs.optimal or (self.given[0] is None and self.given[1] is None):
            return arcs  # those of equal weights are whole numbers already
        mass = exact_flows(arcs.i, arcs.j, self.given, (len(self.a), len(self.b)))
        if mass is None:  # no forest, or too many points
            return arcs
        keep = mass > 0
        return replace(arcs, i=arcs.i[keep], j=arcs.j[keep], mass=mass[keep])

    def _solved(self, solver: str, max_iter: int | None, deadline: Deadline) -> SparsePlan:
        """Solve it by the solver of that name."""
        x, y, a, b, cost = self.x, self.y, self.a, self.b, self.cost
        n, m = len(x), len(y)
        if solver == "line":
            return solve_line(x[:, 0], y[:, 0], a, b, cost.p, self.given)
        if deadline.passed:
            raise OutOfTimeError
        if solver == "circle":
            from otgan.exact.circle import solve_circle

            return solve_circle(x[:, 0], y[:, 0], a, b, cost.p, cost.turn, deadline)
        if solver == "certified":
            from otgan.exact.certified import solve_certified

            try:
                if not cost.concurrent:  # a function of the caller's is asked in the caller's thread
                    return solve_certified(x, y, a, b, cost, deadline)
                return apart(partial(solve_certified, x, y, a, b, cost), deadline)
            except SimplexError:
                if self.backend != "auto" or not _fits(n, m):
                    raise
        if deadline.passed:
            raise OutOfTimeError
        _check_memory(n, m)
        matrix = cost.block(x[None], y[None], exact=True)[0]
        if solver == "assignment":
            return solve_assignment(matrix, deadline)
        pivots = "pot" if solver == "pot" else "simplex"
        return solve_simplex(matrix, a, b, solver=pivots, max_iter=max_iter, deadline=deadline)


def _choose(backend: str, x: Floats, y: Floats, cost: Cost, uniform: bool) -> str:
    n, m, d = len(x), len(y), x.shape[1]
    sorter = None if d > 1 or not cost.sorts else "line" if cost.turn == math.inf else "circle"
    if backend == "auto":
        if sorter is not None:
            return sorter
        if uniform and n <= _ASSIGNMENT:
            return "assignment"
        if not _fits(n, m):
            return "certified"
        if n * m < _MANY:
            return "simplex"
        places = cost.places(x[:1], y[:1])
        if places is not None and places.few:
            least = _MANY * (1 if cost.p > 1 else _ALIKE)
        else:
            least = _MANY * max(1, d / _WIDE) * (1 if cost.concurrent else _ASKED)
        return "certified" if n * m >= least else "simplex"
    if backend in _SORTED and backend != sorter:
        raise WrongValueError(
            f"backend {backend!r} sorts {_SORTED[backend]}, got d = {d} and cost={cost.name!r}: use 'simplex'"
        )
    if backend == "assignment" and not uniform:
        raise WrongValueError("backend 'assignment' needs n = m and no weights: use 'simplex'")
    return backend


def _fits(n: int, m: int) -> bool:
    need = _COPIES * 8 * n * m
    return need <= available(need)


def _check_memory(n: int, m: int) -> None:
    if not _fits(n, m):
        need, free = _COPIES * 8 * n * m, free_memory()
        raise TooLargeError(
            f"an exact solve of {n} x {m} points on all costs needs about {describe(need)}, and {describe(free)} are "
            "free: use backend='auto', take fewer samples, or give epsilon (or blur), whose streamed solver needs "
            "O(n + m) memory and whose bounds enclose the exact cost"
        )
