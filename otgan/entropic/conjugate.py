"""Conjugate gradients on the Newton system of the semi-dual, for one problem and for a batch.

The same method twice: a batch needs masks wherever a single problem needs a number, and for small problems the masks
would cost more than the products with the kernel. Source: Hestenes & Stiefel 1952.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from otgan.deadline import NEVER, Deadline
from otgan.geometry.kernel import Kernel, Turn
from otgan.namespace import Array, is_double, is_tensor, namespace, of_type

__all__ = ["System", "conjugate_gradients"]

_FLAT_SINGLE, _FLAT_DOUBLE = 1e-6, 1e-14
"""Curvature, relative to that of the diagonal, below which products in float32 and in float64 say nothing."""


_UNSEEN = 4
"""Iterations on a GPU between looks at what is still working; those that are not stand still meanwhile."""


@dataclass(frozen=True, eq=False)
class System:
    """The matrix I − s Kᵀ w K s in the type of the kernel K.

    Attributes
    ----------
    kernel : Kernel
    side : Array, shape (B, m)
        s, in the type of the kernel, as everything here.
    weight : Array, shape (B, n)
        w.
    precondition : callable
        Applies an approximate inverse to vectors of shape (B, m).
    farthest : callable
        Returns how far a direction may be followed, shape (B, 1).
    """

    kernel: Kernel
    side: Array
    weight: Array
    precondition: Callable[[Array], Array]
    farthest: Callable[[Array], Array]

    def times(self, direction: Array) -> Array:
        """Multiply a direction by the matrix."""
        _, back = self.kernel.through(self.side * direction, Turn(self.weight, divides=False))
        return direction - self.side * back


def conjugate_gradients(
    system: System,
    residual: Array,
    forcing: Array,
    limit: int,
    deadline: Deadline = NEVER,
) -> tuple[Array, int, bool]:
    """Solve the system for the right-hand sides `residual`.

    Clusters that exchange next to no mass leave directions whose curvature is lost in rounding: such a one is
    followed as far as it may be, and its problem is done.

    Parameters
    ----------
    system : System
    residual : Array, shape (B, m)
    forcing : Array, shape (B,)
        Residual to reach in L2, relative to that of zero.
    limit : int
        Iterations after which to stop.
    deadline : Deadline
        After which to stop too.

    Returns
    -------
    solution : Array, shape (B, m)
    iterations : int
    flat : bool
        Whether a direction was flat.
    """
    # A number for the host costs next to nothing on the CPU; a GPU would stop for it in every iteration.
    on_cpu = not is_tensor(residual) or residual.device.type == "cpu"
    if on_cpu and residual.shape[0] == 1:
        return _one(system, residual, forcing, limit, deadline)
    return _many(system, residual, forcing, limit, deadline, 1 if on_cpu else _UNSEEN)


def _one(
    system: System, residual: Array, forcing: Array, limit: int, deadline: Deadline
) -> tuple[Array, int, bool]:
    x = namespace(residual).zeros_like(residual)
    flattest = _flattest(residual)
    left = _inner(residual, residual)
    enough = left * float(forcing[0]) ** 2
    direction = z = system.precondition(residual)
    slope = _inner(residual, z)
    used = 0
    while left > enough and used < limit and not deadline.passed:
        product = system.times(direction)
        used += 1
        curvature = _inner(direction, product)
        if not curvature > flattest * _inner(direction, direction):
            return x + system.farthest(direction) * direction, used, True
        x += slope / curvature * direction
        residual = residual - slope / curvature * product
        left = _inner(residual, residual)
        z = system.precondition(residual)
        before, slope = slope, left if z is residual else _inner(residual, z)
        direction = z + slope / before * direction
    return x, used, False


def _many(
    system: System, residual: Array, forcing: Array, limit: int, deadline: Deadline, every: int
) -> tuple[Array, int, bool]:
    xp, dtype = namespace(residual), residual.dtype
    x = xp.zeros_like(residual)
    left = _inners(residual, residual)
    enough = left * of_type(forcing**2, dtype)[:, None]
    direction = z = system.precondition(residual)
    slope = _inners(residual, z)
    working = left > enough
    flat_ever, flattest = xp.zeros_like(working), _flattest(residual)
    used = 0
    while used < limit and not deadline.passed and (used % every > 0 or bool(working.any())):
        product = system.times(direction)
        used += 1
        curvature = _inners(direction, product)
        flat = working & ~(curvature > flattest * _inners(direction, direction))
        if every > 1 or bool(flat.any()):
            flat_ever = flat_ever | flat
            x += of_type(xp.where(flat, system.farthest(direction), 0.0), dtype) * direction
            working = working & ~flat
        length = of_type(xp.where(working, slope / curvature, 0.0), dtype)
        x += length * direction
        residual = residual - length * product
        left = _inners(residual, residual)
        working = working & (left > enough)
        z = system.precondition(residual)
        before, slope = slope, left if z is residual else _inners(residual, z)
        direction = z + of_type(xp.where(working, slope / before, 0.0), dtype) * direction
    return x, used, bool(flat_ever.any())


def _inner(x: Array, y: Array) -> float:
    return float(x[0] @ y[0])


def _inners(x: Array, y: Array) -> Array:
    """Inner product of every problem, shape (B, 1)."""
    return namespace(x).linalg.vecdot(x, y)[:, None]


def _flattest(vectors: Array) -> float:
    return _FLAT_DOUBLE if is_double(vectors.dtype) else _FLAT_SINGLE
