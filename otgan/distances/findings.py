"""What was found between two sets of samples, for whoever says in words where a number misleads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from otgan.costs import Cost
from otgan.distances.distance import Distance
from otgan.divergences import Cells, atoms
from otgan.pair import Pair

__all__ = ["Caveat", "Findings", "Stage"]


@dataclass(frozen=True, eq=False)
class Findings:
    """What the words are about: two measures, their names, and the distances between them."""

    both: Pair
    names: tuple[str, str]
    distances: Mapping[str, Distance]
    cost: Cost

    @cached_property
    def atoms(self) -> Cells:
        """The two measures with identical points merged."""
        return atoms(self.both)

    @cached_property
    def identical(self) -> bool:
        """Whether the two measures are the same."""
        return self.atoms.tv().item() == 0

    @cached_property
    def sizes(self) -> tuple[int, int]:
        """The numbers of samples."""
        return self.both.x.points.shape[1], self.both.y.points.shape[1]

    @cached_property
    def dimension(self) -> int:
        """The dimension of the samples."""
        return self.both.x.points.shape[2]


class Stage(IntEnum):
    """In which order a reader wants to know."""

    BROKEN = 0
    """The number is not what was asked for."""
    SATURATED = 1
    """The number is at an end of its range, whatever the sets are."""
    NOISE = 2
    """Two draws of one population would give it as well."""
    SETTING = 3
    """An option decides it."""
    SCALE = 4
    """One coordinate decides it."""


@dataclass(frozen=True)
class Caveat:
    """A sentence that a reader should know where it is true.

    Attributes
    ----------
    stage : Stage
    check : callable
        Given what was found and those of the distances whose metric has this caveat, yields the sentences that hold.
    """

    stage: Stage
    check: Callable[[Findings, Sequence[Distance]], Iterator[str]]
