"""Newton directions from the heavy entries of the plan alone, and when to take them.

At small ε a product with the heavy entries costs a hundredth of one with the whole kernel; where conjugate gradients take
long nevertheless, a sparse factor of the heaviest preconditions them. Only the direction comes from them: the line search, the
error and all that is reported see every entry. Source: Tang et al. 2024 (sparse Newton steps).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from otgan.deadline import Deadline
from otgan.entropic.iterate import Iterate
from otgan.entropic.tuning import TUNING
from otgan.namespace import Array

__all__ = ["Sparse"]

_LONG = 2000
"""Conjugate-gradient iterations of a step at most."""

_LOOSE, _LOOSEST = 0.1, 0.5
"""Residual to solve a system to, relative to that of no step, far from the solution and where little is left to do.

In between it is the root of the error, which makes the convergence superlinear."""

_ENOUGH = 0.1
"""Share of the goal that a last step aims at: iterations on the core cost less than the sweep of another step."""

_WORTH = 2**20
"""Entries that conjugate gradients visit, in some 3 ms, before a new factor is worth its while."""

_STALE = 40
"""Iterations that do not ask for a new factor: a core that is not so sparse needs few, and would fill up."""

_ALOOF = 10.0
"""Factor by which the mass that the core leaves out may grow before the core is chosen anew."""

_SEEN = 0.1
"""Mass left out, as a share of the error, from which on it may be what made a step gain little."""


class Sparse:
    """Directions from the core of a kernel of one problem."""

    def __init__(self) -> None:
        self.first = self.lost = 0.0
        self.kernel: object = None
        self.inverse: Any = None
        self.refused = False
        self.failed = False

    def serves(self, it: Iterate) -> bool:
        """Whether a direction is to come from the core, which is chosen anew where the iterate has left it behind.

        Then the potentials are absorbed, and the sums of the iterate are those of the new kernel.
        """
        if it.b.shape[0] > 1:
            return False
        if self.failed:  # once
            self.failed = False
            return False
        stale = it.kernel is self.kernel and self.lost > max(_SEEN * float(it.error[0]), _ALOOF * self.first)
        return (it.kernel.core is not None and not stale) or it.part()

    def direction(
        self, it: Iterate, column: Array, gap: Array, goal: float, deadline: Deadline
    ) -> tuple[Array, float]:
        """Return a direction, shape (1, m), of mean 0 over the columns, and the passes that it took."""
        core, error = it.kernel.core, float(it.error[0])
        forcing = min(_LOOSEST, max(min(_LOOSE, error**0.5), _ENOUGH * goal / error))
        system = core.system(*(each[0] for each in (it.a * it.u, it.b * it.v, it.a, column)))
        if it.kernel is not self.kernel:
            self.kernel, self.first = it.kernel, system.lost
        self.lost = system.lost
        found, used = self._solve(system, gap[0], forcing, deadline)
        passes = used * len(core) / (it.a.shape[1] * it.b.shape[1])
        newton = found[None] - (found * column).sum(1)[:, None]
        return _bent(newton), passes

    def _solve(self, system: Any, gap: Any, forcing: float, deadline: Deadline) -> tuple[Any, int]:
        """Solve a system, first with what preconditioner there is, and with a new one where that takes long."""
        soon = min(_LONG, max(_STALE, _WORTH // max(1, len(system.index))))
        limit = _LONG if self.refused else soon
        found, used = system.solve(gap, forcing, limit, TUNING.trust, self.inverse, deadline)
        if used < limit or deadline.passed:
            return found, used
        from otgan.geometry.compiled.factor import inverse_of  # which brings SciPy's sparse solvers

        # S changes little near the solution: one factor serves several steps.
        self.inverse = inverse_of(system)
        self.refused = self.inverse is None
        found, more = system.solve(gap, forcing, _LONG, TUNING.trust, self.inverse, deadline)
        return found, used + more

    def judge(self, before: Array, error: Array) -> None:
        """Remember whether a step gained so little that the next one is to see the whole kernel."""
        self.failed = float(error[0]) > TUNING.gain * float(before[0]) and self.lost > _SEEN * float(error[0])


def _bent(newton: Array) -> Array:
    """Shorten a direction that leaves the range of the quadratic model: logarithmically, and not by cutting it off.

    Between clusters that exchange a mass δ each way, a shift by s moves 2 δ sinh s, of which Newton sees 2 δ s. What is too
    heavy comes down as Newton sees it.
    """
    if not float(abs(newton).max()) > TUNING.trust:
        return newton
    return np.where(newton > 0, np.arcsinh(newton), newton)
