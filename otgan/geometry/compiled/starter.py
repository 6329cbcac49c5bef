"""Whole solves of problems that fit in a core's cache, each by one thread: a start that the solver verifies."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from otgan.deadline import Deadline
from otgan.entropic.problem import Limits, Problem
from otgan.entropic.start import Start
from otgan.geometry.accuracy import SINGLE
from otgan.geometry.compiled import whole
from otgan.geometry.compiled.geometry import CompiledGeometry
from otgan.namespace import Array
from otgan.threads import count, run

__all__ = ["PADDING_IS_FREE", "start", "start_of_self", "suits"]

PADDING_IS_FREE = False
"""Costs of the padding are formed, and visited when the solver verifies."""

_LARGEST = 2**20
"""Entries of a kernel up to which one thread is as fast as several that take turns with Python."""

_FARTHEST = 1e7
"""Costs, in units of ε, beyond which potentials need care that is not taken here."""

_FINEST = 4e-7
"""Marginal error below which the rounding of a float32 kernel shows; the solver goes on from there in float64."""

_SAFE = 0.8
"""Share of a tolerance to aim at where rounding may hide the rest."""

_FINEST_SELF = 1e-12
"""Marginal error below which the rounding of sums in float64 shows."""

_LEAST = 16
"""Passes that are worth a start."""

_MOST = 2**32
"""Entries of kernels that a problem may visit here: about half a second, in which nobody can interrupt it."""

_CHUNK = 2**25
"""Entries of kernels that one call to the compiled loops makes, for problems that take few passes; some 50 ms."""


def suits(problem: Problem) -> bool:
    """Whether the problems are small enough, and their costs not so large that potentials lose their digits."""
    _, n, m = problem.geometry.shape
    return n * m <= _LARGEST and not bool((problem.geometry.largest > _FARTHEST * problem.epsilon).any())


def start(problem: Problem, first: Array, limits: Limits) -> Start | None:
    """Solve balanced problems by annealing, Sinkhorn steps and Newton steps; none where hardly a pass is allowed.

    Parameters
    ----------
    problem : Problem
        Balanced, and such that it suits.
    first : Array, shape (B,)
        ε of the first stage.
    limits : Limits
    """
    batch, n, m = problem.geometry.shape
    budget = _budget(limits, n * m)
    if budget < _LEAST:
        return None
    f, g, passes = np.zeros((batch, n)), np.zeros((batch, m)), np.zeros(batch, np.int64)
    call = partial(
        whole.solve_balanced,
        _costs(problem),
        np.ascontiguousarray(problem.a),
        np.ascontiguousarray(problem.b),
        np.ascontiguousarray(problem.epsilon),
        np.ascontiguousarray(first),
        max(limits.tol * (_SAFE if limits.tol < SINGLE else 1), _FINEST),
        budget,
        _sizes(problem),
        f,
        g,
        passes,
    )
    _share_out(call, batch, n * m, limits.deadline)
    return Start(f, g, passes)


def start_of_self(problem: Problem, limits: Limits) -> Start | None:
    """Solve problems between measures and themselves."""
    batch, n, m = problem.geometry.shape
    budget = _budget(limits, n * m)
    if budget < _LEAST:
        return None
    f, passes = np.zeros((batch, n)), np.zeros(batch, np.int64)
    call = partial(
        whole.solve_symmetric,
        _costs(problem),
        np.ascontiguousarray(problem.a),
        np.ascontiguousarray(problem.epsilon),
        max(limits.tol, _FINEST_SELF),
        budget,
        _sizes(problem),
        f,
        passes,
    )
    _share_out(call, batch, n * m, limits.deadline)
    return Start(f, f, passes)


def _costs(problem: Problem) -> Any:
    assert isinstance(problem.geometry, CompiledGeometry)
    return problem.geometry.cost


def _budget(limits: Limits, entries: int) -> int:
    """Passes that a problem may take: a half of what is allowed is left to the solver."""
    return int(min(limits.max_iter // 2, _MOST // entries))


def _sizes(problem: Problem) -> Any:
    """Points that have weight, of each side: the others are padding, behind them."""
    return np.stack([(weights > 0).sum(1) for weights in (problem.a, problem.b)], 1)


def _share_out(call: Callable[[int, int], None], batch: int, entries: int, deadline: Deadline) -> None:
    """Call with the first and the last of some problems, until all are done or it is time, on threads that take turns."""
    threads = min(count(), batch)
    step = max(1, min(batch // (8 * threads), _CHUNK // entries))
    turns = itertools.count(0, step)

    def work() -> None:
        # Taking a number is one step of the interpreter: no two threads get the same.
        while (begin := next(turns)) < batch and not deadline.passed:
            call(begin, min(begin + step, batch))

    run([work] * threads)
