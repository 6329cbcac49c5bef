"""The core of a plan, its heavy entries as compressed rows, and the Newton system of the semi-dual on it.

With P the plan of the core alone, r ≥ P1 and c ≥ Pᵀ1, the system is S = diag(c) − Pᵀ diag(1/r) P. For r and c the sums of
the whole plan are taken: what the core leaves out stays on the diagonal, as if its other ends stood still. So S is positive
definite where anything was left out, and semidefinite by dominance of the diagonal in any case, a cluster that only light
entries hold to the others is moved no further than they allow, and nothing depends on whether it is connected in the core.
(With the sums of the core itself on the diagonal every cluster that falls off is a direction without curvature.)

Scaled by z = √c d it is D − Qᵀ Q with D near 1. Sources: Hestenes & Stiefel 1952; Brauer et al. 2017; Tang et al. 2024.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.deadline import NEVER, Deadline
from otgan.jit import SUMS, compiled, part

__all__ = ["Core", "CoreSystem"]

_FLAT = 1e-14
"""Curvature, relative to that of the diagonal, below which products say nothing."""

_VISIT = 2**26
"""Entries that conjugate gradients visit between two looks at the time: a tenth of a second."""

Floats = NDArray[np.float64]


Inverse = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class Core:
    """Heavy entries of a kernel of n × m points.

    Attributes
    ----------
    ends : array, shape (n + 1,), int64
    index : array, shape (k,), int32
    value : array, shape (k,), float64
        Row i has the entries value[ends[i] : ends[i + 1]] in the columns index[ends[i] : ends[i + 1]].
    """

    ends: NDArray[np.int64]
    index: NDArray[np.int32]
    value: Floats

    def __len__(self) -> int:
        return len(self.index)

    def system(self, row: Floats, side: Floats, a: Floats, column: Floats) -> CoreSystem:
        """Return the Newton system of a plan.

        Parameters
        ----------
        row, side : array, shapes (n,) and (m,)
            Factors a u and b v of the plan.
        a, column : array, shapes (n,) and (m,)
            Row and column sums of the whole plan.
        """
        scaled, diagonal, root = np.empty_like(self.value), np.empty_like(column), np.empty_like(column)
        lost = _scale(self.ends, self.index, self.value, row, side, a, column, scaled, diagonal, root)
        return CoreSystem(self.ends, self.index, scaled, diagonal, root, lost)


@dataclass(frozen=True, eq=False)
class CoreSystem:
    """The matrix D − Qᵀ Q.

    Attributes
    ----------
    ends, index : array
        Those of the core.
    scaled : array, shape (k,)
        The entries of Q.
    diagonal : array, shape (m,)
        D.
    root : array, shape (m,)
        c^-½, and 0 where c is 0.
    lost : float
        Mass of the plan that is not in the core.
    """

    ends: NDArray[np.int64]
    index: NDArray[np.int32]
    scaled: Floats
    diagonal: Floats
    root: Floats
    lost: float

    def solve(
        self,
        gap: Floats,
        forcing: float,
        limit: int,
        farthest: float,
        inverse: Inverse | None = None,
        deadline: Deadline = NEVER,
    ) -> tuple[Floats, int]:
        """Solve S d = gap by conjugate gradients; return d and the iterations.

        Parameters
        ----------
        gap : array, shape (m,)
        forcing : float
            Residual to reach in the L2 norm of gap/√c, relative to that of zero.
        limit : int
            Iterations after which to stop.
        farthest : float
            Largest entry of a direction that has no curvature.
        inverse : callable, optional
            Applies an approximate inverse of the scaled matrix.
        deadline : Deadline
        """
        x, residual = np.zeros_like(gap), gap * self.root
        begin = residual if inverse is None else inverse(residual)
        along, left, slope = begin.copy(), float(residual @ residual), float(residual @ begin)
        some = max(1, _VISIT // max(1, len(self.index)))
        enough, used, flat = left * forcing**2, 0, False
        while left > enough and used < limit and not (flat or deadline.passed):
            most = min(some, limit - used)
            matrix = (self.ends, self.index, self.scaled, self.diagonal)
            left, count, flat = _descend(*matrix, x, residual, along, slope, enough, most, inverse is None)
            used, before, slope = used + count, slope, left
            if inverse is not None and not flat:
                turned = inverse(residual)
                slope = float(residual @ turned)
                along *= slope / before
                along += turned
        if flat:
            x += farthest / np.abs(self.root * along).max() * along
        return self.root * x, used


@compiled(SUMS)
def _scale(
    ends: Any,
    index: Any,
    value: Any,
    row: Any,
    side: Any,
    a: Any,
    column: Any,
    scaled: Any,
    diagonal: Any,
    root: Any,
) -> float:
    """Write Q = diag(r)^-½ P diag(c)^-½, D and c^-½; return the mass that the core leaves out."""
    kept, lost = diagonal, 0.0
    kept[:] = 0.0
    for j in range(len(root)):
        root[j] = 1 / math.sqrt(column[j]) if column[j] > 0 else 0.0
    for i in range(len(a)):
        total = 0.0
        for k in range(ends[i], ends[i + 1]):
            mass = row[i] * value[k] * side[index[k]]
            scaled[k] = mass
            total += mass
            kept[index[k]] += mass
        larger = max(a[i], total)
        share = 1 / math.sqrt(larger) if larger > 0 else 0.0
        for k in range(ends[i], ends[i + 1]):
            scaled[k] *= share * root[index[k]]
    for j in range(len(root)):
        lost += max(0.0, column[j] - kept[j])
        # Sums of a float32 kernel may be less than those of its heavy entries.
        diagonal[j] = max(1.0, kept[j] * root[j] * root[j])
    return lost


@compiled(SUMS)
def _descend(
    ends: Any,
    index: Any,
    scaled: Any,
    diagonal: Any,
    x: Any,
    residual: Any,
    along: Any,
    slope: float,
    enough: float,
    limit: int,
    alone: bool,
) -> tuple[float, int, bool]:
    """Iterate until the square of the residual is `enough`; return it, the iterations, and whether `along` is flat.

    Where it is not `alone`, the next direction is left after one iteration to the caller, who has a preconditioner.
    """
    product, used, left = np.empty(len(x)), 0, slope
    while True:
        curvature, length = _times(ends, index, scaled, diagonal, along, product)
        used += 1
        if not curvature > _FLAT * length:
            return left, used, True
        step, left = slope / curvature, 0.0
        for j in range(len(x)):
            x[j] += step * along[j]
            residual[j] -= step * product[j]
            left += residual[j] * residual[j]
        if not alone:
            return left, used, False
        for j in range(len(x)):
            along[j] = residual[j] + left / slope * along[j]
        slope = left
        if left <= enough or used >= limit:
            return left, used, False


@part(SUMS)
def _times(
    ends: Any, index: Any, scaled: Any, diagonal: Any, along: Any, product: Any
) -> tuple[float, float]:
    """Multiply a direction by D − Qᵀ Q; return its curvature and the square of its length."""
    for j in range(len(along)):
        product[j] = diagonal[j] * along[j]
    for i in range(len(ends) - 1):
        total = 0.0
        for k in range(ends[i], ends[i + 1]):
            total += scaled[k] * along[index[k]]
        for k in range(ends[i], ends[i + 1]):
            product[index[k]] -= scaled[k] * total
    curvature, length = 0.0, 0.0
    for j in range(len(along)):
        curvature += along[j] * product[j]
        length += along[j] * along[j]
    return curvature, length
