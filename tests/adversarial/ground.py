"""Ground costs by another hand than otgan's: in long double, in rationals and mpmath, and functions of a user's own."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

Long = NDArray[np.longdouble]

NORMS = ("euclidean", "cityblock", "chebyshev")
"""Costs that do not change where both points move, and scale as they do."""

NAMED = ("cityblock", "chebyshev", "cosine", "haversine", "circle", "precomputed")

TURN = 2 * np.pi
"""The period of cost="circle", a number that float64 has exactly."""


@dataclass(frozen=True)
class Function:
    """A cost by a function, as a user writes it: SciPy's of NumPy arrays, or torch's.

    Attributes
    ----------
    metric : str
        ``euclidean``, ``cityblock``, ``chebyshev``, ``sqeuclidean`` or ``canberra``, or ``ahead``, which is not symmetric.
    """

    metric: str

    def __call__(self, x: Any, y: Any) -> Any:
        if isinstance(x, np.ndarray):
            if self.metric == "ahead":
                return np.maximum(x[:, None] - y, 0).sum(-1)
            return cdist(x, y, self.metric)
        if self.metric == "ahead":
            return (x[:, None] - y).clamp_min(0).sum(-1)
        orders = {"euclidean": 2.0, "sqeuclidean": 2.0, "cityblock": 1.0, "chebyshev": torch.inf}
        if self.metric == "canberra":
            apart, size = (x[:, None] - y).abs(), x[:, None].abs() + y.abs()
            return (apart / torch.where(size > 0, size, 1.0)).sum(-1)
        # Products of matrices, which torch takes for many points, are of another accuracy than otgan grants.
        found = torch.cdist(x, y, p=orders[self.metric], compute_mode="donot_use_mm_for_euclid_dist")
        return found.square() if self.metric == "sqeuclidean" else found

    @property
    def degree(self) -> int:
        """The power of two by which values grow where points do."""
        return {"sqeuclidean": 2, "canberra": 0}.get(self.metric, 1)

    def __repr__(self) -> str:
        return f"ground.Function({self.metric!r})"


def moves(cost: Any) -> bool:
    """Whether a cost stays what it is where both points move."""
    return cost in NORMS or (isinstance(cost, Function) and cost.metric != "canberra")


def degree(cost: Any) -> int | None:
    """The power of two by which distances grow where points do; None where points may not."""
    if isinstance(cost, Function):
        return cost.degree
    return {"cosine": 0, "haversine": None, "circle": None}.get(cost, 1)


def known(cost: Any, x: Long, y: Long, p: float, largest: Long, dtype: str) -> Long:
    """How far off a cost may be, shape (B,), that has to be formed of rounded points: what no solver can mend."""
    unit = 2.0**-53
    if cost == "cosine":  # unit vectors are rounded
        return np.full(len(x), p * 2 ** (p - 1) * 16 * (x.shape[2] + 4) * unit, dtype=np.longdouble)
    if cost == "haversine":  # so are differences of coordinates
        size = np.abs(x).sum(2).max(1) + np.abs(y).sum(2).max(1)
        return p * np.pi ** (p - 1) * 8 * unit * (size + np.pi) + np.longdouble(1e-150)
    if isinstance(cost, Function):
        return 32 * p * (unit if dtype == "float64" else 2.0**-24) * largest
    return np.zeros(len(x), dtype=np.longdouble)


# In long double.


def ground(
    cost: Any, x: Long, y: Long, p: float, tables: Any = None, given: Any = ("numpy", "float64")
) -> Long:
    """Costs d(x, y)^p of shape (B, n, m), in long double.

    Parameters
    ----------
    cost : str or Function
    x, y : shapes (B, n, d) and (B, m, d)
        With "precomputed", numbers of rows and of columns.
    tables : list of B arrays, optional
        Costs between all numbers.
    given : tuple
        The library and the dtype that a function is asked in: its values are the truth.
    """
    power = np.longdouble(p)
    if cost == "precomputed":
        pairs = zip(tables, x[..., 0].astype(int), y[..., 0].astype(int), strict=True)
        return np.stack([t.astype(np.longdouble)[np.ix_(i, j)] for t, i, j in pairs])
    if isinstance(cost, Function):
        library, dtype = given
        sides: list[Any] = [side.astype(dtype) for side in (x, y)]
        if library == "torch":
            sides = [torch.from_numpy(side) for side in sides]
        values = np.stack([np.asarray(cost(u, v)) for u, v in zip(*sides, strict=True)])
        return values.astype(np.longdouble) ** power
    if cost == "haversine":
        return _angles(x, y) ** power
    if cost == "cosine":
        units = [_directions(side) for side in (x, y)]
        return (np.square(units[0][:, :, None] - units[1][:, None]).sum(-1) / 2) ** power
    if cost == "circle":
        # Places in [−π, π] are exact, and so is what is left from each to the end, or it is not small.
        half = np.longdouble(TURN) / 2
        u, v = (np.fmod(side[..., 0], 2 * half) for side in (x, y))
        u, v = (np.where(np.abs(w) > half, w - np.copysign(2 * half, w), w) for w in (u, v))
        u, v = u[:, :, None], v[:, None]
        return np.minimum(np.abs(u - v), (half - np.abs(u)) + (half - np.abs(v))) ** power
    difference = x[:, :, None] - y[:, None]
    if cost == "cityblock":
        return np.abs(difference).sum(-1) ** power
    if cost == "chebyshev":
        return np.abs(difference).max(-1) ** power
    square = np.square(difference).sum(-1)
    return square if p == 2 else np.sqrt(square) if p == 1 else square ** (power / 2)


def _directions(points: Long) -> Long:
    largest = np.abs(points).max(-1, keepdims=True)
    scaled = points / np.where(largest > 0, largest, 1)
    return scaled / np.sqrt(np.square(scaled).sum(-1, keepdims=True))


def _angles(x: Long, y: Long) -> Long:
    """Angles between vectors on the sphere, 2 atan2(|u − v|, |u + v|), but small ones by the haversine."""
    u, v = (
        np.stack([np.cos(s[..., 0]) * np.cos(s[..., 1]), np.cos(s[..., 0]) * np.sin(s[..., 1]), np.sin(s[..., 0])], -1)
        for s in (x, y)
    )  # fmt: skip
    u, v = u[:, :, None], v[:, None]
    wide = 2 * np.arctan2(np.sqrt(np.square(u - v).sum(-1)), np.sqrt(np.square(u + v).sum(-1)))
    x, y = x[:, :, None], y[:, None]
    turned = np.cos(x[..., 0]) * np.cos(y[..., 0]) * np.square(np.sin((x[..., 1] - y[..., 1]) / 2))
    near = 2 * np.arcsin(np.sqrt(np.minimum(np.square(np.sin((x[..., 0] - y[..., 0]) / 2)) + turned, 1)))
    return np.where(wide < 1e-3, near, wide)


# Exactly.


def base(cost: Any, u: list[Fraction], v: list[Fraction]) -> tuple[Fraction, bool]:
    """A norm's ‖u − v‖, or its square, or the way around a circle, as a rational, and whether it is the square."""
    if cost == "circle":
        around = abs(u[0] - v[0]) % Fraction(TURN)
        return min(around, Fraction(TURN) - around), False
    apart = [abs(s - t) for s, t in zip(u, v, strict=True)]
    if cost == "cityblock":
        return sum(apart, Fraction(0)), False
    if cost == "chebyshev":
        return max(apart), False
    return sum((s * s for s in apart), Fraction(0)), True


