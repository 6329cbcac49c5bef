"""What a table of cells comes to: how fast in the mean, where least, and where not fast enough."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from benchmarks.grid import EPSILONS, MNIST_PIXELS, TOLERANCES
from benchmarks.ledger import HEADS, Row, rows_of
from benchmarks.record import Cell, Result

__all__ = ["AIM", "floors", "groups", "shortfalls", "summary", "write_all"]

AIM = 3.0
"""How many times faster than the fastest peer otgan is to be; a cell below falls short."""

COUNTS = (
    "cells",
    "reached by otgan",
    "by a peer",
    "least ratio",
    "geometric mean",
    f"below {AIM:g}",
)

AXES: dict[str, Callable[[Row], float]] = {
    HEADS[0]: lambda row: row.d,
    HEADS[1]: lambda row: row.n,
    HEADS[2]: lambda row: row.relative,
    HEADS[3]: lambda row: row.tol,
}
"""By what the cells are grouped, one axis at a time."""

_RATIO = "A ratio is the fastest peer's time, its cost matrix included, over otgan's, where both reached the error."


def counts(rows: Sequence[Row]) -> tuple[Cell, ...]:
    """Return how many cells there are and were reached, the least ratio, its mean, and in how many it is too low."""
    ratios = [row.ratio for row in rows if row.ratio is not None]
    return (
        len(rows),
        sum(row.reached for row in rows),
        sum(row.peer is not None for row in rows),
        min(ratios, default=None),
        statistics.geometric_mean(ratios) if ratios else None,
        sum(ratio < AIM for ratio in ratios),
    )


def summary(result: Result) -> Result:
    """Return the counts for each ε and error asked for."""
    rows, table = rows_of(result), []
    for relative, tol in product(EPSILONS, TOLERANCES):
        cells = [row for row in rows if (row.relative, row.tol) == (relative, tol)]
        if cells:
            table.append((relative, tol, *counts(cells)))
    return _derived(result, "summary", (*HEADS[2:4], *COUNTS), table)


def groups(result: Result) -> Result:
    """Return the counts for all cells, and for those of each dimension, size, ε and error."""
    rows = rows_of(result)
    table: list[tuple[Cell, ...]] = [("all", None, *counts(rows))]
    for name, axis in AXES.items():
        for value in sorted({axis(row) for row in rows}):
            table.append((name, value, *counts([row for row in rows if axis(row) == value])))
    return _derived(result, "groups", ("cells of", "value", *COUNTS), table)


def shortfalls(result: Result) -> Result:
    """Return the cells in which otgan is not as many times faster as it is to be, the worst first."""
    short = [row for row in rows_of(result) if not row.reached or (row.ratio is not None and row.ratio < AIM)]
    short.sort(key=lambda row: row.ratio or 0.0)
    # A cell that otgan did not reach has no ratio.
    table = [(*row[:4], row.seconds, row.peer, row.peer_seconds, row.ratio) for row in short]
    return _derived(result, "short", (*HEADS[:5], *HEADS[7:9], "ratio"), table)


def floors(result: Result) -> Result:
    """Return how otgan compares to one product of all points and one exponential of its entries, where it was timed."""
    table: list[tuple[Cell, ...]] = [
        (row.n, row.tol, row.seconds, row.passes, row.floor, row.seconds / row.floor)
        for row in rows_of(result)
        if row.floor is not None
    ]
    heads = ("n", HEADS[3], HEADS[4], "passes", HEADS[-1], "otgan / product and exp")
    note = (
        f"MNIST, d = {MNIST_PIXELS}, ε = {EPSILONS[0]:g} of the mean cost, float64: one product x yᵀ and one exponential "
        "of every entry, by torch, in turns with the solve."
    )
    return replace(_derived(result, "floor", heads, table), notes=(note,))


def write_all(result: Result, directory: Path) -> None:
    """Write every table that follows from that of the cells."""
    for derive in (summary, groups, shortfalls, floors):
        derived = derive(result)
        if derived.rows:
            derived.write(directory)


def _derived(result: Result, what: str, heads: Sequence[str], rows: Sequence[tuple[Cell, ...]]) -> Result:
    base, cuda, _ = result.name.partition("-cuda")
    return replace(
        result, name=f"{base}-{what}{cuda}", columns=tuple(heads), rows=tuple(rows), notes=(_RATIO,)
    )
