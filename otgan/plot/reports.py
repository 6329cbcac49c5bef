"""A report as a figure: the samples, the plan between them, and the distances as bars."""

from __future__ import annotations

import math
import re
import textwrap
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otgan.distances import metric_of
from otgan.distances.words import listed
from otgan.options import WrongKindError, check_seed, shown, whole_number
from otgan.plot.arcs import heaviest
from otgan.plot.palette import GREEN, INK, SKY
from otgan.plot.samples import in_the_plane, on_the_line
from otgan.report.text import UNCERTAINTY

if TYPE_CHECKING:
    from otgan.report import Distance, Report

__all__ = ["report"]

_LABEL = 12
"""Characters from which on the name of a bar is broken into lines."""


def report(found: Report, *, arcs: int = 150, points: int = 2000, seed: int = 0) -> Figure:
    """Draw two sets of samples, the heaviest arcs of the plan between them, and their distances as bars.

    Sets on the line are drawn as histograms that face each other, sets in more than two dimensions by the first two
    principal axes of both together.

    Parameters
    ----------
    found : otgan.Report
    arcs : int
        How many arcs of the plan to draw at most.
    points : int
        How many points of each set to draw at most.
    seed : int
        Which of more points, and of arcs of equal mass, are drawn.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If it is no report, or a number is no whole number in its range.
    """
    from otgan.report import Report

    if not isinstance(found, Report):
        raise WrongKindError(f"found must be a report made by otgan.compare, got {shown(found)}")
    arcs = whole_number(arcs, "arcs", "a whole number >= 0", least=0)
    points = whole_number(points, "points", "a whole number >= 1")
    seed = check_seed(seed)
    figure = Figure(figsize=(11, 5.4), layout="constrained")
    families = [
        [each for each in found.distances.values() if (_power(each) == 0) == divergent]
        for divergent in (False, True)
    ]
    drawn = [family for family in families if family]
    grid = figure.add_gridspec(
        len(drawn), 2, width_ratios=(1.5, 1), height_ratios=[1.5 + len(family) for family in drawn]
    )
    ax = figure.add_subplot(grid[:, 0])
    plan = heaviest(found, arcs, np.random.default_rng([seed, 0]))
    (on_the_line if found.d == 1 else in_the_plane)(ax, found, plan, points, seed)
    for row, family in enumerate(drawn):
        _bars(figure.add_subplot(grid[row, 1]), family)
    return figure


def _bars(ax: Axes, distances: list[Distance]) -> None:
    """Draw distances of one family as bars: those that are lengths as such, the others against their ceilings."""
    transport = _power(distances[0]) != 0
    lengths = [_length(each) for each in distances]
    finite = [value for value in lengths if math.isfinite(value)]
    floors = [each.noise_floor.larger for each in distances if each.noise_floor is not None]
    ceilings = [value for value in map(_ceiling, distances) if math.isfinite(value)]
    right = 1.3 * max([*finite, *floors, *ceilings, 0.0 if transport else 1.0]) or 1.0
    for row, (each, length) in enumerate(zip(distances, lengths, strict=True)):
        endless = math.isinf(length)
        ax.barh(
            row,
            right if endless else length,
            height=0.55,
            color="white" if endless else GREEN if transport else SKY,
            edgecolor=SKY if endless else "none",
            hatch="////" if endless else None,
            linewidth=0,
            zorder=1,
        )
        if _whisker(each) is not None:
            ax.errorbar(length, row, xerr=_whisker(each), color=INK, capsize=3, linewidth=1, zorder=3)
        if each.noise_floor is not None:
            ax.plot(
                [each.noise_floor.larger] * 2, [row - 0.36, row + 0.36], color=INK, linestyle=":", zorder=3
            )
            ax.annotate(
                "noise floor",
                (each.noise_floor.larger, row - 0.36),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center" if each.noise_floor.larger > 0.15 * right else "left",
                va="bottom",
                fontsize=8,
                color=INK,
            )
        ceiling = _ceiling(each)
        if math.isfinite(ceiling):
            ax.plot([ceiling] * 2, [row - 0.36, row + 0.36], color=INK, linestyle="--", linewidth=1, zorder=3)
        ax.annotate(
            _caption(each),
            (
                right
                if endless
                else max(length + (_whisker(each) or 0.0), ceiling if math.isfinite(ceiling) else 0.0),
                row,
            ),
            xytext=(-8 if endless else 8, 0),
            textcoords="offset points",
            ha="right" if endless else "left",
            va="center",
            fontsize=9,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5} if endless else None,
        )
    ax.set_yticks(range(len(distances)), [_bar_label(each) for each in distances])
    ax.set(xlim=(min([*finite, 0.0]), right), ylim=(len(distances) - 0.4, -0.7))
    ax.set_xlabel(_axis(distances))
    ax.set_title(
        "Transport: how far apart they are" if transport else "Divergence: how little they overlap",
        loc="left",
        fontsize=10,
    )
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(axis="y", length=0)


def _axis(distances: list[Distance]) -> str:
    """Return in what the bars of one family are measured."""
    if _power(distances[0]) == 0:
        by_unit: dict[str, list[str]] = {}
        for each in distances:
            by_unit.setdefault(each.unit or "no unit", []).append(each.title)
        first, *rest = by_unit
        others = ", ".join(f"{listed(by_unit[unit])}: {unit}" for unit in rest)
        units = f"{first} ({others})" if others else first
        bounded = any(math.isfinite(_ceiling(each)) for each in distances)
        return f"{units}; dashed: the ceiling" if bounded else units
    order = max(_power(each) for each in distances)
    root = "" if order == 1 else f" (roots of order {order:g})"
    whiskers = any(_whisker(each) is not None for each in distances)
    return f"units of the samples{root}" + (f"\nwhiskers: {UNCERTAINTY}" if whiskers else "")


def _ceiling(each: Distance) -> float:
    return metric_of(each.metric).ceiling


def _power(each: Distance) -> float:
    return metric_of(each.metric).power(each.p)


def _length(each: Distance) -> float:
    """A value as the length of its bar: powers of lengths by their roots."""
    power = _power(each)
    if power in {0, 1}:
        return each.value
    return math.copysign(abs(each.value) ** (1 / power), each.value)


def _whisker(each: Distance) -> float | None:
    """Return the standard error of the length of a bar; None where it is not known."""
    return each.standard_error if _power(each) == 1 else None


def _bar_label(each: Distance) -> str:
    words = textwrap.fill(each.title, _LABEL, break_long_words=False)
    words = re.sub(r"(\w)_([\w.]+)", r"$\1_{\2}$", words)
    plain = each.estimator not in metric_of(each.metric).estimators[1:]
    return words if plain else f"{words}\n{each.estimator}"


def _caption(each: Distance) -> str:
    if math.isinf(each.value):
        return "∞"
    power = _power(each)
    if power in {0, 1}:
        return f"{each.value:.4g}"
    return f"√{each.value:.4g}" if power == 2 and each.value >= 0 else f"root of {each.value:.4g}"
