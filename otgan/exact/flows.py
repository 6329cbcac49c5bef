"""Masses along the arcs of a forest, in whole numbers: marginals that hold exactly, however far the points are apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.exact.sparse_plan import Floats

__all__ = ["exact_flows", "whole_flows", "whole_weights"]

Ints = NDArray[np.int64]

_LIGHT = 1e-15
"""Weight, relative to the largest, that keeps its digits in doubled precision."""

_MOST = 50_000
"""Points up to which Python's whole numbers are affordable."""


def whole_flows(
    i: Ints, j: Ints, given: tuple[Floats | None, Floats | None], sizes: tuple[int, int]
) -> tuple[Floats, float] | None:
    """Return the only flow along the arcs of a forest that has the given marginals, and the mass that found no arc.

    The weights are dyadic fractions, so that every mass times the product of the totals is a whole number. Leaves are
    taken off one by one: the arc of a leaf carries all that the leaf has.

    Parameters
    ----------
    i, j : ndarray of int, shape (k,)
        The arcs.
    given : tuple of ndarray or None
        Weights of either side as they were given, None where all are equal.
    sizes : tuple of int
        The numbers of points.

    Returns
    -------
    tuple of ndarray and float, or None
        Masses of the arcs and what is left over on either side, correctly rounded, of a total of 1; None where the arcs
        are no forest, a mass would be negative, or the points are too many.
    """
    n, m = sizes
    if n + m > _MOST:
        return None
    supply, demand = (
        whole_weights(weights, size).tolist() for weights, size in zip(given, sizes, strict=True)
    )
    total = sum(supply) * sum(demand)
    left = [w * sum(demand) for w in supply] + [w * sum(supply) for w in demand]
    neighbors: list[set[int]] = [set() for _ in range(n + m)]
    for k, (tail, head) in enumerate(zip(i.tolist(), (j + n).tolist(), strict=True)):
        neighbors[tail].add(k)
        neighbors[head].add(k)
    ends = list(zip(i.tolist(), (j + n).tolist(), strict=True))
    flow = [0] * len(ends)
    leaves = [v for v in range(n + m) if len(neighbors[v]) == 1]
    taken = 0
    while leaves:
        leaf = leaves.pop()
        if len(neighbors[leaf]) != 1:
            continue
        arc = neighbors[leaf].pop()
        other = ends[arc][0] + ends[arc][1] - leaf
        neighbors[other].discard(arc)
        flow[arc], taken = left[leaf], taken + 1
        if left[leaf] < 0:
            return None
        left[other] -= left[leaf]
        left[leaf] = 0
        if len(neighbors[other]) == 1:
            leaves.append(other)
    if taken < len(ends):
        return None
    # A root of negative mass was asked for more than it has: that mass must come from elsewhere.
    homeless = sum(abs(mass) for mass in left)
    return np.array([mass / total for mass in flow]), homeless / total


def exact_flows(
    i: Ints, j: Ints, given: tuple[Floats | None, Floats | None], sizes: tuple[int, int]
) -> Floats | None:
    """Return the masses of :func:`whole_flows`; in numbers of doubled precision where these tell all weights apart.

    Parameters
    ----------
    i, j, given, sizes
        As for :func:`whole_flows`.
    """
    if all(weights is None or weights.min() >= _LIGHT * weights.max() for weights in given):
        from otgan.exact.network.leaves import doubled_flows  # here: points on the line do without numba

        found: Floats | None = doubled_flows(i, j, given, sizes)
        return found
    whole = whole_flows(i, j, given, sizes)
    return None if whole is None else whole[0]


def whole_weights(weights: Floats | None, size: int) -> NDArray[Any]:
    """Weights as whole numbers, times a common power of two; ones where they are all equal."""
    if weights is None:
        return np.ones(size, dtype=np.int64)
    fractions = [w.as_integer_ratio() for w in weights.tolist()]
    common = max(denominator for _, denominator in fractions)
    return np.array(
        [numerator * (common // denominator) for numerator, denominator in fractions], dtype=object
    )
