"""The charts of the recorded cells, drawn into ``docs/pictures`` by `benchmarks.render`.

Each says in its file what figures it was drawn from, so that a stale one is found without drawing it again.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, product
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import dots
from benchmarks import sheet as sheets
from benchmarks.grid import EPSILONS, TOLERANCES
from benchmarks.ledger import Row, rows_of
from benchmarks.record import Cell, Result
from benchmarks.sheet import origin, sheet
from benchmarks.summary import AIM
from otgan.plot.palette import BLUE, GREEN, INK, ORANGE, PAPER, SKY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["CHARTS", "Chart", "certified", "digest", "families", "ratios", "save", "times"]

_FASTEST = 100.0
"""A ratio from which on a field has the full color."""

_PALE = 0.85
"""The most of a color that a field is filled with, so that ink is read on it."""

_DARK = 0.6
"""Strength of a field from which on dark letters are no longer read."""

_TENS = 10
"""A ratio from which on two digits say enough without a fraction."""

_HALF = 0.45
"""Of a field's side, where fields are one apart."""

_SQUARED = 2
"""The power of the distance whose curves are full lines; those of p = 1 are dotted."""

_LEAST_CURVE = 2
"""Points of a curve."""

FAMILIES = {
    "otgan": (BLUE, "-", 2.4),
    "POT": (ORANGE, "-", 1.4),
    "OTT": (GREEN, "-", 1.4),
    "RegOT": (SKY, "-", 1.4),
    "MDOT": (INK, "-", 1.4),
    "GeomLoss": (INK, ":", 1.4),
}
"""How the curve of otgan and of each family of peers is drawn; a peer's name begins with its family's."""


@dataclass(frozen=True)
class Chart:
    """A picture and what it is drawn from: the names of recorded tables, and a function of them."""

    name: str
    sources: tuple[str, ...]
    draw: Callable[..., Figure]


def ratios(cells: Result) -> Figure:
    """Draw a field for each cell, with how many times faster than the fastest peer otgan was; short ones are framed."""
    rows = rows_of(cells)
    dimensions, sizes = sorted({row.d for row in rows}), sorted({row.n for row in rows})
    levels = list(product(EPSILONS, TOLERANCES))
    figure = sheet(2.4 + 2.1 * len(dimensions), 3.4)
    axes = figure.subplots(1, len(dimensions), squeeze=False, sharey=True)[0]
    for ax, d in zip(axes, dimensions, strict=True):
        for row in (row for row in rows if row.d == d):
            _field(ax, sizes.index(row.n), levels.index((row.relative, row.tol)), row)
        ax.set(
            xlim=(-0.5, len(sizes) - 0.5),
            ylim=(len(levels) - 0.5, -0.5),
            xticks=range(len(sizes)),
            xticklabels=[f"{n:,}" for n in sizes],
            yticks=range(len(levels)),
            yticklabels=[f"ε {relative:g}, error {tol:g}" for relative, tol in levels],
            title=f"d = {d}",
            xlabel="n",
        )
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    figure.suptitle(
        f"The fastest peer's time over otgan's; framed: below {AIM:g}; “alone”: no peer arrived; ×: otgan did not\n"
        f"{origin(cells)}",
        fontsize=9,
    )
    return figure


def times(cells: Result, peers: Result, tol: float) -> Figure:
    """Draw time against n for otgan and for the fastest of each family of peers, for every d and ε at one error."""
    rows = rows_of(cells)  # of every error: a record that goes on has its panels from the beginning
    dimensions, found = sorted({row.d for row in rows}), families(cells, peers)
    figure = sheet(8.4, 0.9 + 1.7 * len(dimensions))
    grid = figure.subplots(len(dimensions), len(EPSILONS), squeeze=False, sharex=True, sharey=True)
    sizes = sorted({row.n for row in rows})
    for (i, d), (j, relative) in product(enumerate(dimensions), enumerate(EPSILONS)):
        ax = grid[i][j]
        for family, (color, style, width) in FAMILIES.items():
            curve = found.get((d, relative, tol, family), {})
            if curve:
                marker = "o" if len(curve) < _LEAST_CURVE else None
                ax.plot(
                    *zip(*sorted(curve.items()), strict=True),
                    style,
                    color=color,
                    lw=width,
                    marker=marker,
                    ms=3,
                )
        ax.set(xscale="log", yscale="log")
        ax.set_xticks(sizes, [f"{n:,}" for n in sizes])
        ax.minorticks_off()
        ax.tick_params(left=False, bottom=False)
        ax.set_title(f"d = {d}, ε = {relative:g}", fontsize=9)
        ax.grid(axis="y", color=INK, alpha=0.15, lw=0.5)
        ax.spines[["top", "right"]].set_visible(False)
        if i == len(dimensions) - 1:
            ax.set_xlabel("n")
        if j == 0:
            ax.set_ylabel("seconds")
    shown = {key[-1] for key, curve in found.items() if curve}
    handles = [
        grid[0][0].plot([], [], style, color=color, lw=width, label=family)[0]
        for family, (color, style, width) in FAMILIES.items()
        if family in shown
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    figure.suptitle(f"Time to an L1 error of {tol:g}, from the samples\n{origin(cells)}", fontsize=9)
    return figure


def certified(large: Result) -> Figure:
    """Draw time against n of certified exact transport, a curve for each d and p."""
    curves: dict[tuple[int, int], list[tuple[int, float]]] = {}
    for n, d, p, seconds, *_ in large.rows:
        curves.setdefault((int(str(d)), int(str(p))), []).append((int(str(n)), float(str(seconds))))
    curves = {kind: curve for kind, curve in curves.items() if len(curve) >= _LEAST_CURVE}
    figure = sheet(6.4, 3.8)
    ax = figure.subplots()
    colors = dict(zip(sorted({d for d, _ in curves}), cycle((BLUE, ORANGE, GREEN)), strict=False))
    for (d, p), curve in sorted(curves.items()):
        style, label = "-" if p == _SQUARED else ":", f"d = {d}, p = {p}"
        ax.plot(*zip(*sorted(curve), strict=True), style, color=colors[d], marker="o", ms=3, label=label)
    ax.set(xscale="log", yscale="log", xlabel="n, points on either side", ylabel="seconds")
    ax.grid(axis="y", color=INK, alpha=0.15, lw=0.5)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=9)
    figure.suptitle(f"Exact transport, from the points to the certificate\n{origin(large)}", fontsize=9)
    return figure


