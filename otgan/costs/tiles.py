"""Pieces of a block of costs, and powers of two to measure them in."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["power_of_two", "tiles_of"]


def power_of_two(largest: Tensor) -> Tensor:
    """The power of two at or below positive numbers; 1 where they are 0."""
    # Beside numbers near the ends of the range there would be no room for their reciprocal.
    largest = torch.where(largest > 0, largest.clamp(2.0**-1000, 2.0**1000), 1.0)
    return torch.ldexp(torch.ones_like(largest), torch.frexp(largest).exponent - 1)


def tiles_of(rows: int, columns: int, entries: int) -> Iterator[slice]:
    """Cut rows into slices of about so many entries."""
    step = max(1, entries // max(1, columns))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))
