"""Column generation: a linear program over few arcs, and a proof that the others are not needed.

Of n·m arcs an optimal plan uses n + m − 1. Approximate potentials tell which arcs may be among them; the problem restricted
to those is solved; its potentials, checked against all arcs, either prove the restricted optimum optimal, or name arcs that
are missing (Dantzig & Wolfe 1960, and for transport Schmitzer 2016). Memory is O(n + m), and the result is as exact as that
of a solver that sees every arc: its certificate is the same duality gap.
"""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from otgan.deadline import NEVER, Deadline
from otgan.exact.endings import OutOfTimeError, SimplexError
from otgan.exact.search.restricted import Restricted, Search
from otgan.exact.sparse_plan import Floats

__all__ = ["Generated", "check_gap", "generate"]

Ints = NDArray[np.int64]

_NEAREST = 12
"""Arcs of least reduced cost that every point contributes to the first restricted problem."""

_ROUNDING = 1e-11
"""Duality gap, relative to the mean cost, that is taken for rounding where no arc is missing."""

_RELATIVE = 1e-6
"""Duality gap, relative to the cost itself, beyond which the proof says too little: the cost is next to nothing."""

_ROUNDS, _CROWD = 100, 200
"""Restricted problems, and arcs a point, after which the search is given up."""

_REMEDY = "use backend='simplex', or give epsilon for bounds of the exact cost"


class Generated(NamedTuple):
    """Arcs i·m + j that carry mass, and feasible potentials; whether they are optimal."""

    codes: Ints
    mass: Floats
    f: Floats
    g: Floats
    optimal: bool


def generate(
    search: Search,
    masses: tuple[Ints, Ints],
    start: tuple[Floats, Floats],
    unit: float,
    deadline: Deadline = NEVER,
) -> Generated:
    """Solve restricted problems until no arc is missing.

    Parameters
    ----------
    search : Search
    masses : tuple of ndarray of int64
        Of rows and columns, positive, with one total.
    start : tuple of ndarray
        Potentials near the optimal ones.
    unit : float
        The mean cost.
    deadline : Deadline
        Where it passes first, the arcs may carry less than all mass, and potentials are the best so far.

    Raises
    ------
    OutOfTimeError
        If the deadline passes before there are arcs.
    SimplexError
        If arcs are still missing after many rounds, or there are too many.
    """
    total = int(masses[0].sum())
    a, b = (side / total for side in masses)
    problem = Restricted(search, masses, *start, _NEAREST, unit)
    best, crowd = problem.feasible, _CROWD * sum(search.shape)
    number = search.processes.number
    lower, upper = number(float(a @ best[0] + b @ best[1])), np.inf
    with contextlib.suppress(OutOfTimeError):
        for _ in range(_ROUNDS):
            problem.solve(deadline)
            new, f, g = problem.expand()
            value = number(float(a @ f + b @ g))
            if value > lower:
                best, lower = (f, g), value
            if problem.missing == 0:
                codes, mass = problem.flow
                upper = number(float(mass @ search.costs(codes)))
            deadline.know(lower, upper)
            if problem.missing == 0 and new == 0:
                # The proof looks at all arcs once more, whatever has been concluded of some of them.
                f = search.transform(problem.g, problem.f)
                check_gap(upper, number(float(a @ f + b @ problem.g)), unit)
                return Generated(codes, mass, f, problem.g, optimal=True)
            if len(problem.codes) > crowd:
                raise SimplexError(f"{_CROWD} arcs a point prove no optimum; {_REMEDY}")
            if deadline.passed:
                break
        else:
            raise SimplexError(f"{_ROUNDS} restricted problems prove no optimum; {_REMEDY}")
    return Generated(*problem.flow, *best, optimal=False)


def check_gap(value: float, dual: float, unit: float) -> None:
    """Raise a SimplexError where the cost of a plan and that of potentials do not meet."""
    gap = value - dual
    if not gap <= _ROUNDING * unit or gap > _RELATIVE * value > 0:
        raise SimplexError(
            f"the cost, {value / unit:.1e} of the mean cost, is proved to {gap / unit:.1e} of the mean cost only; {_REMEDY}"
        )
