"""The median of the distances between points, of however many: exactly, without holding them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from otgan.costs.tiles import tiles_of
from otgan.distances.scaled import DISTANCE

__all__ = ["median_distance"]

_SORTED = 2**18
"""Entries of all distances that are sorted at once, without a guess."""

_ONCE = 2**23
"""Distances near the median that are held and sorted."""

_TILE = 2**18
"""Distances that are looked at together."""

_GUESS = 2**16, 2**22
"""Pairs from which a first guess is made, at least, and coordinates of their differences, at most."""

_BITS = 16
"""Bits by which the rank of a distance is narrowed down in one visit of all pairs."""


@torch.no_grad()
def median_distance(points: Tensor) -> Tensor:
    """Median distance between two of the points, (1, n, d), that do not coincide, a scalar; 1 where all do."""
    if points.shape[1] ** 2 <= _SORTED:
        apart = DISTANCE.block(points, points)[0].triu_(1)
        return _middle(apart[apart > 0])
    return _between(points, *_bracket(points))


def _middle(apart: Tensor) -> Tensor:
    """Median of some distances, the mean of the middle two of an even number; 1 of none."""
    if not len(apart):
        return apart.new_ones(())
    apart = apart.sort().values
    return 0.5 * (apart[(len(apart) - 1) // 2] + apart[len(apart) // 2])


def _bracket(points: Tensor) -> tuple[float, float]:
    """Guess, from some of the pairs, two distances that the median is between, and of all pairs few enough to be held."""
    n, d = points.shape[1:]
    least, most = _GUESS
    # Of K pairs the middle 6 √K are kept, a share of 6 / √K of all: half of what can be held, or less.
    enough = (6 * n**2 // _ONCE) ** 2
    some, other = np.random.default_rng(0).integers(0, n, (2, min(max(least, enough), most // d + 1)))
    apart = torch.linalg.vector_norm(points[0, some] - points[0, other], dim=1)
    apart = apart[apart > 0].sort().values
    if not len(apart):
        return 0.0, 0.0
    margin = 3 * math.isqrt(len(apart))  # six standard deviations
    middle = len(apart) // 2
    return float(apart[max(0, middle - margin)]), float(apart[min(len(apart) - 1, middle + margin)])


def _between(points: Tensor, low: float, high: float) -> Tensor:
    """Median, if those distances that are between the two can be held and it is among them; else by ranks of bits."""
    below, count, held, kept = 0, 0, 0, []
    for part in _apart(points):
        least = part >= low if low else part > 0
        above = int(least.sum())
        least &= part <= high
        apart = int(torch.count_nonzero(part))
        count, below = count + apart, below + apart - above
        inside = part[least]
        held += len(inside)
        if held <= _ONCE:
            kept.append(inside)
    if not count:
        return points.new_ones(())
    ranks = (count - 1) // 2, count // 2
    if held <= _ONCE and below <= ranks[0] and ranks[1] < below + held:
        found = torch.cat(kept).sort().values
        return 0.5 * (found[ranks[0] - below] + found[ranks[1] - below])
    lower = _ranked(points, ranks[0])
    upto = sum(int(((part > 0) & (part <= lower)).sum()) for part in _apart(points))
    if ranks[1] < upto:
        return lower
    return 0.5 * (
        lower
        + torch.stack([part[part > lower].min() for part in _apart(points) if (part > lower).any()]).min()
    )


def _apart(points: Tensor) -> Iterator[Tensor]:
    """Yield the distances between two of the points, tile by tile, each once and 0 in place of the other time."""
    for rows in tiles_of(points.shape[1], points.shape[1], _TILE):
        yield DISTANCE.block(points[:, rows], points[:, rows.start :])[0].triu_(1)


def _ranked(points: Tensor, rank: int) -> Tensor:
    """Distance of that rank, exactly: the bits of positive numbers are in their order, and are found from the top."""
    prefix = 0
    for shift in range(64 - _BITS, -1, -_BITS):
        counts = torch.zeros(2**_BITS, dtype=torch.int64, device=points.device)
        for part in _apart(points):
            bits = part[part > 0].view(torch.int64)
            if shift < 64 - _BITS:
                bits = bits[bits >> (shift + _BITS) == prefix]
            counts += torch.bincount((bits >> shift) & (2**_BITS - 1), minlength=2**_BITS)
        upto = counts.cumsum(0)
        digit = int(torch.searchsorted(upto, rank, right=True))
        rank -= int(upto[digit - 1]) if digit else 0
        prefix = prefix << _BITS | digit
    return torch.tensor(prefix, dtype=torch.int64, device=points.device).view(torch.float64)
