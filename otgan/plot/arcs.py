"""The heaviest arcs of a transport plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from otgan.namespace import as_numpy, beside

if TYPE_CHECKING:
    from otgan.measure import Measure
    from otgan.result import Transport

__all__ = ["Arcs", "heaviest"]


@dataclass(frozen=True)
class Arcs:
    """Some arcs of a plan: from which point to which, of what mass, and a sentence that says which they are."""

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    mass: NDArray[np.float64]
    words: str

    @property
    def colors(self) -> NDArray[np.float64]:
        """Gray, the heavier the more opaque, shape (k, 4)."""
        colors = np.full((len(self.mass), 4), 0.35)
        colors[:, 3] = 0.12 + 0.5 * self.mass / self.mass.max(initial=np.finfo(float).tiny)
        return colors


_DENSE = 2**22
"""Entries of a plan up to which it is built to look for its heaviest arcs."""


def heaviest(
    solved: Transport | None, x: Measure, m: int, limit: int, rng: np.random.Generator
) -> Arcs | None:
    """Find the heaviest arcs of a plan from x to m points; None where there is no plan."""
    if solved is None or limit < 1:
        return None
    n = x.points.shape[1]
    i, j, mass = _arcs(solved, x, m, limit, rng)
    # Many arcs have one mass, up to rounding: which of them are drawn must not depend on the order of the samples.
    order = rng.permutation(len(mass))
    heaviness = np.round(mass[order] / mass.max(), 9)
    order = order[np.argsort(-heaviness, kind="stable")][:limit]
    kind = "optimal" if solved.epsilon is None else "entropic"
    share = 100 * float(mass[order].sum())
    which = "heaviest arcs" if n * m <= _DENSE else "of the heaviest arcs"
    words = f"{len(order)} {which} of the {kind} plan, {share:.3g} % of the mass"
    return Arcs(i[order], j[order], mass[order], words)


def _arcs(
    solved: Transport, x: Measure, m: int, limit: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    n = x.points.shape[1]
    if n * m <= _DENSE:
        plan = as_numpy(solved.plan)
        i, j = np.nonzero(plan)
        return i, j, plan[i, j]
    # A large plan is not built: the heaviest arc of each of some points, drawn by their weights.
    weights = as_numpy(x.weights[0])
    rows = rng.choice(n, min(limit, int((weights > 0).sum())), replace=False, p=weights)
    ones = np.zeros((n, len(rows)))
    ones[rows, np.arange(len(rows))] = 1.0
    leaving = as_numpy(solved.apply(beside(ones, x.points), axis=0))
    return rows, leaving.argmax(0), leaving.max(0)
