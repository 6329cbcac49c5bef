"""Exact transport between many points, without their costs: few arcs, and a proof that the others are not needed.

In few dimensions arcs are found by a search through two trees, from coarse to fine; else by a look at all of them, from
potentials of entropic sweeps.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from otgan.costs import Cost
from otgan.costs.places import Places
from otgan.deadline import NEVER, Deadline
from otgan.exact.line import solve_line
from otgan.exact.mean import mean_cost
from otgan.exact.network.masses import whole_masses
from otgan.exact.search.coarse import descend_levels
from otgan.exact.search.generation import Generated, check_gap, generate
from otgan.exact.search.law import law_of
from otgan.exact.search.processes import ALONE, Processes
from otgan.exact.search.sweeps import approximate_potentials
from otgan.exact.search.tiles import Tiles
from otgan.exact.search.tree import plant
from otgan.exact.search.trees import Trees
from otgan.exact.sparse_plan import Floats, SparsePlan, lasting
from otgan.memory import available, free_memory
from otgan.mistakes import TooLargeError
from otgan.sizes import describe

__all__ = ["solve_certified"]

_BYTES = 3000
"""Memory that a point takes with its arcs, about, when there are most."""


def solve_certified(
    x: Floats,
    y: Floats,
    a: Floats,
    b: Floats,
    cost: Cost,
    deadline: Deadline = NEVER,
    processes: Processes = ALONE,
) -> SparsePlan:
    """Solve min ⟨P, C⟩ over plans with marginals a and b, without a cost matrix.

    Parameters
    ----------
    x, y : ndarray, shapes (n, d) and (m, d)
        In normal form.
    a, b : ndarray, shapes (n,) and (m,)
        Weights, positive, each of total 1.
    cost : Cost
    deadline : Deadline
    processes : Processes
        Who searches for arcs. The first of them has the simplex.

    Returns
    -------
    SparsePlan
        With potentials that are feasible for all n·m arcs; not optimal where the deadline passes first.

    Raises
    ------
    MemoryError
        If the arcs would not fit, as far as can be told beforehand.
    OutOfTimeError
        If it passes before there is anything worth having.
    SimplexError
        If arcs are still missing after many rounds, or the proof says too little. The network simplex on all costs is the way then.
    """
    _check_memory(len(x), len(y))
    unit = processes.number(mean_cost(x, y, a, b, cost) or 1.0)
    places = cost.places(x, y)
    if places is not None and places.few:
        found = _by_trees(places, a, b, unit, deadline, processes)
    else:
        found = _by_tiles(Tiles(x, y, cost, deadline, processes), a, b, unit, deadline)
    i, j = np.divmod(found.codes, len(b))
    keep = lasting(i, j, found.mass, a, b)
    i, j, mass = i[keep], j[keep], found.mass[keep]
    slack = 0.0 if places is None else places.slack
    plan = SparsePlan(i, j, mass, found.f, found.g, "certified", found.optimal, slack)
    if not found.optimal:
        return _completed(plan, x, y, a, b)
    # Angles of places that are opposite each other are not seen as they are.
    number = processes.number
    check_gap(number(float(mass @ cost.entries(x[i], y[j]))), number(float(a @ found.f + b @ found.g)), unit)
    return plan


def _check_memory(n: int, m: int) -> None:
    """Raise where the arcs of so many points would not fit."""
    need = _BYTES * (n + m)
    if need > available(need):
        raise TooLargeError(
            f"an exact solve of {n} x {m} points needs about {describe(need)} for its arcs, and {describe(free_memory())} are "
            "free: take fewer samples, or give epsilon (or blur), whose streamed solver needs less, and whose bounds enclose the "
            "exact cost"
        )


def _completed(plan: SparsePlan, x: Floats, y: Floats, a: Floats, b: Floats) -> SparsePlan:
    """Couple what the arcs do not carry in the order of one coordinate."""
    left = np.maximum(a - np.bincount(plan.i, plan.mass, len(a)), 0.0)
    lack = np.maximum(b - np.bincount(plan.j, plan.mass, len(b)), 0.0)
    rows, columns = left.nonzero()[0], lack.nonzero()[0]
    if not (len(rows) and len(columns)):
        return plan
    total = min(left.sum(), lack.sum())
    widest = int(np.ptp(np.concatenate([x, y]), axis=0).argmax())
    rest = solve_line(
        x[rows, widest], y[columns, widest], left[rows] / left.sum(), lack[columns] / lack.sum(), 2.0
    )
    return replace(
        plan,
        i=np.concatenate([plan.i, rows[rest.i]]),
        j=np.concatenate([plan.j, columns[rest.j]]),
        mass=np.concatenate([plan.mass, total * rest.mass]),
    )


def _by_trees(
    places: Places, a: Floats, b: Floats, unit: float, deadline: Deadline, processes: Processes
) -> Generated:
    """Solve in the order of two trees."""
    law = law_of(places)
    (x, of_x), (y, of_y) = plant(places.x), plant(places.y)
    supply, demand = processes.vectors(*whole_masses(a[of_x], b[of_y]))
    start = descend_levels(x, y, (supply, demand), law, unit, deadline, processes)
    search = Trees(x, y, law, deadline, processes)
    found = generate(search, (supply, demand), start, unit, deadline)
    i, j = np.divmod(found.codes, len(b))
    f, g = np.empty(len(a)), np.empty(len(b))
    f[of_x], g[of_y] = found.f, found.g
    return found._replace(codes=of_x[i] * len(b) + of_y[j], f=f, g=g)


def _by_tiles(search: Tiles, a: Floats, b: Floats, unit: float, deadline: Deadline) -> Generated:
    """Solve by a look at all costs."""
    start = approximate_potentials(search.blocks, a, b, unit, deadline, search.processes)
    supply, demand = search.processes.vectors(*whole_masses(a, b))
    return generate(search, (supply, demand), start, unit, deadline)
