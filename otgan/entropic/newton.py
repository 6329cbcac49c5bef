"""Newton steps on the semi-dual, solved by conjugate gradients on products with the absorbed kernel.

With the row sums exact, the semi-dual D(g) = ⟨a, f(g)⟩ + ⟨b, g⟩ has the gradient b − c, where c are the column sums of
the plan P, and the Hessian −S/ε with S = diag(c) − Pᵀ diag(1/a) P. A step solves S d = b − c and adds ε t d to g.
S is positive semidefinite with the constants in its kernel. Where conjugate gradients are slow, a Cholesky
factor of S preconditions them; S changes little near the solution, so one factor serves several steps.
"""

from __future__ import annotations

import math

from otgan.deadline import NEVER, Deadline
from otgan.entropic.conjugate import System, conjugate_gradients
from otgan.entropic.factor import factorized, solved
from otgan.entropic.iterate import Iterate
from otgan.entropic.sparse import Sparse
from otgan.entropic.tuning import TUNING
from otgan.geometry.kernel import Kernel
from otgan.namespace import Array, arange, at_least, at_most, is_double, namespace, of_type

__all__ = ["Newton"]

_ROUNDING = 1e-15
"""Rounding of the dual value, relative to the terms that it sums."""

_SHARP = 1e-7
"""Goal above which a rise of the dual value below a millionth of the error is not told from none."""

_TIGHT = 1e-8
"""Marginal error that corrections made with a float32 kernel do not reach."""

_STALE = 12
"""Conjugate-gradient iterations with a factor after which it is made anew."""

_SHIFT_SINGLE, _SHIFT_DOUBLE = 1e-5, 1e-12
"""What is added in float32 and in float64 to the diagonal of the system, scaled to 1, so that rounding leaves it positive definite."""

_CHEAP, _LARGEST = 1024, 6000
"""Points up to which S is factorized as soon as conjugate gradients are slow, and where they do not arrive at all, or a GPU
multiplies."""


class Newton:
    """Newton steps at one ε; what is learnt of the system stays for the steps to come.

    Parameters
    ----------
    patient : bool
        Whether a slow system may be factorized: worth it at the last stage.
    deadline : Deadline
        When to stop wherever it is; a step that is not finished is still a step upward.
    """

    def __init__(self, *, patient: bool, deadline: Deadline = NEVER) -> None:
        self.patient, self.deadline = patient, deadline
        self.factor: Array | None = None
        self.slow = self.stuck = False
        self.exact = False
        self.sparse = Sparse()

    def take(self, keep: Array) -> Newton:
        """Return what is known of the problems whose indices are in `keep`."""
        part = Newton(patient=self.patient, deadline=self.deadline)
        part.slow, part.stuck, part.exact = self.slow, self.stuck, self.exact
        if self.factor is not None:
            part.factor = self.factor[keep]
        return part

    def step(self, it: Iterate, goal: float, budget: float) -> None:
        """Move an iterate, whose row sums are exact, by a Newton step with line search, in about `budget` passes."""
        sparse = self.sparse.serves(it)
        column = it.b * it.ratio
        gap = it.b - column
        if sparse:
            before = it.error
            direction, used = self.sparse.direction(it, column, gap, goal, self.deadline)
            it.passes += used
            _line_search(it, direction, gap)
            self.sparse.judge(before, it.error)
            return
        limit = TUNING.quick
        self.exact = self.exact or goal < _TIGHT
        largest = _LARGEST if self.stuck or getattr(column, "is_cuda", False) else _CHEAP
        if self.slow and self.factor is None and self.patient and column.shape[1] <= largest:
            self.factor = _factorize(it, column, it.kernel if self.exact else it.rough)
        if self.slow and self.factor is None:
            limit = TUNING.long
        # The inner accuracy follows the error, which makes the convergence superlinear; the floor keeps the
        # last step from solving more than is asked for.
        forcing = at_most(it.xp.maximum(at_most(it.xp.sqrt(it.error), 0.1), 0.6 * goal / it.error), 0.7)
        direction, used = self._solve(it, column, gap, forcing, min(limit, math.ceil(budget)))
        if self.factor is None:
            self.slow, self.stuck = self.slow or used >= TUNING.quick, used >= TUNING.long
        elif used > _STALE:
            self.factor = None
        _line_search(it, direction, gap)

    def _precondition(self, residual: Array) -> Array:
        if self.factor is None:
            return residual
        return of_type(solved(self.factor, of_type(residual, self.factor.dtype)), residual.dtype)

    def _solve(self, it: Iterate, column: Array, gap: Array, forcing: Array, limit: int) -> tuple[Array, int]:
        """Solve S d = gap for every problem to the relative accuracy `forcing`.

        In the variables z = √c d the system is I − s Kᵀ w K s with s = b v/√c and w = a u², whose residual in L2
        bounds that of S in L1. Vectors have the type of the kernel: what float32 loses, the next step makes up.
        """
        kernel = it.kernel if self.exact else it.rough
        root, dtype = _inverse_root(column), kernel.dtype

        def farthest(direction: Array) -> Array:
            return of_type(TUNING.trust / it.xp.max(abs(root * direction), axis=1)[:, None], dtype)

        side, weight = of_type(it.b * it.v * root, dtype), of_type(it.a * it.u**2, dtype)
        system = System(kernel, side, weight, self._precondition, farthest)
        x, used, flat = conjugate_gradients(system, of_type(gap * root, dtype), forcing, limit, self.deadline)
        self.exact = self.exact or flat
        it.passes += used
        found = root * of_type(x, gap.dtype)
        return found - (found * column).sum(1)[:, None], used


