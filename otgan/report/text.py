"""A report as text, at most 100 columns wide."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from otgan.distances import metric_of
from otgan.distances.distance import Distance
from otgan.distances.words import number
from otgan.plain import plain

if TYPE_CHECKING:
    from otgan.inference.verdict import Verdict

__all__ = [
    "UNCERTAINTY",
    "WIDTH",
    "cells",
    "footnotes",
    "heading",
    "null_table",
    "table",
    "verdict",
    "wrapped",
]

WIDTH = 100
"""Columns of a report."""

UNCERTAINTY = "one standard error, bias excluded"
"""What a ± and a whisker are."""

_NAME = 30
"""Columns that the name of a set may take."""


def heading(
    names: tuple[str, str], sizes: tuple[int, int], dimension: int, distances: Sequence[Distance] = ()
) -> str:
    """Return the line that says what is compared, and by which cost and power of it."""
    sides = [
        f"{_short(name)} ({n} sample{'' if n == 1 else 's'})" for name, n in zip(names, sizes, strict=True)
    ]
    costs = dict.fromkeys(each.cost for each in distances if each.cost is not None)
    powers = dict.fromkeys(each.p for each in distances if each.p is not None)
    by = f", cost {' and '.join(costs)}" if costs else ""
    power = "".join(f", p = {p:g}" for p in powers)
    return f"{sides[0]} against {sides[1]}, d = {dimension}{by}{power}"


def verdict(names: tuple[str, str], found: Verdict, *, identical: bool) -> str:
    """Return in a sentence whether the sets are draws of one population, and what says so."""
    x, y = map(_short, names)
    if identical:
        return f"{x} and {y} are the same set of points."
    n, m = found.sizes
    some = "" if found.all_tested else f" ({n} and {m} of them)"
    weights = ", which carry their weights along" if found.weighted else ""
    weights += ", so that a difference of weights alone is one as well" if found.one_sided else ""
    test = (
        f"p = {found.p_value:.2g} by a permutation test: {found.title}, level {100 * found.level:g} %, "
        f"{found.permutations} random splits of the pooled samples{some}{weights}"
    )
    if found.different:
        return f"{x} and {y} are different: {test}."
    if not found.resolvable:
        return f"{n} and {m} samples are too few for any difference to be found: {test}."
    return f"No difference between {x} and {y} was found: {test}. Smaller ones than so many samples show are not ruled out."


def _short(name: str) -> str:
    """Return a name as it is shown, the end of a long one."""
    name = plain(name)
    return name if len(name) <= _NAME else f"…{name[1 - _NAME :]}"


def table(distances: Sequence[Distance]) -> str:
    """Return one line a distance, aligned, under a line of headings."""
    heads, *rows = cells(distances)
    lines = _aligned([heads, *rows], "<><><<<")
    if max(map(len, lines)) > WIDTH:  # what a reader misses least, and JSON has
        lines = _aligned([(*row[:4], "", *row[5:]) for row in (heads, *rows)], "<><><<<")
    return "\n".join(lines)


def cells(distances: Sequence[Distance]) -> list[tuple[str, ...]]:
    """Return the headings, and a row of text for each distance."""
    floors = "noise floor" if any(each.noise_floor is not None for each in distances) else ""
    rows: list[tuple[str, ...]] = [("distance", "value", "", floors, "", "estimator", "certificate")]
    for each in distances:
        floor = each.noise_floor
        rows.append(
            (
                _label(each),
                number(each.value),
                _error(each.standard_error),
                "" if floor is None else number(floor.larger, 3),
                "" if floor is None else _error(floor.larger_error),
                _estimator(each),
                _certificate(each),
            )
        )
    return rows


def _error(error: float | None) -> str:
    return "" if error is None or not math.isfinite(error) else f"± {number(error, 2)}"


def footnotes(distances: Sequence[Distance]) -> list[str]:
    """Return what the numbers of the table are, and the certified intervals of what an entropic value blurs."""
    lines = []
    if any(each.standard_error is not None for each in distances):
        lines.append(
            "± after a value: by how much other samples of these sizes would move it, one standard error; not how far it is "
            "from that of the populations on average, which few samples raise"
        )
    draws = [each.noise_floor.draws for each in distances if each.noise_floor is not None]
    if draws:
        lines.append(
            f"noise floor: the mean distance between random halves of one set, of the two sets the larger, with its standard "
            f"error over {min(draws)}{'' if min(draws) == max(draws) else f' to {max(draws)}'} halvings; two draws of one "
            "population are never at distance 0"
        )
    lines.extend(
        f"{each.title} certifies that {each.bounded} is between {_rounded(each.lower, down=True)} "
        f"and {_rounded(each.upper)}"
        for each in distances
        if each.epsilon is not None and each.lower is not None and each.upper is not None
    )
    return lines


def null_table(distances: Iterable[Distance]) -> str | None:
    """Return what permutations made of each distance, one line each; None where there were none."""
    tested = [(each, each.null) for each in distances if each.null is not None]
    if not tested:
        return None
    rows = [("distance", "mean", "95 % below", "estimator", "p-value")]
    rows.extend(
        (
            _label(each),
            number(null.mean, 4),
            number(null.quantile_95, 4),
            each.estimator,
            f"{null.p_value:.2g}",
        )
        for each, null in tested
    )
    splits = (
        f"{tested[0][1].permutations} random splits of the pooled samples, as if they were one population:"
    )
    return "\n".join([splits, "", *_aligned(rows, "<>><>")])


def wrapped(sentence: str, mark: str) -> str:
    """Return a sentence after a mark, broken into lines that are indented below it."""
    return textwrap.fill(
        sentence,
        WIDTH,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_on_hyphens=False,
    )


def _label(each: Distance) -> str:
    return metric_of(each.metric).label(each.p)


def _estimator(each: Distance) -> str:
    return each.estimator if each.epsilon is None else f"ε = {number(each.epsilon, 3)}"


def _certificate(each: Distance) -> str:
    return metric_of(each.metric).certificate(each)


def _rounded(bound: float, *, down: bool = False) -> str:
    """Return a bound with five digits, rounded outward, so that what is printed is a bound too."""
    if bound == 0 or not math.isfinite(bound):
        return number(bound)
    unit = 10.0 ** (math.floor(math.log10(abs(bound))) - 4)
    steps = bound / unit
    return number((math.floor(steps) if down else math.ceil(steps)) * unit, 5)


def _aligned(rows: Sequence[tuple[str, ...]], sides: str) -> list[str]:
    """Return rows as lines whose columns are aligned to the left, <, or to the right, >; empty columns vanish."""
    columns = [
        [f"{cell:{side}{max(map(len, column))}}" for cell in column]
        for column, side in zip(zip(*rows, strict=True), sides, strict=True)
        if any(column)
    ]
    return ["  ".join(line).rstrip() for line in zip(*columns, strict=True)]
