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
from otgan.options import check_seed, whole_number
from otgan.plot.arcs import heaviest
from otgan.plot.palette import BLUE, GREEN, INK, SKY
from otgan.plot.samples import in_the_plane, on_the_line
from otgan.plot.style import on_paper
from otgan.plot.thumbnails import Shape, check_images
from otgan.report.text import UNCERTAINTY

if TYPE_CHECKING:
    from otgan.report import Distance, Report

__all__ = ["drawn"]

_LABEL = 12
"""Characters from which on the name of a bar is broken into lines."""

_NEAR = 0.15
"""Share of the axis below which what is centered would stick out of it."""

_FLAT = 4
"""How many times as long as the highest ceiling of others a bar may be beside them."""

_SQUARED = 2
"""The power p whose root has a sign of its own."""


@on_paper
def drawn(found: Report, arcs: int, points: int, seed: int, images: Shape | None = None) -> Figure:
    """Return the figure of a report: the sets, at most so many of their points and arcs, and the distances."""
    arcs = whole_number(arcs, "arcs", "a whole number >= 0", least=0)
    points = whole_number(points, "points", "a whole number >= 1")
    seed = check_seed(seed)
    images = check_images(images, found.d)
    figure = Figure(figsize=(11, 5.4), layout="constrained")
    shown = _families(list(found.distances.values()))
    grid = figure.add_gridspec(
        len(shown), 2, width_ratios=(1.5, 1), height_ratios=[1.5 + len(family) for family in shown]
    )
    ax = figure.add_subplot(grid[:, 0])
    solved = next((each.transport for each in found.distances.values() if each.transport is not None), None)
    plan = heaviest(solved, found.x, found.m, arcs, np.random.default_rng([seed, 0]))
    if found.d == 1:
        on_the_line(ax, found, plan, points, seed)
    else:
        in_the_plane(ax, found, plan, points, seed, images)
    for row, family in enumerate(shown):
        _bars(figure.add_subplot(grid[row, 1]), family)
    return figure


def _families(distances: list[Distance]) -> list[list[Distance]]:
    """Return distances that have one axis together: lengths, divergences, and those that would press the others flat."""
    lengths = [each for each in distances if _power(each) != 0]
    divergences = [each for each in distances if _power(each) == 0]
    most = _FLAT * max(
        [_ceiling(each) for each in divergences if math.isfinite(_ceiling(each))], default=math.inf
    )
    beyond = [each for each in divergences if most < _length(each) < math.inf]
    within = [each for each in divergences if each not in beyond]
    return [family for family in (lengths, within, beyond) if family]


def _bars(ax: Axes, distances: list[Distance]) -> None:
    """Draw distances of one family as bars: those that are lengths as such, the others against their ceilings."""
    transport = _power(distances[0]) != 0
    finite = [value for value in map(_length, distances) if math.isfinite(value)]
    floors = [floor for floor in map(_noise, distances) if math.isfinite(floor)]
    ceilings = [value for value in map(_ceiling, distances) if math.isfinite(value)]
    right = 1.3 * max([*finite, *floors, *ceilings, 0.0 if transport else 1.0]) or 1.0
    for row, each in enumerate(distances):
        _bar(ax, row, each, right)
        if math.isfinite(_noise(each)):
            _floor(ax, row, _noise(each), right)
        if math.isfinite(_ceiling(each)):
            _mark(ax, row, _ceiling(each), "--")
    ax.set_yticks(range(len(distances)), [_bar_label(each) for each in distances])
    ax.set(xlim=(min([*finite, 0.0]), right), ylim=(len(distances) - 0.4, -0.7))
    ax.set_xlabel(_axis(distances))
    ax.set_title(_heading(transport, bool(ceilings)), loc="left", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(axis="y", length=0)


def _heading(transport: bool, bounded: bool) -> str:
    if transport:
        return "Transport: how far apart they are"
    return "Divergence: how little they overlap" + ("" if bounded else ", without a ceiling")


def _bar(ax: Axes, row: int, each: Distance, right: float) -> None:
    """Draw one distance as a bar with its value; an infinite one hatched, as far as the axis goes."""
    length, whisker = _length(each), _whisker(each)
    endless = math.isinf(length)
    ax.barh(
        row,
        right if endless else length,
        height=0.5,
        color="white" if endless else SKY if _power(each) == 0 else GREEN,
        edgecolor=BLUE if _power(each) == 0 else "none",
        hatch="////" if endless else None,
        linewidth=0.5,
        zorder=1,
    )
    if whisker is not None:
        ax.errorbar(length, row, xerr=whisker, color=INK, capsize=3, linewidth=1, zorder=3)
    ceiling = _ceiling(each) if math.isfinite(_ceiling(each)) else 0.0
    end = right if endless else max(length + (whisker or 0.0), ceiling)
    ax.annotate(
        _caption(each),
        (end, row),
        xytext=(-8 if endless else 8, 0),
        textcoords="offset points",
        ha="right" if endless else "left",
        va="center",
        fontsize=9,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5} if endless else None,
    )


def _mark(ax: Axes, row: int, where: float, linestyle: str) -> None:
    """Draw a line across a bar."""
    ax.plot([where] * 2, [row - 0.33, row + 0.33], color=INK, linestyle=linestyle, linewidth=1, zorder=3)


def _floor(ax: Axes, row: int, where: float, right: float) -> None:
    """Draw the noise floor across a bar, its name to the right of it where it stands near the left end."""
    _mark(ax, row, where, ":")
    ax.annotate(
        "noise floor",
        (where, row - 0.33),
        xytext=(0, 2),
        textcoords="offset points",
        ha="center" if where > _NEAR * right else "left",
        va="bottom",
        fontsize=8,
        color=INK,
    )


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
    # Powers have their roots drawn.
    lengths = dict.fromkeys(each.unit.partition(", ")[0] for each in distances)
    return f"{' / '.join(lengths)}{root}" + (f"\nwhiskers: {UNCERTAINTY}" if whiskers else "")


def _ceiling(each: Distance) -> float:
    return metric_of(each.metric).ceiling


def _power(each: Distance) -> float:
    return metric_of(each.metric).power(each.p)


def _length(each: Distance) -> float:
    """A value as the length of its bar."""
    return _as_length(each, each.value)


def _noise(each: Distance) -> float:
    """The noise floor on the scale of the bar; NaN where there is none."""
    return math.nan if each.noise_floor is None else _as_length(each, each.noise_floor.larger)


def _as_length(each: Distance, value: float) -> float:
    """Powers of lengths by their roots."""
    power = _power(each)
    return value if power in {0, 1} else math.copysign(abs(value) ** (1 / power), value)


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
    return f"√{each.value:.4g}" if power == _SQUARED and each.value >= 0 else f"root of {each.value:.4g}"