def _real(q: Fraction) -> mpmath.mpf:
    return mpmath.mpf(q.numerator) / q.denominator


def curved(cost: str, u: list[Fraction], v: list[Fraction], p: float) -> mpmath.mpf:
    """A cosine or haversine cost in the precision of mpmath, relative to itself."""
    if cost == "cosine":
        inner = sum((s * t for s, t in zip(u, v, strict=True)), Fraction(0))
        lengths = sum(s * s for s in u) * sum(t * t for t in v)
        assert isinstance(lengths, Fraction)
        square = inner * inner / lengths
        if inner > 0:  # 1 − c = (1 − c²) / (1 + c), whose numerator is rational
            distance = _real(1 - square) / (1 + mpmath.sqrt(_real(square)))
        else:
            distance = 1 + mpmath.sqrt(_real(square))
    else:
        half = [_real((s - t) / 2) for s, t in zip(u, v, strict=True)]
        near = mpmath.sin(half[0]) ** 2
        near += mpmath.cos(_real(u[0])) * mpmath.cos(_real(v[0])) * mpmath.sin(half[1]) ** 2
        distance = 2 * mpmath.asin(mpmath.sqrt(min(max(near, mpmath.mpf(0)), mpmath.mpf(1))))
    return distance ** mpmath.mpf(p) if distance else mpmath.mpf(0)
