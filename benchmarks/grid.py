"""The cells in which entropic transport is measured, and their problems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.problems import Problem, gaussians, mnist

__all__ = [
    "DIMENSIONS",
    "EPSILONS",
    "MNIST_PIXELS",
    "SIZES",
    "TOLERANCES",
    "Key",
    "grid",
    "points",
    "problems",
]

SIZES = (200, 500, 1000, 2000, 5000)
MNIST_PIXELS = 784
DIMENSIONS = (2, 16, 64, MNIST_PIXELS)
EPSILONS = (1e-1, 1e-2, 1e-3)
TOLERANCES = (1e-3, 1e-6)

_QUICK = (200, (2, 64))
"""Points and dimensions of a glance."""


@dataclass(frozen=True, order=True)
class Key:
    """Which cell: dimension, points, ε as a share of the mean cost, and the error asked for."""

    d: int
    n: int
    relative: float
    tol: float

    def is_harder_than(self, other: Key, *, sparse: bool = False) -> bool:
        """Whether who fails at `other` would fail here: the same kind of points, no fewer, ε and error no larger.

        For a solver of sparse plans a smaller ε may be easier: its cells of other ε say nothing.
        """
        narrower = self.relative == other.relative if sparse else self.relative <= other.relative
        return self.d == other.d and self.n >= other.n and narrower and self.tol <= other.tol


def grid(quick: bool) -> list[Key]:
    """Return the cells, easy ones first."""
    sizes, dimensions = ((_QUICK[0],), _QUICK[1]) if quick else (SIZES, DIMENSIONS)
    return [
        Key(d, n, relative, tol)
        for n in sizes
        for d in dimensions
        for relative in (EPSILONS[:2] if quick else EPSILONS)
        for tol in TOLERANCES
    ]


def points(d: int, n: int, device: str) -> Problem | None:
    """Return the points of a cell, at an ε of the mean cost; None where there is no copy of MNIST."""
    return mnist(n, 1.0, device=device) if d == MNIST_PIXELS else gaussians(n, d, 1.0, device=device)


def problems(keys: Sequence[Key], device: str) -> Iterator[tuple[Key, Problem | None]]:
    """Yield every cell with its problem, whose points are drawn once for all its ε and errors."""
    last: tuple[int, int] | None = None
    found: Problem | None = None
    for key in keys:
        if (key.d, key.n) != last:
            last, found = (key.d, key.n), points(key.d, key.n, device)
        yield key, None if found is None else found.at(key.relative)
