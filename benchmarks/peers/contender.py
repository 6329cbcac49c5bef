"""What a contender is: something that solves a problem to an error in a time, and how it turns its knob."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.problems import Problem
from benchmarks.timing import LateError, at_most, now, timed

__all__ = [
    "FEW",
    "TELLING",
    "Attempt",
    "Contender",
    "Deadline",
    "Trial",
    "finite",
    "iterated",
    "out_of_reach",
    "scaled",
    "tighten",
]

FEW = 10
"""Iterations that no method needs fewer of: a peer which cannot make them in its time is not started."""

TELLING = 200
"""Points from which on the length of an iteration tells that on more points."""

_TURNS = 4
"""Positions of a knob that are tried."""

_NEAR = 0.4
"""Share of the error asked for from which on a looser knob would gain nothing."""

_AIMED = 0.8
"""Share of the error asked for that the next position of a knob aims at."""

_STEPS = (1e-3, 50.0)
"""An error below this share of the one asked for says nothing of how far the knob is off; the longest turn."""

_MARGIN = 1.2
"""How much longer than its time a run may take before it is stopped."""


@dataclass(frozen=True)
class Attempt:
    """What a contender reached with its knob in one position.

    Attributes
    ----------
    seconds : float
        Time of the one warm run, from the samples.
    error : float
        Recomputed L1 error of both marginals; inf where the answer is not finite or there is none.
    knob : str
        Where the knob stood.
    again : callable
        The run itself, to be timed again.
    passes : int, optional
        Passes over the kernel, where the contender reports them.
    words : str
        What is said where the error is inf.
    """

    seconds: float
    error: float
    knob: str
    again: Callable[[], Any]
    passes: int | None = None
    words: str = "(no finite answer)"


class Contender(ABC):
    """Something that solves an entropic problem.

    Attributes
    ----------
    name, package : str
        What it is called in the tables, and the distribution it comes in.
    sparse : bool
        Whether a smaller ε may be easier for it, as it is for solvers that leave out small entries of the plan.
    uncounted : float
        Seconds spent so far on what is in no figure, such as compilations.
    """

    name: str
    package: str
    sparse = False
    uncounted = 0.0

    @abstractmethod
    def attempt(self, problem: Problem, tol: float, limit: float) -> Attempt:
        """Return the fastest run whose error is at most `tol`, or else the best that `limit` seconds in all gave."""


class Deadline:
    """When an attempt, with all its runs, has to end."""

    def __init__(self, seconds: float) -> None:
        self.end = now() + seconds

    @property
    def left(self) -> float:
        """Seconds left, by the clock in use."""
        return self.end - now()

    def extend(self, seconds: float) -> None:
        """Give back what was spent on something that does not count."""
        self.end += seconds


@dataclass(frozen=True)
class Trial:
    """One run with a knob in one position.

    Attributes
    ----------
    seconds : float
    answer
        What the error is computed from.
    again : callable
        The run.
    cut : bool
        Whether it ended because it was allowed no more iterations: a tighter threshold would not help.
    """

    seconds: float
    answer: Any
    again: Callable[[], Any]
    cut: bool = False


def iterated(
    solve: Callable[[float, int], Any], pace: float, threshold: float, left: float, unit: int = 1
) -> Trial | None:
    """Run with as many iterations as there is time for; None where they would be too few.

    Parameters
    ----------
    solve : callable
        Of a threshold and the most iterations.
    pace : float
        Seconds an iteration takes.
    unit : int
        Iterations that together compare to one pass.
    """
    most = int(left / pace)
    if most < FEW * unit:
        return None
    run = partial(solve, threshold, most)
    return Trial(*timed(run), run)


def tighten(
    trial: Callable[[float, float], Trial | None],
    error_of: Callable[[Any], float],
    knob: str,
    threshold: float,
    tol: float,
    deadline: Deadline,
    *,
    stop: bool = True,
) -> Attempt | None:
    """Look for the loosest threshold whose answer has an error of at most `tol`, in a few runs.

    Parameters
    ----------
    trial : callable
        Of a threshold and the seconds left; None where they are too few to start.
    error_of : callable
        The recomputed error of an answer.
    stop : bool
        Whether a run that outlasts its time is interrupted: compilations must not be, and compiled code cannot.

    Returns
    -------
    Attempt or None
        None where there was not the time for one run.
    """
    best: Attempt | None = None
    for _ in range(_TURNS):
        left = deadline.left
        if left <= 0:
            break
        try:
            # Methods whose iterations differ in length can outlast every estimate.
            with at_most(_MARGIN * left) if stop else nullcontext():
                tried = trial(threshold, left)
        except LateError:
            return best or Attempt(
                _MARGIN * left, math.inf, f"{knob}={threshold:.3g}", _never, words="(stopped)"
            )
        if tried is None:
            break
        error = finite(error_of(tried.answer))
        attempt = Attempt(tried.seconds, error, f"{knob}={threshold:.3g}", tried.again)
        if best is None or (error <= tol and (best.error > tol or attempt.seconds < best.seconds)):
            best = attempt
        if error > tol:
            if best.error <= tol or tried.cut or tried.seconds > left / 2 or not math.isfinite(error):
                break
            best, threshold = attempt, threshold * (_AIMED * tol / error)
        elif error > _NEAR * tol:
            break
        else:
            # Far better than asked for, which costs time.
            threshold *= min(_AIMED * tol / max(error, _STEPS[0] * tol), _STEPS[1])
    return best


def out_of_reach(pace: float) -> Attempt:
    """Return the attempt of a peer that cannot make a few iterations, of so many seconds each, in its time."""
    return Attempt(FEW * pace, math.inf, "", _never, words=f"for {FEW} iterations")


def scaled(paces: Mapping[tuple[int, ...], float], shape: tuple[int, ...]) -> float | None:
    """Return the pace at a shape by that of the largest smaller one, as the number of pairs goes; None where none tells."""
    size = math.prod(shape)
    known = [other for other in paces if TELLING**2 <= math.prod(other) <= size]
    if not known:
        return None
    nearest = max(known, key=math.prod)
    return paces[nearest] * size / math.prod(nearest)


def finite(error: float) -> float:
    """Return an error, or inf where it is not a number."""
    return error if math.isfinite(error) else math.inf


def _never() -> None:
    raise RuntimeError("a peer that did not arrive was to be timed again")
