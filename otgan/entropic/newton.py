"""Newton steps on the semi-dual, solved by conjugate gradients on products with the absorbed kernel.

With the row sums exact, the semi-dual D(g) = ⟨a, f(g)⟩ + ⟨b, g⟩ has the gradient b − c, where c are the column sums of
the plan P, and the Hessian −S/ε with S = diag(c) − Pᵀ diag(1/a) P. A step solves S d = b − c and adds ε t d to g.
S is positive semidefinite with the constants in its kernel. Where conjugate gradients are slow, a Cholesky
factor of S preconditions them; S changes little near the solution, so one factor serves several steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.entropic.iterate import Iterate

__all__ = ["Newton"]

_TRUST = 20.0
"""Largest entry of a step, in units of ε: beyond it the quadratic model says nothing."""

_FLAT = 1e-6
"""Curvature, relative to that of the diagonal, below which products in float32 say nothing."""

_SLOW = 30
"""Conjugate-gradient iterations that a step may take before the next one gets a Cholesky factor."""

_STALE = 12
"""Conjugate-gradient iterations with a factor after which it is made anew."""

_LIMIT = 400
"""Conjugate-gradient iterations where no factor can be had."""

_LARGEST = 6000
"""Points up to which S is factorized."""


class Newton:
    """Newton steps at one ε; what is learnt of the system stays for the steps to come.

    Parameters
    ----------
    patient : bool
        Whether a slow system may be factorized: worth it at the last stage.
    """

    def __init__(self, *, patient: bool) -> None:
        self.patient = patient
        self.factor: tuple[Tensor, Tensor] | None = None
        self.slow = False

    def take(self, keep: Tensor) -> Newton:
        """Return what is known of the problems whose indices are in `keep`."""
        part = Newton(patient=self.patient)
        part.slow = self.slow
        if self.factor is not None:
            part.factor = (self.factor[0][keep], self.factor[1][keep])
        return part

    def step(self, it: Iterate, goal: float) -> None:
        """Move an iterate, whose row sums are exact, by a Newton step with line search."""
        column = it.b * it.ratio
        gap = it.b - column
        limit = _SLOW
        if self.slow and self.factor is None and self.patient and column.shape[1] <= _LARGEST:
            self.factor = _factorize(it, column)
        if self.slow and self.factor is None:
            limit = _LIMIT
        # The inner accuracy follows the error, which makes the convergence superlinear; the floor keeps the
        # last step from solving more than is asked for.
        forcing = torch.maximum(it.error.sqrt().clamp_max(0.25), 0.3 * goal / it.error).clamp_max(0.5)
        direction, used = self._conjugate_gradients(it, column, gap, forcing, limit)
        if self.factor is None:
            self.slow = self.slow or used >= _SLOW
        elif used > _STALE:
            self.factor = None
        _line_search(it, direction, gap)

    def _precondition(self, residual: Tensor, inverse: Tensor) -> Tensor:
        if self.factor is None:
            return residual * inverse
        factor, scale = self.factor
        scaled = (scale * residual.to(scale.dtype))[..., None]
        return (scale * torch.cholesky_solve(scaled, factor)[..., 0]).to(residual.dtype)

    def _conjugate_gradients(
        self, it: Iterate, column: Tensor, gap: Tensor, forcing: Tensor, limit: int
    ) -> tuple[Tensor, int]:
        """Solve S d = gap for every problem to the relative L1 accuracy `forcing`."""
        weight_x = it.a * it.u.square()
        inverse = torch.where(column > 0, 1 / column, 0.0)
        residual, x = gap, torch.zeros_like(gap)
        enough = forcing * gap.abs().sum(1)
        z = self._precondition(residual, inverse)
        direction, slope = z, (residual * z).sum(1)
        open_ = residual.abs().sum(1) > enough
        used = 0
        while used < limit:
            bv = it.b * it.v
            _, back = it.rough.through(bv * direction, lambda sums, rows: weight_x[:, rows] * sums)
            product = column * direction - bv * back
            it.passes += 1
            used += 1
            curvature = (direction * product).sum(1)
            # Clusters that exchange next to no mass leave directions whose curvature is lost in rounding: such
            # a one is followed to the end of the trust region, and the problem leaves.
            flat = curvature <= _FLAT * (column * direction.square()).sum(1)
            go = open_ & ~flat
            length = torch.where(flat, _TRUST / direction.abs().amax(1), slope / curvature)
            x = x + torch.where(open_, length, 0.0)[:, None] * direction
            length = torch.where(go, length, 0.0)[:, None]
            residual = residual - length * product
            open_ = go & (residual.abs().sum(1) > enough)
            if not bool(open_.any()):
                break
            z = self._precondition(residual, inverse)
            slope, before = (residual * z).sum(1), slope
            direction = z + torch.where(open_, slope / before, 0.0)[:, None] * direction
        return x - (x * column).sum(1, keepdim=True), used


def _factorize(it: Iterate, column: Tensor) -> tuple[Tensor, Tensor] | None:
    """Cholesky factor of the regularized S, scaled to a unit diagonal, with the scaling."""
    gram = it.rough.gram(it.a * it.u.square())
    if gram is None:
        return None
    side = (it.b * it.v).to(gram.dtype)
    matrix = gram.mul_(-side[:, None]).mul_(side[..., None])
    # Dozens of directions are nearly flat at small ε: the shift bounds the step along them.
    shift = 1e-5 + 0.1 * it.error
    diagonal = matrix.diagonal(dim1=1, dim2=2)
    diagonal += torch.where(column > 0, column * (1 + shift[:, None]), 1.0).to(gram.dtype)
    scale = torch.where(column > 0, column, 1.0).rsqrt().to(gram.dtype)
    matrix.mul_(scale[:, None]).mul_(scale[..., None])
    factor, info = torch.linalg.cholesky_ex(matrix)
    return None if bool((info > 0).any()) else (factor, scale)


def _line_search(it: Iterate, direction: Tensor, gap: Tensor) -> None:
    """Move along a direction: shorter until the semi-dual rises enough (Armijo), longer while the error falls.

    A cluster of points that exchanges too much mass with the rest needs its potential shifted by log(excess), of
    which a Newton step gives one unit; a longer step costs one pass, a new direction dozens.
    """
    direction = direction.clamp(-_TRUST, _TRUST)
    slope = (direction * gap).sum(1)
    value = it.semi_dual(it.u, it.v)
    noise = 1e-6 if it.tol > 1e-7 else 1e-13
    before_v = it.v
    t = torch.ones_like(value)
    for _ in range(12):
        v = before_v * (t[:, None] * direction).exp()
        u = it.rows_made_exact(v)
        rise = it.semi_dual(u, v) - value
        accepted = rise >= 1e-4 * t * slope - noise * it.error
        if bool(accepted.all()):
            break
        t = torch.where(accepted, t, 0.25 * t)
    keep = accepted[:, None]
    # Where even short steps fail, a plain Sinkhorn step never does.
    plain = before_v / it.ratio
    it.v = torch.where(keep, v, plain)
    it.u = u if bool(accepted.all()) else it.rows_made_exact(it.v)
    it.measure()
    for _ in range(4):
        left = (direction * (it.b - it.b * it.ratio)).sum(1)
        longer = accepted & (t >= 1) & (left > 0.25 * slope) & (t * direction.abs().amax(1) < _TRUST)
        if not bool(longer.any()):
            return
        nearer = (it.u, it.v, it.ratio, it.error)
        t = torch.where(longer, 2 * t, t)
        it.v = torch.where(longer[:, None], before_v * (t[:, None] * direction).exp(), it.v)
        it.u = it.rows_made_exact(it.v)
        it.measure()
        better = it.error < 0.8 * nearer[3]
        side = better[:, None]
        it.u, it.v = torch.where(side, it.u, nearer[0]), torch.where(side, it.v, nearer[1])
        it.ratio, it.error = torch.where(side, it.ratio, nearer[2]), torch.where(better, it.error, nearer[3])
        slope = torch.where(better, slope, torch.inf)
