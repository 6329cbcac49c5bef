"""Samples in their own units, for what is computed from them in one go: no far or tiny number is ever squared.

Unlike a solver's normal form this one is differentiable. It is the one place in which a metric meets the costs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from otgan.costs import Cost, Euclidean
from otgan.measure import Measure
from otgan.mistakes import OutOfRangeError
from otgan.namespace import Array, detached, namespace
from otgan.normal_form import NormalForm, Side
from otgan.pair import Pair
from otgan.rounding import in_type

__all__ = ["DISTANCE", "in_units", "lengths", "normalized"]

DISTANCE = Euclidean(1.0)
"""The distance between points that metrics without a choice of one have."""


def in_units(both: Pair) -> tuple[Pair, Any]:
    """Return two measures without their points of weight 0, in float64, with coordinates of order one.

    Parameters
    ----------
    both : Pair

    Returns
    -------
    pair : Pair
        Of tensors, with the graph of what was given.
    unit : Tensor, shape (B,), float64
        The power of two that the coordinates were divided by.
    """
    inside, form = normalized(both, DISTANCE)
    return inside, form.unit


def normalized(both: Pair, cost: Cost) -> tuple[Pair, NormalForm]:
    """Return two measures in the normal form of a distance, without their points of weight 0, in float64.

    Parameters
    ----------
    both : Pair
    cost : Cost
        The distance between points, with p = 1.

    Returns
    -------
    pair : Pair
        Of tensors, with the graph of what was given.
    form : NormalForm
        Its cost is the distance between those points, in units of its length.
    """
    both = both.as_tensors()
    form = NormalForm.of(both, cost, rooted=True)

    def scaled(side: Measure) -> Measure:
        inside = Side.of(side).in_units(form.unit, form.x.origin).measure
        return replace(inside, points=inside.points.double())

    return Pair(scaled(both.x), scaled(both.y)), form


def lengths(found: Array, dtype: Any) -> Array:
    """Return lengths in the units of the samples, shape (B,), as they are.

    Raises
    ------
    OverflowError
        If they are beyond the type of the samples.
    """
    in_type(detached(found), dtype)
    if not bool(namespace(found).isfinite(detached(found)).all()):
        raise OutOfRangeError(
            "points are so far apart that their distance is beyond the range of float64: divide the samples by a length "
            "of their own order first"
        )
    return found
