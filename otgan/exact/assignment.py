"""Exact transport between equally many points of equal weight, as an assignment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from otgan.deadline import NEVER, Deadline
from otgan.exact.sparse_plan import Floats, SparsePlan

__all__ = ["potentials", "solve_assignment"]


def solve_assignment(cost: Floats, deadline: Deadline = NEVER) -> SparsePlan:
    """Couple n points with n points of weight 1/n by shortest augmenting paths.

    Raises
    ------
    OutOfTimeError
        If the deadline passes first.
    """
    from otgan.exact.network.matching import match  # here: points on the line do without numba

    n = len(cost)
    return SparsePlan(np.arange(n), match(cost, deadline), np.full(n, 1 / n), None, None, "assignment")


def potentials(cost: Floats, match: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Optimal potentials of an optimal assignment i -> match[i].

    They are shortest-path distances in the residual graph, found by Bellman–Ford sweeps
    gⱼ = minᵢ (Cᵢⱼ − fᵢ), fᵢ = C_{i,match(i)} − g_{match(i)}; without negative cycles, that is for an optimal
    assignment, at most n sweeps change anything.
    """
    n = len(cost)
    matched = cost[np.arange(n), match]
    g = np.zeros(n)
    slack = 1e-14 * float(matched.max())
    for _ in range(n):
        f = matched - g[match]
        lower = np.minimum((cost - f[:, None]).min(0), g)
        settled = float((g - lower).max()) <= slack
        g = lower
        if settled:
            break
    return (cost - g).min(1), g
