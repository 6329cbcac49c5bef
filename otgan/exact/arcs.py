"""The sparse solution of one exact problem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Arcs", "Floats"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Arcs:
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
    """

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    mass: Floats
    f: Floats | None
    g: Floats | None
    solver: str
