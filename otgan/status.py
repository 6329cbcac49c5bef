"""How a solve ended, and what happens where it fell short of what was asked for."""

from __future__ import annotations

import enum
import sys
import warnings
from collections.abc import Sequence

from otgan.coupling import Coupling
from otgan.deadline import Deadline
from otgan.mistakes import OtganError
from otgan.namespace import Array, namespace

__all__ = ["ConvergenceError", "ConvergenceWarning", "Status", "report_failures", "statuses"]

_MARGIN = 10
"""Proven bound of what rounding may add to a marginal error, relative to the tolerance, up to which it is certified:
roundings average out, and the bound is of the worst case."""


class Status(enum.Enum):
    """How a solve ended. ``str(status)`` is its name and ``status.remedy`` says what to do."""

    CONVERGED = "the marginal error is within tol"
    MAX_ITER = "stopped at max_iter before the marginal error was within tol: raise max_iter, tol or epsilon"
    TIME_LIMIT = "stopped at time_limit before the solution was reached: raise time_limit, tol or epsilon; lower and upper hold"
    UNCERTIFIED = (
        "rounding hides how near the solution is, as costs are this large beside epsilon or the others: raise epsilon or "
        "tol, or of an exact problem leave out the points that are far; lower and upper hold"
    )
    NONFINITE = (
        "the potentials left the floating-point range, or their rounding left nothing of the plan: raise epsilon, scale the "
        "points, or pass float64 samples"
    )

    def __str__(self) -> str:
        return self.name

    @property
    def remedy(self) -> str:
        """What it means and what to do."""
        return self.value


class ConvergenceWarning(UserWarning):
    """A solver stopped before the accuracy that was asked for; its result says how far it came."""


class ConvergenceError(OtganError, RuntimeError):
    """A solver stopped before the accuracy that was asked for, under ``on_failure="raise"``."""


def statuses(
    couplings: Coupling | Sequence[Coupling], tol: float, deadline: Deadline | None = None
) -> tuple[Status, ...]:
    """Tell the status of every problem from its recomputed error, the worst of several solutions that make one value.

    Parameters
    ----------
    couplings : Coupling or sequence of Coupling
    tol : float
    deadline : Deadline, optional
        What stopped a solve that fell short, where it has passed.
    """
    terms = [couplings] if isinstance(couplings, Coupling) else couplings
    xp = namespace(terms[0].error)
    error = xp.max(xp.stack([term.error for term in terms]), axis=0)
    rounding = xp.max(xp.stack([term.rounding for term in terms]), axis=0)
    finite = xp.isfinite(error) & xp.isfinite(sum(term.value for term in terms))
    finite &= (error <= tol) | ~xp.isnan(rounding)  # of a plan that is lost to rounding passes find no more
    short = Status.TIME_LIMIT if deadline is not None and deadline.passed else Status.MAX_ITER
    return tuple(
        Status.NONFINITE
        if not ok
        else short
        if not within
        else Status.CONVERGED
        if certain
        else Status.UNCERTIFIED
        for ok, within, certain in zip(
            finite.tolist(), (error <= tol).tolist(), (rounding <= _MARGIN * tol).tolist(), strict=True
        )
    )


def report_failures(status: Sequence[Status], errors: Array, tol: float, on_failure: str) -> None:
    """Warn or raise, once, where any problem did not converge."""
    failed = [k for k, s in enumerate(status) if s is not Status.CONVERGED]
    if not failed or on_failure == "ignore":
        return
    worst = status[failed[0]]
    who = (
        f"{len(failed)} of {len(status)} problems (the first is {failed[0]})"
        if len(status) > 1
        else "the solve"
    )
    message = f"{who}: {worst.remedy} (error {float(errors[failed].max()):.1e}, tol {tol:.1e})"
    if on_failure == "raise":
        raise ConvergenceError(message)
    warnings.warn(message, ConvergenceWarning, stacklevel=_callers_level())


def _callers_level() -> int:
    """The `stacklevel` at which a warning of the function that asks points at the code that called otgan."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == __package__:
        level, frame = level + 1, frame.f_back
    return level
