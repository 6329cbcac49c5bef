"""What an entropic problem is solved with: ε, ρ, tolerance and limits, checked and in the solvers' terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from otgan.costs import Cost
from otgan.deadline import Deadline
from otgan.entropic.problem import Limits, Problem, Solution
from otgan.geometry import Geometry, make_geometry
from otgan.measure import Measure
from otgan.mistakes import OutOfRangeError, WrongValueError
from otgan.namespace import Array, at_most, beside, detached, least_of, namespace, without_graph, zeros
from otgan.normal_form import NormalForm
from otgan.options import (
    Floats,
    check_max_iter,
    check_time_limit,
    check_tol,
    resolve_epsilon,
    resolve_reach,
)

if TYPE_CHECKING:
    from otgan.distributed.ranks import Ranks

__all__ = ["MAX_ITER", "RELATIVE_EPSILON", "Settings"]

RELATIVE_EPSILON = 0.05
"""ε as a share of the mean cost Σ aᵢ bⱼ Cᵢⱼ where neither `epsilon` nor `blur` is given."""

MAX_ITER = 5000
"""Passes over the kernel after which an entropic solve stops, unless told otherwise."""

_LEAST, _LARGEST = 1e-150, 1e280
"""Range of ε in units of the cost: below it rounding alone overflows exponents; above it no number tells ε from infinity."""


@dataclass(frozen=True, eq=False)
class Settings:
    """What an entropic problem is solved with, checked and in solver's terms.

    Attributes
    ----------
    epsilon : Array, shape (B,), float64
        In the caller's units.
    rho : Array, shape (B,), or None
        Marginal penalty of unbalanced problems, in the caller's units.
    tol : float
    max_iter : int
    backend : str
    deadline : Deadline
    ranks : Ranks or None
        The processes that solve it together, where it is not this one alone.
    """

    epsilon: Array
    rho: Array | None
    tol: float
    max_iter: int
    backend: str
    deadline: Deadline = field(default_factory=Deadline)
    ranks: Ranks | None = None

    @classmethod
    def of(
        cls,
        form: NormalForm,
        *,
        epsilon: Any,
        blur: Any,
        reach: Any,
        tol: float | None,
        max_iter: int | None,
        backend: str,
        time_limit: float | None = None,
        ranks: Ranks | None = None,
    ) -> Settings:
        """Check the keywords of a call; without `epsilon` and `blur`, ε is a twentieth of the mean cost."""
        seconds = check_time_limit(time_limit)
        deadline = Deadline.after(seconds) if ranks is None else ranks.deadline(seconds)
        found, penalty = resolve_epsilon(epsilon, blur, form.cost.p), resolve_reach(reach, form.cost.p)
        points = form.x.measure.points
        tol = check_tol(tol, form.x.whole.dtype)
        limit = check_max_iter(max_iter, MAX_ITER)
        assert limit is not None
        given = "epsilon, a twentieth of the mean cost,"
        if found is None:
            strength = _default_epsilon(form, ranks)
        else:
            given = "epsilon" if epsilon is not None else "blur"
            strength = _spread(found, points, given)
            if not bool((strength / form.scale >= _LEAST).all()):
                raise OutOfRangeError(
                    f"{given} is less than {_LEAST:.0e} of the costs, which float64 cannot tell from 0: raise it, or "
                    "leave it out of otgan.transport for exact transport"
                )
        if not bool(namespace(strength).isfinite(strength).all()):
            raise OutOfRangeError(
                "the mean cost, of which epsilon is a twentieth, is beyond the range of float64: divide the samples, or what "
                "a function returns, by a length of their own order"
            )
        least = least_of(form.x.whole.dtype)
        if bool((strength < least).any()):
            kind = str(form.x.whole.dtype).removeprefix("torch.")
            raise OutOfRangeError(
                f"{given} is less than {least:.0e}, beyond which {kind}, the type of the samples, holds no potentials: "
                "divide the samples by a length of their own order, or pass them in float64 (x.double())"
            )
        rho = None if penalty is None else _spread(penalty, points, "reach")
        if rho is not None and bool((rho / form.scale < _LEAST).any()):
            raise OutOfRangeError(
                f"p * reach**p is less than {_LEAST:.0e} of the costs, which float64 cannot tell from 0: raise reach"
            )
        return cls(strength, rho, tol, limit, backend, deadline, ranks)

    def in_units(self, scale: Array) -> Settings:
        """Return the settings of a problem whose costs are divided by `scale`, shape (B,)."""
        epsilon = at_most(self.epsilon / scale, _LARGEST)
        rho = None if self.rho is None else at_most(self.rho / scale, _LARGEST)
        return replace(self, epsilon=epsilon, rho=rho)

    def geometry(self, x: Array, y: Array, rule: Cost, direct: bool = False) -> Geometry:
        """Return the geometry of the backend, of all ranks where there are several and the problem is worth it."""
        if self.ranks is None:
            return make_geometry(self.backend, x, y, rule, direct)
        return self.ranks.geometry(self.backend, x, y, rule, direct)

    def solved(self, solve: Callable[..., Solution], problem: Problem, init: Array | None = None) -> Solution:
        """Solve a problem by a solver, which one rank does for all where the problem is not worth more."""
        if self.ranks is None:
            return solve(problem, self.limits, init)
        return self.ranks.solved(solve, problem, self.limits, init)

    @property
    def limits(self) -> Limits:
        """Where the solvers may stop."""
        return Limits(self.tol, self.max_iter, self.deadline)

    def weights(self, side: Measure) -> Array:
        """Weights to solve for: normalized where the problem is balanced, as given where it is not."""
        return side.weights if self.rho is None else side.weights * side.mass[:, None]


def _default_epsilon(form: NormalForm, ranks: Ranks | None) -> Array:
    """ε where none is given: a twentieth of the mean cost, and 1 where that is 0; shape (B,), detached."""
    x, y = form.x.measure, form.y.measure
    with without_graph(x.points):
        parts = map(detached, (x.points, y.points, x.weights, y.weights))
        mean = form.cost.mean(*parts) if ranks is None else ranks.mean_cost(form.cost, *parts)
    return namespace(mean).where(mean > 0, RELATIVE_EPSILON * mean * form.scale, 1.0)


def _spread(number: Floats, x: Array, name: str) -> Array:
    """Give every problem of the batch its own copy of a number, or check that there is one a problem."""
    value = beside(np.asarray(number), x)
    if value.ndim == 1 and len(value) != len(x):
        expected = f"one number or one a problem ({len(x)})"
        raise WrongValueError(f"{name} must be {expected}, got {len(value)}")
    return value + zeros(len(x), x)