def _factorize(it: Iterate, column: Array, kernel: Kernel) -> Array | None:
    """Cholesky factor of S, regularized and scaled to a unit diagonal of c."""
    matrix = kernel.gram(it.a * it.u**2)
    if matrix is None:
        return None
    side = of_type(it.b * it.v * _inverse_root(column), matrix.dtype)
    matrix *= -side[:, None]
    matrix *= side[..., None]
    # Dozens of directions are nearly flat at small ε: the shift bounds the step along them.
    shift = (_SHIFT_DOUBLE if is_double(matrix.dtype) else _SHIFT_SINGLE) + 0.1 * it.error
    for problem, more in zip(matrix, shift.tolist(), strict=True):
        k = arange(len(problem), problem)
        problem[k, k] += 1 + more
    return factorized(matrix)


def _inverse_root(column: Array) -> Array:
    """1/√c, and 0 where c is."""
    xp = namespace(column)
    return xp.where(column == 0, 0.0, 1 / xp.sqrt(column))


def _line_search(it: Iterate, direction: Array, gap: Array) -> None:
    """Move along a direction: shorter until the semi-dual rises enough (Armijo), longer while the error falls.

    A cluster of points that exchanges too much mass with the rest needs its potential shifted by log(excess), of
    which a Newton step gives one unit; a longer step costs one pass, a new direction dozens.
    """
    xp = it.xp
    direction = at_least(at_most(direction, TUNING.trust), -TUNING.trust)
    slope = (direction * gap).sum(1)
    value = it.semi_dual()
    # What rounding leaves of a rise: near the solution the rise itself, of second order, is below it.
    noise = 1e-6 * it.error if it.tol > _SHARP else _ROUNDING * (1 + it.error + abs(value))
    before_v = it.v
    # Where even short steps fail, a plain Sinkhorn step never does.
    plain = before_v / it.ratio
    before = it.error
    t = xp.ones_like(value)
    for _ in range(12):
        it.v = before_v * xp.exp(t[:, None] * direction)
        it.sweep()
        rise = it.semi_dual() - value
        accepted = rise >= 1e-4 * t * slope - noise
        if bool(accepted.all()):
            break
        t = xp.where(accepted, t, 0.25 * t)
    # Where the dual value cannot tell, the error does: a rise that rounding may have made is none.
    enough = 1e-4 * t * slope
    if it.tol <= _SHARP:
        enough = xp.maximum(enough, noise)
    accepted = accepted & ~((rise < enough) & (it.error > before))
    if not bool(accepted.all()):
        it.v = xp.where(accepted[:, None], it.v, plain)
        it.sweep()
    for _ in range(4):
        left = (direction * (it.b - it.b * it.ratio)).sum(1)
        longer = (
            accepted & (t >= 1) & (left > 0.25 * slope) & (t * xp.max(abs(direction), axis=1) < TUNING.trust)
        )
        if not bool(longer.any()):
            return
        nearer = (it.u, it.v, it.ratio, it.error)
        t = xp.where(longer, 2 * t, t)
        it.v = xp.where(longer[:, None], before_v * xp.exp(t[:, None] * direction), it.v)
        it.sweep()
        better = it.error < 0.8 * nearer[3]
        side = better[:, None]
        it.u, it.v = xp.where(side, it.u, nearer[0]), xp.where(side, it.v, nearer[1])
        it.ratio, it.error = xp.where(side, it.ratio, nearer[2]), xp.where(better, it.error, nearer[3])
        slope = xp.where(better, slope, math.inf)
