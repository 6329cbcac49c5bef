"""The median of the distances between points, of however many: exactly, without holding them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otgan.costs.tiles import tiles_of
from otgan.distances.scaled import DISTANCE

__all__ = ["median_distance"]

_ONCE = 2**23
"""Distances that are held and sorted at once."""

_TILE = 2**20
"""Distances that are looked at together."""

_GUESS = 2**22
"""Coordinates of differences from which a first guess is made."""

_BITS = 16
"""Bits by which the rank of a distance is narrowed down in one visit of all pairs."""


@torch.no_grad()
def median_distance(points: Tensor) -> Tensor:
    """Median distance between two of the points, (1, n, d), that do not coincide, a scalar; 1 where all do."""
    n = points.shape[1]
    if n * n <= _ONCE:
        i, j = torch.triu_indices(n, n, 1, device=points.device)
        apart = DISTANCE.block(points, points)[0, i, j]
        apart = apart[apart > 0].sort().values
        if not len(apart):
            return points.new_ones(())
        return 0.5 * (apart[(len(apart) - 1) // 2] + apart[len(apart) // 2])
    return _between(points, *_bracket(points))


def _bracket(points: Tensor) -> tuple[float, float]:
    """Guess, from some of the pairs, two distances that the median is between."""
    n, d = points.shape[1:]
    some, other = np.random.default_rng(0).integers(0, n, (2, _GUESS // d + 1))
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
        count += len(part)
        below += int((part < low).sum())
        inside = part[(part >= low) & (part <= high)]
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
    upto = sum(int((part <= lower).sum()) for part in _apart(points))
    if ranks[1] < upto:
        return lower
    return 0.5 * (
        lower
        + torch.stack([part[part > lower].min() for part in _apart(points) if (part > lower).any()]).min()
    )


def _apart(points: Tensor) -> Any:
    """Yield the distances between two of the points that do not coincide, each once, tile by tile."""
    for rows in tiles_of(points.shape[1], points.shape[1], _TILE):
        ahead = points[:, rows.start :]
        apart = DISTANCE.block(points[:, rows], ahead)[0]
        i = torch.arange(apart.shape[0], device=apart.device)
        apart = apart[torch.arange(apart.shape[1], device=apart.device) > i[:, None]]
        yield apart[apart > 0]


def _ranked(points: Tensor, rank: int) -> Tensor:
    """Distance of that rank, exactly: the bits of positive numbers are in their order, and are found from the top."""
    prefix = 0
    for shift in range(64 - _BITS, -1, -_BITS):
        counts = torch.zeros(2**_BITS, dtype=torch.int64, device=points.device)
        for part in _apart(points):
            bits = part.view(torch.int64)
            if shift < 64 - _BITS:
                bits = bits[bits >> (shift + _BITS) == prefix]
            counts += torch.bincount((bits >> shift) & (2**_BITS - 1), minlength=2**_BITS)
        upto = counts.cumsum(0)
        digit = int(torch.searchsorted(upto, rank, right=True))
        rank -= int(upto[digit - 1]) if digit else 0
        prefix = prefix << _BITS | digit
    return torch.tensor(prefix, dtype=torch.int64, device=points.device).view(torch.float64)
