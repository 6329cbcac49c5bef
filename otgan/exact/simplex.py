"""Exact transport on a matrix of costs by the network simplex, its plan checked against its potentials."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from otgan.deadline import NEVER, Deadline
from otgan.exact.endings import LIMIT, OutOfTimeError, SimplexError
from otgan.exact.pot import Found, pivot_by_pot
from otgan.exact.sparse_plan import Floats, SparsePlan, lasting

__all__ = ["OutOfTimeError", "SimplexError", "solve_simplex"]

_TOLERANCE = 1e-11
"""Marginal error of the plan, and duality gap relative to the largest cost, that are taken for rounding."""

_WASTEFUL = 1e-6
"""Largest cost used, relative to the largest there is, below which the solve is repeated without the unused ones."""


def solve_simplex(
    cost: Floats,
    a: Floats,
    b: Floats,
    *,
    solver: str = "simplex",
    max_iter: int | None = None,
    deadline: Deadline = NEVER,
) -> SparsePlan:
    """Solve min ⟨P, C⟩ over plans with marginals a and b.

    Parameters
    ----------
    cost : ndarray, shape (n, m)
        Finite.
    a, b : ndarray, shapes (n,) and (m,)
        Weights, each of total 1; zeros are left out of the solve.
    solver : str, default "simplex"
        Who pivots: our own network simplex, or "pot" for that of POT.
    max_iter : int, optional
        Pivots after which to give up.
    deadline : Deadline

    Raises
    ------
    OutOfTimeError
        If the deadline passes first.
    SimplexError
        If the solver reports anything but an optimum, or its plan or potentials do not bear it out.
    """
    rows, columns = a.nonzero()[0], b.nonzero()[0]
    heavy_a, heavy_b = a[rows], b[columns]
    full = len(rows) == len(a) and len(columns) == len(b)
    inner = cost if full else cost[np.ix_(rows, columns)]
    # Costs above those to the nearest points: the same plans are optimal, and the numbers are smaller.
    f = inner.min(1)
    reduced = inner - f[:, None]
    g = reduced.min(0)
    reduced -= g
    cap = largest = float(reduced.max())
    rising = False
    pivot = _pivoting(solver, heavy_a, heavy_b, max_iter, deadline)
    while True:
        i, j, mass, dual = pivot(reduced if cap >= largest else np.minimum(reduced, cap))
        used = float(reduced[i, j].max())
        # Clusters far apart: next to their distance the costs that matter are lost in rounding. A plan that uses
        # no cost above the cap is optimal for the uncapped costs too.
        if used == 0:  # the potentials of the nearest points are optimal themselves
            dual = np.zeros_like(dual)
            break
        if used > cap:
            cap, rising = min(cap / _WASTEFUL**0.5, largest), True
        elif used < _WASTEFUL * cap and not rising:
            cap = used / _WASTEFUL**0.5
        else:
            break
    # Two c-transforms keep the value of optimal potentials and make them feasible at zero weights too.
    reached = cost if len(columns) == len(b) else cost[:, columns]
    g = g + dual
    # At the level where numbers are small: what transforms round is a share of those.
    level = 0.5 * float(heavy_b @ g - a @ (reached - g).min(1))
    f = (reached - (g - level)).min(1)
    g = (cost - f[:, None]).min(0)
    i, j = rows[i], columns[j]
    missing = np.abs(np.bincount(i, mass, len(a)) - a).sum() + np.abs(np.bincount(j, mass, len(b)) - b).sum()
    gap, largest = float(mass @ cost[i, j]) - float(a @ f + b @ g), float(cost.max())
    if not (missing <= _TOLERANCE and abs(gap) <= _TOLERANCE * largest):
        raise SimplexError(
            f"the network simplex returned a plan with a marginal error of {missing:.1e} and a duality gap of "
            f"{gap:.1e} (costs up to {largest:.1e}); the weights may span more orders of magnitude than it resolves"
        )
    return SparsePlan(i, j, mass, f, g, solver)


def _pivoting(
    solver: str, a: Floats, b: Floats, max_iter: int | None, deadline: Deadline
) -> Callable[[Floats], Found]:
    """Return what makes of costs the arcs of an optimal plan, their masses, and the potential of the columns."""
    if solver == "pot":
        return lambda cost: pivot_by_pot(cost, a, b, max_iter, deadline)
    # Not above: numba takes a while to import, and points on the line do without.
    from otgan.exact.network.masses import whole_masses
    from otgan.exact.network.network import Network

    network = Network(*whole_masses(a, b))

    def pivot(cost: Floats) -> Found:
        network.solve_dense(cost, max_iter or LIMIT, deadline)
        i, j, mass = network.flow
        keep = lasting(i, j, mass, a, b)
        return i[keep], j[keep], mass[keep], network.potentials[1]

    return pivot