def families(cells: Result, peers: Result) -> dict[tuple[int, float, float, str], dict[int, float]]:
    """Return, for each d, ε, error and family, the least time of its members by n, where one of them arrived."""
    found: dict[tuple[int, float, float, str], dict[int, float]] = {}
    for row in rows_of(cells):
        if row.reached:
            found.setdefault((row.d, row.relative, row.tol, "otgan"), {})[row.n] = row.seconds
    names = peers.columns[4:]
    for d, n, relative, tol, *said in peers.rows:
        for name, cell in zip(names, said, strict=True):
            if isinstance(cell, float):
                family = next(family for family in FAMILIES if name.startswith(family))
                curve = found.setdefault((int(str(d)), float(str(relative)), float(str(tol)), family), {})
                at = int(str(n))
                curve[at] = min(cell, curve.get(at, math.inf))
    return found


CHARTS = (
    Chart("exact-times", ("exact-large",), certified),
    Chart("exact-ratios", ("exact-summary",), dots.exact_ratios),
    Chart("batch-ratios", ("batch",), dots.batch_ratios),
    Chart("tests-power", ("tests-power",), dots.power),
    Chart("tests-time", ("tests-time",), dots.test_times),
    Chart("entropic-ratios", ("entropic",), ratios),
    Chart("entropic-times-loose", ("entropic", "entropic-peers"), partial(times, tol=TOLERANCES[0])),
    Chart("entropic-times-tight", ("entropic", "entropic-peers"), partial(times, tol=TOLERANCES[1])),
)


def digest(sources: Sequence[Result]) -> str:
    """Return a few letters that tell the figures of these tables, and how they are drawn, from any others."""
    content: list[tuple[Sequence[str], Sequence[Sequence[Cell]], str, Mapping[str, object]]] = [
        (result.columns, result.rows, result.date, result.machine) for result in sources
    ]
    programs = (str(module.__file__) for module in (sys.modules[__name__], dots, sheets))
    drawn = json.dumps(content, sort_keys=True) + "".join(
        Path(each).read_text(encoding="utf-8") for each in programs
    )
    return hashlib.sha256(drawn.encode()).hexdigest()[:16]


def save(figure: Figure, path: Path, mark: str) -> None:
    """Write a figure as SVG, its letters as text; nothing written depends on the day."""
    import matplotlib as mpl

    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": mark, "font.sans-serif": ["DejaVu Sans"]}):
        figure.savefig(
            path, format="svg", facecolor=PAPER, metadata={"Date": None, "Creator": None, "Description": mark}
        )
    # matplotlib writes places to a millionth of a point, blanks around lines and names that nothing refers to. What is read is
    # between the tags, and stays.
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag.group()), text)
    text = re.sub(r' id="(?:patch|line2d|text|[xy]tick|matplotlib\.axis)_\d+"', "", text)
    path.write_text("\n".join(line.strip() for line in text.splitlines()) + "\n", encoding="utf-8")


def _field(ax: Axes, column: int, line: int, row: Row) -> None:
    """Fill one cell: the bluer the faster otgan, the more orange the faster the peer, and a frame where it is short."""
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    ratio = row.ratio if row.peer is not None else _FASTEST
    short = ratio is None or ratio < AIM or not row.reached
    strength = 0.0 if ratio is None else math.log(ratio) / math.log(_FASTEST)
    color = to_rgba(BLUE if strength >= 0 else ORANGE, _PALE * min(abs(strength), 1.0))
    edge = {"ec": ORANGE, "lw": 1.6} if short else {"lw": 0}
    ax.add_patch(Rectangle((column - _HALF, line - _HALF), 2 * _HALF, 2 * _HALF, fc=color, **edge))
    said = "×" if not row.reached else "alone" if row.peer is None else _brief(row.ratio)
    ink = PAPER if strength > _DARK else INK
    ax.text(column, line, said, ha="center", va="center", fontsize=7.5, color=ink)


def _brief(ratio: float | None) -> str:
    if ratio is None:
        return "×"
    return f"{ratio:.0f}" if ratio >= _TENS else f"{ratio:.1f}" if ratio >= 1 else f"{ratio:.2f}"
