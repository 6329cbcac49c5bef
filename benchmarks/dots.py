"""Charts of tables that compare contenders: ratios by size, by problem, shares that tests find, and what they take.

They are five inches wide with letters of nine points and more, so that they are read on a telephone as well.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

from benchmarks.record import Result
from benchmarks.sheet import origin, sheet
from benchmarks.summary import AIM
from otgan.plot.palette import BLUE, GREEN, INK, ORANGE, PURPLE, SKY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["batch_ratios", "exact_ratios", "power", "test_times"]

_WIDTH = 5.0

_MARKS = tuple(zip((BLUE, ORANGE, GREEN, PURPLE, INK, SKY), "os^vDX", strict=True))
"""Colors and shapes, so that no one has to tell colors apart."""


def exact_ratios(summary: Result) -> Figure:
    """Draw the fastest peer's time over otgan's against n, a panel for each power and a curve for each d and kind of weights."""
    curves: dict[tuple[Any, Any, str], list[tuple[Any, Any]]] = {}
    for n, d, p, weights, _, median, *_ in summary.rows:
        if median is not None:
            curves.setdefault((p, d, str(weights)), []).append((n, median))
    powers, dimensions = (sorted({key[k] for key in curves}) for k in (0, 1))
    figure = sheet(_WIDTH, 1.2 + 2.5 * len(powers))
    panels = figure.subplots(len(powers), 1, squeeze=False, sharex=True)[:, 0]
    for ax, p in zip(panels, powers, strict=True):
        for (color, marker), d in zip(_MARKS, dimensions, strict=False):
            for weights, style in (("equal", "-"), ("random", ":")):
                curve = sorted(curves.get((p, d, weights), []))
                label = f"d = {d}" if weights == "equal" else None
                ax.plot(
                    *zip(*curve, strict=True) if curve else ([], []),
                    style,
                    color=color,
                    marker=marker,
                    ms=4,
                    label=label,
                )
        _level(ax, 1.0, "as fast as the fastest peer")
        _level(ax, AIM, f"{AIM:g} times as fast")
        ax.set(xscale="log", yscale="log", ylabel=f"ratio, p = {p}")
        _plain(ax, "both")
    panels[-1].set_xlabel("n, points on either side")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.suptitle(
        f"Exact transport: the fastest peer's time over otgan's,\nmedian of families; dotted: random weights\n{origin(summary)}",
        fontsize=9,
    )
    return figure


def batch_ratios(batch: Result) -> Figure:
    """Draw how many times otgan's time each contender took for a batch, a mark for each kind of batch."""
    marks: dict[str, list[tuple[str, float]]] = {}
    for problems, points, d, name, *_, ratio in batch.rows:
        if ratio is not None and name != "otgan":
            marks.setdefault(f"{problems:,} of n = {points}, d = {d}", []).append(
                (str(name), float(str(ratio)))
            )
    figure, ax = _rows(marks, "time over otgan's, at an equal error")
    _level(ax, 1.0, "")
    missing = len({row[3] for row in batch.rows} - {"otgan"}) - len(
        {name for found in marks.values() for name, _ in found}
    )
    more = f"; {missing} more did not reach the error" if missing else ""
    figure.suptitle(f"Many small problems at once{more}\n{origin(batch)}", fontsize=9)
    return figure


def power(found: Result) -> Figure:
    """Draw how often each test finds a difference, a row for each difference and a mark for each test."""
    tests = found.columns[1:]
    marks = {
        test: [(str(row[0]), float(str(row[k]))) for row in found.rows if row[k] is not None]
        for k, test in enumerate(tests, start=1)
    }
    figure, ax = _rows(marks, "share of draws called different", logarithmic=False)
    ax.axvline(0.05, color=INK, lw=0.8, ls=":")
    ax.set_xlim(0, 1.03)
    figure.suptitle(f"How often tests at level 5 % find a difference\n{origin(found)}", fontsize=9)
    return figure


def test_times(found: Result) -> Figure:
    """Draw what a test takes, a row for each test and a mark for each number of samples."""
    marks: dict[str, list[tuple[str, float]]] = {}
    for test, n, _, seconds in found.rows:
        if seconds is not None:
            marks.setdefault(f"n = {n}", []).append(
                (str(test).replace("SciPy's ", "SciPy's\n"), float(str(seconds)))
            )
    figure, _ = _rows(marks, "seconds")
    figure.suptitle(f"A test of a thousand permutations\n{origin(found)}", fontsize=9)
    return figure


def _rows(
    marks: dict[str, list[tuple[str, float]]], axis: str, *, logarithmic: bool = True
) -> tuple[Figure, Axes]:
    """Draw named values in rows, of several series with a mark each; those of a row in the order of the table."""
    names = list(dict.fromkeys(name for found in marks.values() for name, _ in found))
    figure = sheet(_WIDTH, 1.5 + 0.32 * len(names) + 0.2 * len(marks) / 2)
    ax = figure.subplots()
    for (color, marker), (label, found) in zip(cycle(_MARKS), marks.items(), strict=False):
        ax.plot(
            [value for _, value in found],
            [names.index(name) for name, _ in found],
            marker,
            color=color,
            ms=7,
            alpha=0.85,
            label=label,
        )
    ax.set_yticks(range(len(names)), names)
    ax.set(ylim=(len(names) - 0.5, -0.5), xlabel=axis)
    if logarithmic:
        ax.set_xscale("log")
    ax.tick_params(left=False)
    _plain(ax, "both")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure, ax


def _level(ax: Axes, where: float, words: str) -> None:
    """Draw a ratio that is looked for: across panels, or down rows where it has no words."""
    if not words:
        ax.axvline(where, color=INK, lw=0.8, ls="--")
        return
    ax.axhline(where, color=INK, lw=0.8, ls="--")
    ax.text(0.01, where, words, transform=ax.get_yaxis_transform(), va="bottom", fontsize=9)


def _plain(ax: Axes, which: Any) -> None:
    ax.grid(axis=which, color=INK, alpha=0.15, lw=0.5)
    ax.spines[["top", "right"]].set_visible(False)
