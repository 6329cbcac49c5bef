"""Pieces of a block of costs, and powers of two to measure them in."""

from __future__ import annotations

from collections.abc import Iterator

from otgan.namespace import Array, namespace

__all__ = ["DECADES", "power_of_two", "tiles_of"]

DECADES = 305
"""Decimal exponent of a cost beyond which there is no room for sums, on either end of the range."""

_LEAST, _MOST = 2.0**-1000, 2.0**1000
"""Powers of two beyond which there is no room for sums and quotients."""


def power_of_two(largest: Array) -> Array:
    """The power of two at or below positive numbers; 1 where they are 0."""
    # Beside numbers near the ends of the range there would be no room for their reciprocal.
    xp = namespace(largest)
    largest = xp.where(largest > 0, largest, 1.0)
    largest = xp.where(largest < _LEAST, _LEAST, xp.where(largest > _MOST, _MOST, largest))
    return xp.ldexp(xp.ones_like(largest), xp.frexp(largest)[1] - 1)


def tiles_of(rows: int, columns: int, entries: int) -> Iterator[slice]:
    """Cut rows into slices of about so many entries."""
    step = max(1, entries // max(1, columns))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))
