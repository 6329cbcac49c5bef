"""Points as places in a space in whose norm their costs grow: what a search by boxes needs to know of a cost."""

from __future__ import annotations

from dataclasses import dataclass, replace

from otgan.namespace import Array

__all__ = ["Places"]

_FEW = 6
"""Dimensions up to which boxes do."""


@dataclass(frozen=True, eq=False)
class Places:
    """Costs as factor · h(‖x − y‖)^p, with h(r) = r or h(r) = 2 asin(r/2), the angle between unit vectors.

    Attributes
    ----------
    x, y : Array, shapes (n, d) and (m, d)
        Float64; d need not be that of the points themselves.
    order : float
        Of the norm: 1, 2 or infinity.
    p : float
        Positive.
    factor : float
    angle : bool
        Which h it is; angles are between vectors of length 1, and of order 2.
    slack : float
        How far costs may be off because the places are rounded, beside what rounding changes in costs of the points.
    """

    x: Array
    y: Array
    order: float
    p: float
    factor: float = 1.0
    angle: bool = False
    slack: float = 0.0

    @property
    def few(self) -> bool:
        """Whether there are so few dimensions that a search by boxes leaves most pairs out."""
        return self.x.shape[1] <= _FEW

    def divided(self, unit: float) -> Places:
        """Return the same places at costs divided by a number."""
        return replace(self, factor=self.factor / unit, slack=self.slack / unit)
