"""The processes that search for arcs together: one alone, unless a group shares the search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from otgan.deadline import Deadline
from otgan.exact.sparse_plan import SparsePlan
from otgan.namespace import Array

__all__ = ["ALONE", "Combine", "Look", "Processes", "Visit"]

Plain = TypeVar("Plain")

Look = Callable[[int, int], tuple[Array, ...]]
"""What is found for the rows from one number to another, one row or number for each."""

Visit = Callable[[int, int], tuple[tuple[Array, ...], Array]]
"""The same, and what is found in those rows for all columns, shape (m, ...)."""

Combine = Callable[[Array], Array]
"""Makes one of what several processes have found for columns, shape (K, m, ...)."""


class Processes:
    """One process, which does all of it.

    Where there are several, all make the same calls with the same numbers, and all get what is found.
    """

    name = ""
    """What is added to the name of a solver."""

    def shares(self, n: int, m: int, *, part: bool = False) -> bool:
        """Whether a problem of n rows and m columns is worth being shared, or a part of one that is."""
        del n, m, part
        return False

    def ends(self, n: int) -> list[int]:
        """Return where the rows of one process end and those of the next begin, from 0 to n."""
        return [0, n]

    def part(self, ends: Sequence[int]) -> tuple[int, int]:
        """Return the first of the rows of this process, and the one after the last."""
        return ends[0], ends[1]

    def rows(self, name: str, look: Look, ends: Sequence[int]) -> tuple[Array, ...]:
        """Look at all rows."""
        del name
        return look(ends[0], ends[-1])

    def visited(
        self, name: str, visit: Visit, ends: Sequence[int], combine: Combine
    ) -> tuple[tuple[Array, ...], Array]:
        """Visit all rows, for themselves and for the columns."""
        del name, combine
        return visit(ends[0], ends[-1])

    def vectors(self, *own: Array) -> tuple[Array, ...]:
        """Return vectors as all have them, down to the last bit."""
        return own

    def number(self, own: float) -> float:
        """Return a number as all have it."""
        return own

    def told(self, compute: Callable[[], Plain]) -> Plain:
        """Return plain values, such as JSON has, as the first process computes them."""
        return compute()

    def network(self, supply: Array, demand: Array) -> Any:
        """Return the network simplex, which the first process has."""
        from otgan.exact.network.network import Network  # here: points on the line do without numba

        return Network(supply, demand)

    def clock(self, deadline: Deadline) -> Deadline:
        """Return the deadline that is looked at while rows are."""
        return deadline

    def alone(self, solve: Callable[[Deadline], list[SparsePlan]], deadline: Deadline) -> list[SparsePlan]:
        """Return the plans that the first process finds while the others wait."""
        return solve(deadline)

    def plans(self, own: list[SparsePlan]) -> list[SparsePlan]:
        """Return plans as the first process has them."""
        return own


ALONE = Processes()
