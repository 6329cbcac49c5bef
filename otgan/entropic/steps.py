"""The steps of one stage: which kind is taken next, and when the stage is over."""

from __future__ import annotations

import math

from otgan.entropic.iterate import Iterate
from otgan.entropic.newton import Newton
from otgan.entropic.tuning import TUNING
from otgan.namespace import Array, at_least, namespace

__all__ = ["run_stage"]


def run_stage(
    iterate: Iterate,
    newton: Newton,
    goal: float,
    passes: float,
    *,
    settle: bool = False,
    compact: bool = False,
) -> None:
    """Step at one ε until every problem has a marginal error of `goal`, or so many passes are spent.

    Parameters
    ----------
    iterate : Iterate
    newton : Newton
    goal, passes : float
    settle : bool
        Whether light points must also have received their mass roughly.
    compact : bool
        Whether to return as soon as half of the problems are done, so that they can leave the batch.
    """
    plain = TUNING.plain
    iterate.sweep()
    while True:
        extent = iterate.extent()
        if not math.isfinite(extent):
            if iterate.rescues >= TUNING.rescues:
                return
            iterate.rescue()
            iterate.sweep()
            continue
        if extent > TUNING.far:
            iterate.absorb()
            iterate.sweep()
        done = iterate.error <= goal
        if iterate.passes >= passes or newton.deadline.passed or _is_over(iterate, done, settle, compact):
            return
        before = iterate.error
        if plain > 0 or bool((before > TUNING.far_off).all()):
            plain -= 1
            iterate.plain_step()
            iterate.sweep()
            # Where plain steps alone arrive soon, they are cheaper than a system to solve.
            if plain == 0 and _plain_steps(before, iterate.error, goal) <= TUNING.soon:
                plain = 1
        else:
            newton.step(iterate, goal, passes - iterate.passes)
            if _gained_little(before, iterate.error, done):
                plain = TUNING.plain


def _is_over(iterate: Iterate, done: Array, settle: bool, compact: bool) -> bool:
    """Whether all problems are done, or enough of them."""
    if compact and 2 * int(done.sum()) >= len(done):
        return True
    return bool(done.all()) and (not settle or iterate.balanced())


def _gained_little(before: Array, error: Array, done: Array) -> bool:
    return bool(((error > TUNING.gain * before) & ~done).any())


def _plain_steps(before: Array, error: Array, goal: float) -> float:
    """Steps to come until every error is `goal`, if each shrinks as in the step before."""
    xp = namespace(error)
    rate = xp.clip(error / before, 1e-9, 1 - 1e-9)
    return float(((math.log(goal) - xp.log(at_least(error, goal))) / xp.log(rate)).max())
