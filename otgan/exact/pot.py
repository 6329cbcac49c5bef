"""POT's network simplex, with its status checked: the reference that ours is measured by, and can be replaced with."""

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
from numpy.typing import NDArray

from otgan.deadline import NEVER, Deadline
from otgan.exact.endings import LIMIT, OutOfTimeError, SimplexError
from otgan.exact.sparse_plan import Floats, lasting

__all__ = ["Found", "check_result", "import_pot", "pivot_by_pot", "run_pot"]

Found = tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats]
"""Arcs (i, j), the masses on them, and the potential of the columns."""

_OPTIMAL, _OUT_OF_PIVOTS = 1, 3

_FIRST = 2000
"""Pivots of the first run under a deadline."""

_FRAMEWORKS = {"jax": "JAX", "cupy": "CUPY", "tensorflow": "TENSORFLOW"}
"""Array frameworks that POT imports if it finds them, and its names for them."""


def pivot_by_pot(cost: Floats, a: Floats, b: Floats, max_iter: int | None, deadline: Deadline) -> Found:
    """Return the arcs of an optimal plan, their masses, and the potential of the columns.

    Raises
    ------
    OutOfTimeError
        If the deadline passes first.
    SimplexError
        If POT reports anything but an optimum.
    """
    scale = float(cost.max()) or 1.0  # it compares with absolute tolerances: costs of order 1 suit them
    plan, log = run_pot(a, b, cost / scale, max_iter or LIMIT, deadline)
    check_result(log, cost.shape)
    i, j = plan.nonzero()
    mass = plan[i, j]
    keep = lasting(i, j, mass, a, b)
    return i[keep], j[keep], mass[keep], scale * log["v"]


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
