"""Exact transport by POT's network simplex, with its status checked."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import time
import warnings
from types import ModuleType
from typing import Any

import numpy as np

from otgan.deadline import NEVER, Deadline
from otgan.exact.sparse_plan import Floats, SparsePlan, lasting
from otgan.mistakes import OtganError

__all__ = [
    "OutOfTimeError",
    "SimplexError",
    "check_result",
    "import_pot",
    "run_pot",
    "solve_simplex",
    "sparse_simplex_available",
]

_OPTIMAL, _OUT_OF_PIVOTS = 1, 3

_FIRST = 2000
"""Pivots of the first run under a deadline."""

_LIMIT = 10**9
"""Pivots allowed by default: POT's own default of 1e5 ends larger problems at a plausible partial cost."""

_TOLERANCE = 1e-11
"""Marginal error of the plan, and duality gap relative to the largest cost, that are taken for rounding."""

_WASTEFUL = 1e-6
"""Largest cost used, relative to the largest there is, below which the solve is repeated without the unused ones."""

_FRAMEWORKS = {"jax": "JAX", "cupy": "CUPY", "tensorflow": "TENSORFLOW"}
"""Array frameworks that POT imports if it finds them, and its names for them."""


class SimplexError(OtganError, RuntimeError):
    """The network simplex did not end at an optimal plan."""


class OutOfTimeError(Exception):
    """The time that a call may take is over. Never leaves the package."""


def solve_simplex(
    cost: Floats,
    a: Floats,
    b: Floats,
    *,
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
    g = (inner - f[:, None]).min(0)
    reduced = inner - f[:, None]
    reduced -= g
    cap = largest = float(reduced.max())
    rising = False
    while True:
        # The simplex compares with absolute tolerances: costs of order 1 suit them.
        scale = cap or 1.0
        i, j, mass, dual = _pivot(np.minimum(reduced, cap) / scale, heavy_a, heavy_b, max_iter, deadline)
        used = float(reduced[i, j].max())
        # Clusters far apart: next to their distance the costs that matter are lost in rounding. A plan that uses
        # no cost above the cap is optimal for the uncapped costs too.
        if used == 0:  # the potentials of the nearest points are optimal themselves
            cap, dual = 0.0, np.zeros_like(dual)
            break
        if used > cap:
            cap, rising = min(cap / _WASTEFUL**0.5, largest), True
        elif used < _WASTEFUL * cap and not rising:
            cap = used / _WASTEFUL**0.5
        else:
            break
    # Two c-transforms keep the value of optimal potentials and make them feasible at zero weights too.
    f = (cost[:, columns] - (g + scale * dual)).min(1)
    g = (cost - f[:, None]).min(0)
    i, j = rows[i], columns[j]
    missing = np.abs(np.bincount(i, mass, len(a)) - a).sum() + np.abs(np.bincount(j, mass, len(b)) - b).sum()
    gap, largest = float(mass @ cost[i, j]) - float(a @ f + b @ g), float(cost.max())
    if not (missing <= _TOLERANCE and abs(gap) <= _TOLERANCE * largest):
        raise SimplexError(
            f"the network simplex returned a plan with a marginal error of {missing:.1e} and a duality gap of "
            f"{gap:.1e} (costs up to {largest:.1e}); the weights may span more orders of magnitude than it resolves"
        )
    return SparsePlan(i, j, mass, f, g, "simplex")


def _pivot(
    cost: Floats, a: Floats, b: Floats, max_iter: int | None, deadline: Deadline
) -> tuple[Floats, ...]:
    """Run POT's network simplex; return the arcs of its plan, their masses, and the potential of the columns."""
    plan, log = run_pot(a, b, cost, max_iter or _LIMIT, deadline)
    check_result(log, cost.shape)
    i, j = plan.nonzero()
    mass = plan[i, j]
    keep = lasting(i, j, mass, a, b)
    return i[keep], j[keep], mass[keep], log["v"]


def run_pot(a: Floats, b: Floats, cost: Any, limit: int, deadline: Deadline) -> tuple[Any, dict[str, Any]]:
    """Run POT's network simplex for `limit` pivots at most; return its plan and its log.

    It cannot be interrupted. Under a deadline it is run for few pivots, and again from the start for four times as
    many, until it ends or the next run would not: a third of the time is lost at most.

    Raises
    ------
    OutOfTimeError
        If the deadline passes first.
    """
    lp = import_pot().lp
    pivots = limit if deadline == NEVER else min(limit, _FIRST)
    while True:
        start = time.monotonic()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the warnings say is in the result code, which is checked
            plan, log = lp.emd(a, b, cost, numItermax=pivots, log=True, check_marginals=False)
        if pivots >= limit or log["result_code"] != _OUT_OF_PIVOTS:
            return plan, log
        seconds = max(time.monotonic() - start, 1e-6)
        affordable = int(0.9 * pivots / seconds * deadline.left)
        if affordable <= 2 * pivots:
            raise OutOfTimeError
        pivots = min(limit, 4 * pivots, affordable)


def check_result(log: dict[str, Any], shape: tuple[int, ...]) -> None:
    """Raise unless POT's log tells of an optimum."""
    if log["result_code"] != _OPTIMAL:
        raise SimplexError(
            f"the network simplex ended without an optimum on {shape[0]} x {shape[1]} points: "
            f"{log['warning']}; raise max_iter, or give epsilon for an entropic solution with bounds"
        )


def import_pot() -> ModuleType:
    """Import POT without the array frameworks that it would import along.

    They take seconds and memory, some print on import, and otgan hands POT nothing but NumPy arrays. A framework
    that the process has loaded already stays available to POT, and the environment is left as it was.
    """
    names = [
        f"POT_BACKEND_DISABLE_{name}" for module, name in _FRAMEWORKS.items() if module not in sys.modules
    ]
    added = [name for name in names if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module("ot")
    finally:
        for name in added:
            os.environ.pop(name, None)


def sparse_simplex_available() -> bool:
    """Whether POT's network simplex takes sparse costs (0.9.7 and later)."""
    return hasattr(import_pot().backend.NumpyBackend, "sparse_coo_data")
