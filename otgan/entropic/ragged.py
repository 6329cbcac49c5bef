"""Ragged batches, solved in groups of problems of similar size: padding all to the largest would waste most products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from otgan.entropic.problem import Solution
from otgan.namespace import Array, namespace

__all__ = ["Assembly", "groups_of_similar_size"]

_WORTH = 2**16
"""Entries of padding that cost as much as to solve one more group."""

Group = tuple[list[int], int, int]


def groups_of_similar_size(rows: Sequence[int], columns: Sequence[int]) -> Iterator[Group]:
    """Yield (problems, n, m): their indices and the sizes that hold them all.

    Problems sorted by size are cut in two, and each half again, where that saves enough padding.

    Parameters
    ----------
    rows, columns : sequence of int
        Points of x and of y of every problem.
    """
    order = sorted(range(len(rows)), key=lambda k: (rows[k] * columns[k], rows[k]))
    yield from _cut(order, rows, columns)


def _cut(order: list[int], rows: Sequence[int], columns: Sequence[int]) -> Iterator[Group]:
    n, m = max(rows[k] for k in order), max(columns[k] for k in order)
    middle = len(order) // 2
    halves = [half for half in (order[:middle], order[middle:]) if half]
    areas = [len(half) * max(rows[k] for k in half) * max(columns[k] for k in half) for half in halves]
    if len(halves) == 1 or len(order) * n * m - sum(areas) < _WORTH:
        yield order, n, m
        return
    for half in halves:
        yield from _cut(half, rows, columns)


class Assembly:
    """The solution of a padded batch of B problems, put together from those of its groups.

    Parameters
    ----------
    a, b : Array, shapes (B, n) and (B, m)
        The weights, 0 in the padding.
    """

    def __init__(self, a: Array, b: Array) -> None:
        count, xp = a[:, 0], namespace(a)
        self._f, self._g = xp.empty_like(a), xp.empty_like(b)
        self._excess, self._error = xp.empty_like(count), xp.empty_like(count)
        self._passes = xp.empty_like(count, dtype=xp.int64)

    def add(self, problems: Array, part: Solution) -> None:
        """Take the solution of some problems; padding beyond their group is as the first point, which it copies."""
        for whole, own in ((self._f, part.f), (self._g, part.g)):
            whole[problems] = own[:, :1]
            whole[problems, : own.shape[1]] = own
        self._excess[problems], self._error[problems] = part.excess, part.error
        self._passes[problems] = part.iterations

    def solution(self) -> Solution:
        """Return the whole, once every group has been added."""
        return Solution(self._f, self._g, self._excess, self._error, self._passes)
