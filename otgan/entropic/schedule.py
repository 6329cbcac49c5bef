"""The schedule of annealing, computed before the first step: which ε, to which error, within how many passes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from otgan.entropic.tuning import TUNING
from otgan.namespace import Array, namespace

__all__ = ["Stage", "levels", "stages"]


@dataclass(frozen=True, eq=False)
class Stage:
    """One stage of a balanced problem: an ε, and how far to go there.

    Attributes
    ----------
    epsilon : Array, shape (B,)
    goal : float
        Marginal error at which it ends, and which its kernel must be good for.
    passes : float
        Passes after which it ends anyway.
    annealing : bool
        Whether another ε follows, for which light points must have received their mass roughly.
    """

    epsilon: Array
    goal: float
    passes: float
    annealing: bool


def levels(start: Array, epsilon: Array) -> list[Array]:
    """Return the ε of every stage before the last one, shape (B,): from max(start, ε) down, never below ε.

    All problems of a batch go through the stages together; one that needs fewer waits at its own ε.
    """
    xp = namespace(epsilon)
    level, found = xp.maximum(start, epsilon), []
    while not bool((level <= epsilon).all()):
        found.append(level)
        level = xp.maximum(level / TUNING.factor, epsilon)
    return found


def stages(first: Array, epsilon: Array, tol: float) -> tuple[Stage, ...]:
    """Return the stages before the last one, from the ε `first` down to ε itself; none where it is near.

    One stage of annealing saves fewer passes than its kernel costs. After annealing the last ε is visited on the kernel
    that is cheapest first, to a coarse error; without it few passes are expected, on the kernel that they end on.
    """
    if bool((first <= TUNING.factor * epsilon).all()):
        return ()
    annealing = [
        Stage(level, TUNING.stage_tol, TUNING.stage_passes, annealing=True)
        for level in levels(first, epsilon)
    ]
    coarse = [Stage(epsilon, TUNING.coarse, math.inf, annealing=False)] if tol < TUNING.coarse else []
    return (*annealing, *coarse)
