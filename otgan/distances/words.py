"""Numbers and lists as sentences show them."""

from __future__ import annotations

import math
from collections.abc import Iterable

__all__ = ["listed", "number"]


def number(value: float | None, digits: int = 6) -> str:
    """Return a number with that many significant digits; ∞ for infinity."""
    if value is None:
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}g}"


def listed(names: Iterable[str]) -> str:
    """Return names as in "JS, KL and TV", each once."""
    once = list(dict.fromkeys(names))
    return once[0] if len(once) == 1 else f"{', '.join(once[:-1])} and {once[-1]}"
