"""Exact transport by POT's network simplex, with its status checked."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import warnings
from types import ModuleType

import numpy as np

from otgan.exact.arcs import Arcs, Floats

__all__ = ["SimplexError", "solve_simplex"]

_OPTIMAL = 1
_LIMIT = 10**9
"""Pivots allowed by default: POT's own default of 1e5 ends larger problems at a plausible partial cost."""

_FRAMEWORKS = {"jax": "JAX", "cupy": "CUPY", "tensorflow": "TENSORFLOW"}
"""Array frameworks that POT imports if it finds them, and its names for them."""


class SimplexError(RuntimeError):
    """The network simplex did not end at an optimal plan."""


def solve_simplex(cost: Floats, a: Floats, b: Floats, *, max_iter: int | None = None) -> Arcs:
    """Solve min ⟨P, C⟩ over plans with marginals a and b.

    Raises
    ------
    SimplexError
        If the solver reports anything but an optimum, or its plan or potentials do not bear it out.
    """
    lp = import_pot().lp
    # The simplex compares with absolute tolerances: costs of order 1 suit them.
    scale = float(cost.max()) or 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the warnings say is in the result code, which is checked
        scaled = np.ascontiguousarray(cost / scale)
        plan, log = lp.emd(a, b, scaled, numItermax=max_iter or _LIMIT, log=True, check_marginals=False)
    if log["result_code"] != _OPTIMAL:
        raise SimplexError(
            f"the network simplex ended without an optimum on {cost.shape[0]} x {cost.shape[1]} points: "
            f"{log['warning']}; raise max_iter, or give epsilon for an entropic solution with bounds"
        )
    i, j = plan.nonzero()
    mass = plan[i, j]
    del plan
    missing = np.abs(np.bincount(i, mass, len(a)) - a).sum() + np.abs(np.bincount(j, mass, len(b)) - b).sum()
    # Two c-transforms keep the value of optimal potentials and make them feasible at zero weights too.
    f = (cost - scale * log["v"]).min(1)
    g = (cost - f[:, None]).min(0)
    value = float(mass @ cost[i, j])
    gap = value - float(a @ f + b @ g)
    if missing > 1e-9 or abs(gap) > 1e-9 * scale:
        raise SimplexError(
            f"the network simplex returned a plan with a marginal error of {missing:.1e} and a duality gap of "
            f"{gap:.1e} (costs up to {scale:.1e}); the weights may span more orders of magnitude than it resolves"
        )
    return Arcs(i, j, mass, f, g, "simplex")


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
