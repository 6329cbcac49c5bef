"""The sparse solution of one exact problem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "SparsePlan", "lasting"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SparsePlan:
    """An optimal plan as arcs (i, j, mass), with optimal potentials f and g where the solver yields them.

    Attributes
    ----------
    i, j : ndarray of int, shape (k,)
    mass : ndarray, shape (k,)
        Positive, with the marginals a and b.
    f, g : ndarray or None
        Feasible potentials, fᵢ + gⱼ ≤ Cᵢⱼ, whose value ⟨a, f⟩ + ⟨b, g⟩ is the cost of the plan; None where
        they must be asked for, with :func:`otgan.exact.assignment.potentials`.
    solver : str
    optimal : bool
        False where time ended first: then plan and potentials are feasible, and no more.
    slack : float
        How far the costs that the solver saw may be off, beside the errors of the costs' own blocks.
    """

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    mass: Floats
    f: Floats | None
    g: Floats | None
    solver: str
    optimal: bool = True
    slack: float = 0.0


def lasting(
    i: NDArray[np.int64], j: NDArray[np.int64], mass: Floats, a: Floats, b: Floats
) -> NDArray[np.bool_]:
    """Tell which arcs carry mass, and which only what the rounding of sums of weights has left over.

    A crumb is no more than rounding can make, and no more than half of what either of its points has: points of
    however little weight keep their arcs. Crumbs matter because they may travel far, and their cost has a root
    taken: 1e-16 of the mass is 5e-6 of the distance for p = 3.
    """
    crumb = 8 * np.finfo(np.float64).eps * np.sqrt(len(a) + len(b))
    return (mass > crumb) | (mass > 0.5 * np.minimum(a[i], b[j]))
