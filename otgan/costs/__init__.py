"""Costs: what it takes to move a unit of mass from a point to another, one file each.

Imports nothing heavy: the command reads the names first.
"""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otgan.costs.base import Cost as Cost
    from otgan.costs.circle import Circle as Circle
    from otgan.costs.euclidean import Euclidean as Euclidean

__all__ = ["COSTS", "Circle", "Cost", "Euclidean", "resolve"]

COSTS = {
    "euclidean": "otgan.costs.euclidean:Euclidean",
    "cityblock": "otgan.costs.cityblock:Cityblock",
    "chebyshev": "otgan.costs.chebyshev:Chebyshev",
    "cosine": "otgan.costs.cosine:Cosine",
    "haversine": "otgan.costs.haversine:Haversine",
    "circle": "otgan.costs.circle:Circle",
    "precomputed": "otgan.costs.precomputed:Precomputed",
}
"""Costs by the name that `cost=` takes. A new one is a file in this folder and a line here."""

_ELSEWHERE = {
    "sqeuclidean": "'euclidean' with p=2",
    "l2": "'euclidean'",
    "l1": "'cityblock'",
    "manhattan": "'cityblock'",
    "taxicab": "'cityblock'",
    "linf": "'chebyshev'",
    "maximum": "'chebyshev'",
    "geodesic": "'haversine'",
    "great_circle": "'haversine'",
    "periodic": "'circle'",
    "matrix": "'precomputed'",
}
"""What other libraries call these."""


_CLASSES = {"Circle": COSTS["circle"], "Cost": "otgan.costs.base:Cost", "Euclidean": COSTS["euclidean"]}


def resolve(cost: Any, p: Any, default: float) -> Cost:
    """Return the cost that a call asks for.

    Parameters
    ----------
    cost : str, callable or Cost
        A name of :data:`COSTS`, a function of two blocks of points, or a cost itself, whose power is its own.
    p : float or None
        The power of the distance; None for that of the cost, or else the default.
    default : float
        The power that the call has without one.

    Raises
    ------
    TypeError, ValueError
        If there is no such cost, or p is no power that it takes.
    """
    from otgan.costs.base import Cost
    from otgan.costs.custom import Custom
    from otgan.mistakes import WrongKindError, WrongValueError
    from otgan.options import check_power, shown

    if isinstance(cost, Cost):
        if p is not None and check_power(p) != cost.p:
            raise WrongValueError(f"p must be left out where cost has its own, {cost.p:g}, got p={p}")
        return cost
    expected = (
        f"a name ({', '.join(COSTS)}) or a function of blocks of points (k, d) and (l, d) that returns (k, l)"
    )
    if isinstance(cost, str):
        if cost not in COSTS:
            close = difflib.get_close_matches(cost[:40].lower(), COSTS, n=1)
            name = _ELSEWHERE.get(cost.lower(), repr(close[0]) if close else None)
            hint = f" (did you mean {name}?)" if name else ""
            raise WrongValueError(f"cost must be {expected}, got {shown(cost)}{hint}")
        kind, options = _imported(COSTS[cost]), {}
    elif callable(cost) and not isinstance(cost, type):
        kind, options = Custom, {"function": cost}
    else:
        raise WrongKindError(f"cost must be {expected}, got {shown(cost)}")
    own = default if kind.power is None else kind.power
    found: Cost = kind(own if p is None else check_power(p), **options)
    return found


def _imported(place: str) -> Any:
    module, attribute = place.split(":")
    return getattr(import_module(module), attribute)


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return _imported(_CLASSES[name])
    raise AttributeError(f"module 'otgan.costs' has no attribute {name!r}")
