"""A report as text, at most 100 columns wide."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence

from otgan.distances import metric_of
from otgan.distances.distance import Distance
from otgan.distances.words import number
from otgan.plain import plain

__all__ = [
    "UNCERTAINTY",
    "WIDTH",
    "footnote",
    "heading",
    "intervals",
    "null_table",
    "table",
    "wrapped",
]

WIDTH = 100
"""Columns of a report."""

UNCERTAINTY = "one standard error, bias excluded"
"""What a ± and a whisker are."""

_NAME = 30
"""Columns that the name of a set may take."""


def heading(
    names: tuple[str, str], sizes: tuple[int, int], dimension: int, distances: Iterable[Distance] = ()
) -> str:
    """Return the line that says what is compared, and by which cost where it is not the Euclidean one."""
    short = [name if len(name) <= _NAME else f"…{name[1 - _NAME :]}" for name in map(plain, names)]
    sides = [f"{name} ({n} sample{'' if n == 1 else 's'})" for name, n in zip(short, sizes, strict=True)]
    costs = sorted({each.cost for each in distances if each.cost is not None} - {"euclidean"})
    by = f", cost {' and '.join(costs)}" if costs else ""
    return f"{sides[0]} against {sides[1]}, d = {dimension}{by}"


def table(distances: Iterable[Distance]) -> str:
    """Return one line a distance, aligned, under a line of headings."""
    rows = [("distance", "value", "", "estimator", "certificate", "seconds")]
    for each in distances:
        error = "" if each.standard_error is None else f"± {number(each.standard_error, 2)}"
        rows.append(
            (
                _label(each),
                number(each.value),
                error,
                _estimator(each),
                _certificate(each),
                f"{each.seconds:.2f}",
            )
        )
    return "\n".join(_aligned(rows, "<><<<>"))


def footnote(distances: Iterable[Distance]) -> str | None:
    """Return what the numbers after ± are; None where there are none."""
    if all(each.standard_error is None for each in distances):
        return None
    return f"±: {UNCERTAINTY}"


def intervals(distances: Iterable[Distance], names: tuple[str, str]) -> list[str]:
    """Return a line for every noise floor, and for every certified interval of what an entropic value blurs."""
    lines = []
    for each in distances:
        if each.noise_floor is not None:
            floor = each.noise_floor
            lines.append(
                f"{each.title} noise floor: two random halves of {plain(names[0])} are {number(floor.x, 4)} apart, "
                f"of {plain(names[1])} {number(floor.y, 4)}"
            )
        if each.epsilon is not None and each.lower is not None and each.upper is not None:
            lines.append(
                f"{each.title} certifies that {each.bounded} is between {_rounded(each.lower, down=True)} "
                f"and {_rounded(each.upper)}"
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
