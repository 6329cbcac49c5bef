"""Costs: what it takes to move a unit of mass from a point to another, one file each."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Any

from otgan.costs.base import Cost
from otgan.costs.custom import Custom
from otgan.costs.euclidean import Euclidean
from otgan.mistakes import WrongValueError
from otgan.options import WrongKindError, check_power, shown

__all__ = ["COSTS", "Cost", "Euclidean", "resolve"]

COSTS = {
    "euclidean": "otgan.costs.euclidean:Euclidean",
    "cityblock": "otgan.costs.cityblock:Cityblock",
    "chebyshev": "otgan.costs.chebyshev:Chebyshev",
    "cosine": "otgan.costs.cosine:Cosine",
    "haversine": "otgan.costs.haversine:Haversine",
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
    "matrix": "'precomputed'",
}
"""What other libraries call these."""


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
        module, attribute = COSTS[cost].split(":")
        kind: Any = getattr(import_module(module), attribute)
        return _with_power(kind, {}, p, default)
    if callable(cost) and not isinstance(cost, type):
        return _with_power(Custom, {"function": cost}, p, default)
    raise WrongKindError(f"cost must be {expected}, got {shown(cost)}")


def _with_power(kind: Any, options: dict[str, Any], p: Any, default: float) -> Cost:
    own = default if kind.power is None else kind.power
    found: Cost = kind(own if p is None else check_power(p), **options)
    return found
