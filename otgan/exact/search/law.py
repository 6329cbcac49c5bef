"""How costs grow with the distance between places, in compiled loops.

A law is a tuple (order, shape, factor, power). Of two places it sees the sum of squares of their differences, or of their
absolute values, or the largest of them: `apart`. Costs are factor · apart^power, or factor · (2 asin(√apart / 2))^power,
convex functions of the difference.
"""

from __future__ import annotations

import math
from typing import Any

from otgan.costs.places import Places
from otgan.jit import EXACT, compiled, part

__all__ = ["SQUARES", "SUM", "Law", "cost_of", "fill_costs", "is_squared", "law_of", "slope_of", "stretch"]

_LARGEST, SUM, SQUARES = 0, 1, 2
"""Orders of norms."""

_ROOT, _SAME, _POWER, _ANGLE = range(4)
"""Shapes of laws."""

_OPPOSITE, _BLUR = 3.5, 2.0**-44
"""Squared distance of unit vectors from which on rounding matters more than to it, and what it may be then: angles are
rather too small, so that no potential is too large."""

Law = tuple[int, int, float, float]


def law_of(places: Places) -> Law:
    """Return the law of costs between places."""
    order = {1.0: SUM, 2.0: SQUARES}.get(places.order, _LARGEST)
    if places.angle:
        return order, _ANGLE, float(places.factor), float(places.p)
    power = places.p / 2 if order == SQUARES else float(places.p)
    shape = {0.5: _ROOT, 1.0: _SAME}.get(power, _POWER)
    return order, shape, float(places.factor), power


@part(EXACT)
def stretch(apart: float, difference: float, order: int) -> float:
    """Return what two places are apart, by one coordinate more."""
    if order == SQUARES:
        return apart + difference * difference
    return apart + abs(difference) if order == SUM else max(apart, abs(difference))


@part(EXACT)
def cost_of(apart: float, law: Any) -> float:
    """Return the cost of two places."""
    _, shape, factor, power = law
    if shape == _SAME:
        return factor * apart
    if shape == _ROOT:
        return factor * math.sqrt(apart)
    if shape == _ANGLE:
        apart = apart - _BLUR if apart > _OPPOSITE else apart
        angle = 2 * math.asin(min(1.0, 0.5 * math.sqrt(apart)))
        return factor * angle if power == 1 else factor * angle**power
    return factor * apart**power


@part(EXACT)
def is_squared(law: Any) -> bool:
    """Whether costs are squares of Euclidean distances, times a factor."""
    return law[0] == SQUARES and law[1] == _SAME


@part(EXACT)
def slope_of(apart: float, cost: float, law: Any) -> float:
    """Return the derivative of the cost by what multiplies the direction: differences of places, their signs, or one of them.

    The direction is the difference for squares; for sums the signs of the coordinates; else the sign of the largest one.
    """
    order, shape, _, power = law
    if apart == 0:
        return 0.0
    if shape == _ANGLE:
        if apart >= _OPPOSITE:
            return math.inf
        root = math.sqrt(apart)
        angle = 2 * math.asin(0.5 * root)
        return power * cost / (angle * math.sqrt(1 - 0.25 * apart) * root)
    return power * cost / apart * (2.0 if order == SQUARES else 1.0)


@compiled(EXACT)
def fill_costs(x: Any, y: Any, law: Any, i: Any, j: Any, found: Any) -> None:
    """Fill in the costs of pairs of places.

    Parameters
    ----------
    x, y : array, shapes (n, d) and (m, d)
    law : tuple
    i, j : array of int64, shape (k,)
    found : array, shape (k,)
    """
    for k in range(len(found)):
        apart = 0.0
        for c in range(x.shape[1]):
            apart = stretch(apart, x[i[k], c] - y[j[k], c], law[0])
        found[k] = cost_of(apart, law)
