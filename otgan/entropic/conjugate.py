"""Conjugate gradients on the Newton system of the semi-dual, for one problem and for a batch.

The same method twice: a batch needs masks wherever a single problem needs a number, and for small problems the masks
would cost more than the products with the kernel. Source: Hestenes & Stiefel 1952.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from otgan.deadline import NEVER, Deadline
from otgan.geometry.kernel import Kernel, Turn

__all__ = ["System", "conjugate_gradients"]

_FLAT = {torch.float32: 1e-6, torch.float64: 1e-14}
"""Curvature, relative to that of the diagonal, below which products in that type say nothing."""


_UNSEEN = 4
"""Iterations on a GPU between looks at what is still working; those that are not stand still meanwhile."""


@dataclass(frozen=True, eq=False)
class System:
    """The matrix I − s Kᵀ w K s in the type of the kernel K.

    Attributes
    ----------
    kernel : Kernel
    side : Tensor, shape (B, m)
        s, in the type of the kernel, as everything here.
    weight : Tensor, shape (B, n)
        w.
    precondition : callable
        Applies an approximate inverse to vectors of shape (B, m).
    farthest : callable
        Returns how far a direction may be followed, shape (B, 1).
    """

    kernel: Kernel
    side: Tensor
    weight: Tensor
    precondition: Callable[[Tensor], Tensor]
    farthest: Callable[[Tensor], Tensor]

    def times(self, direction: Tensor) -> Tensor:
        """Multiply a direction by the matrix."""
        _, back = self.kernel.through(self.side * direction, Turn(self.weight, divides=False))
        return torch.addcmul(direction, self.side, back, value=-1)


def conjugate_gradients(
    system: System,
    residual: Tensor,
    forcing: Tensor,
    limit: int,
    deadline: Deadline = NEVER,
) -> tuple[Tensor, int, bool]:
    """Solve the system for the right-hand sides `residual`.

    Clusters that exchange next to no mass leave directions whose curvature is lost in rounding: such a one is
    followed as far as it may be, and its problem is done.

    Parameters
    ----------
    system : System
    residual : Tensor, shape (B, m)
    forcing : Tensor, shape (B,)
        Residual to reach in L2, relative to that of zero.
    limit : int
        Iterations after which to stop.
    deadline : Deadline
        After which to stop too.

    Returns
    -------
    solution : Tensor, shape (B, m)
    iterations : int
    flat : bool
        Whether a direction was flat.
    """
    # A number for the host costs next to nothing on the CPU; a GPU would stop for it in every iteration.
    on_cpu = residual.device.type == "cpu"
    if on_cpu and residual.shape[0] == 1:
        return _one(system, residual, forcing, limit, deadline)
    return _many(system, residual, forcing, limit, deadline, 1 if on_cpu else _UNSEEN)


def _one(
    system: System, residual: Tensor, forcing: Tensor, limit: int, deadline: Deadline
) -> tuple[Tensor, int, bool]:
    x = torch.zeros_like(residual)
    flattest = _FLAT[residual.dtype]
    left = _inner(residual, residual)
    enough = left * float(forcing) ** 2
    direction = z = system.precondition(residual)
    slope = _inner(residual, z)
    used = 0
    while left > enough and used < limit and not deadline.passed:
        product = system.times(direction)
        used += 1
        curvature = _inner(direction, product)
        if not curvature > flattest * _inner(direction, direction):
            return x.addcmul_(system.farthest(direction), direction), used, True
        x.add_(direction, alpha=slope / curvature)
        residual = residual.sub(product, alpha=slope / curvature)
        left = _inner(residual, residual)
        z = system.precondition(residual)
        before, slope = slope, left if z is residual else _inner(residual, z)
        direction = z.add(direction, alpha=slope / before)
    return x, used, False


def _many(
    system: System, residual: Tensor, forcing: Tensor, limit: int, deadline: Deadline, every: int
) -> tuple[Tensor, int, bool]:
    x = torch.zeros_like(residual)
    left = _inners(residual, residual)
    enough = left * forcing.square().to(residual.dtype)[:, None]
    direction = z = system.precondition(residual)
    slope = _inners(residual, z)
    working = left > enough
    flat_ever, flattest = torch.zeros_like(working), _FLAT[residual.dtype]
    used = 0
    while used < limit and not deadline.passed and (used % every > 0 or bool(working.any())):
        product = system.times(direction)
        used += 1
        curvature = _inners(direction, product)
        flat = working & ~(curvature > flattest * _inners(direction, direction))
        if every > 1 or bool(flat.any()):
            flat_ever = flat_ever | flat
            x.addcmul_(torch.where(flat, system.farthest(direction), 0.0), direction)
            working = working & ~flat
        length = torch.where(working, slope / curvature, 0.0)
        x.addcmul_(length, direction)
        residual = torch.addcmul(residual, length, product, value=-1)
        left = _inners(residual, residual)
        working = working & (left > enough)
        z = system.precondition(residual)
        before, slope = slope, left if z is residual else _inners(residual, z)
        direction = torch.addcmul(z, torch.where(working, slope / before, 0.0), direction)
    return x, used, bool(flat_ever.any())


def _inner(x: Tensor, y: Tensor) -> float:
    return float(torch.dot(x[0], y[0]))


def _inners(x: Tensor, y: Tensor) -> Tensor:
    """Inner product of every problem, shape (B, 1)."""
    return torch.linalg.vecdot(x, y)[:, None]
