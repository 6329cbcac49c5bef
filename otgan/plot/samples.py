"""Two sets of samples, and arcs between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from otgan.namespace import as_numpy, double
from otgan.plain import plain
from otgan.plot.arcs import Arcs
from otgan.plot.palette import BLUE, ORANGE
from otgan.plot.thumbnails import Shape, thumbnails

if TYPE_CHECKING:
    from otgan.measure import Measure

__all__ = ["Sets", "in_the_plane", "on_the_line"]

_PLANE = 2
"""Dimensions of paper."""

_CROWDED = 500
"""Points of a set above which they are drawn small, and the arcs over them."""

_FEW_DIMENSIONS = 100
"""Dimensions up to which principal axes are computed by a full decomposition."""

_AREAS = 0.15, 12.0
"""Between which areas of points are, of the mean."""

_LONGEST_NAME = 32
"""Characters of a name of a set or a column, the end of a longer one."""


class Sets(Protocol):
    """Two sets of samples with names: a report, or what is like one."""

    @property
    def names(self) -> tuple[str, str]:
        """What they are called."""

    @property
    def x(self) -> Measure:
        """The first one."""

    @property
    def y(self) -> Measure:
        """The second one."""

    @property
    def d(self) -> int:
        """The dimension of the samples."""


def in_the_plane(
    ax: Axes, found: Sets, plan: Arcs | None, points: int, seed: int, images: Shape | None = None
) -> None:
    """Draw the points of both sets, those of more than two dimensions by their principal axes, and the arcs.

    Some of those that are images of a shape are drawn as thumbnails.
    """
    rng = np.random.default_rng([seed, 1])
    x, y, axes = _projected(found)
    none = np.empty(0, dtype=np.int64)
    crowded = max(len(x), len(y)) > _CROWDED
    if plan is not None:
        segments = np.stack([x[plan.i], y[plan.j]], axis=1)
        ax.add_collection(
            LineCollection(list(segments), colors=plan.colors, linewidths=0.8, zorder=3 if crowded else 1)
        )
    for name, side, where, ends, color, marker in (
        (found.names[0], found.x, x, none if plan is None else plan.i, BLUE, "o"),
        (found.names[1], found.y, y, none if plan is None else plan.j, ORANGE, "^"),
    ):
        rows = _chosen(len(where), points, ends, rng)
        ax.scatter(
            where[rows, 0],
            where[rows, 1],
            s=(9 if crowded else 16) * _sizes(side)[rows],
            color=color,
            marker=marker,
            alpha=0.6 if crowded else 0.75,
            linewidths=0,
            zorder=2,
            label=_of(name, len(rows), len(where)),
        )
    if images is not None:
        pixels = [double(as_numpy(side.points[0])) for side in (found.x, found.y)]
        thumbnails(ax, [x, y], pixels, images, [BLUE, ORANGE])
    ax.set_aspect("equal", adjustable="datalim")
    ax.set(xlabel=axes[0], ylabel=axes[1])
    _finish(ax, plan)


def _sizes(side: Measure) -> NDArray[np.float64]:
    """Areas of points in proportion to their weights, 1 on average, none too small to be seen or so large that it hides others."""
    weights = double(as_numpy(side.weights[0]))
    return np.clip(weights * len(weights), *_AREAS)


def _projected(found: Sets) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[str, str]]:
    """Both sets in the plane, and what its axes are."""
    x, y = (double(as_numpy(side.points[0])) for side in (found.x, found.y))
    if found.d == _PLANE:
        first, second = _axes(found, ("first coordinate", "second coordinate"))
        return x, y, (first, second)
    from sklearn.decomposition import PCA

    both = np.concatenate([x, y])
    # Samples that are all one point, or on one line, have no second axis: it is drawn at 0.
    rank = min(_PLANE, len(both))
    principal = PCA(rank, svd_solver="full" if found.d <= _FEW_DIMENSIONS else "randomized", random_state=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        plane = principal.fit_transform(both)
    shares = np.nan_to_num(principal.explained_variance_ratio_)
    plane, shares = np.pad(plane, ((0, 0), (0, _PLANE - rank))), np.pad(shares, (0, _PLANE - rank))
    first, second = (
        f"{which} principal axis ({100 * share:.2g} % of the variance)"
        for which, share in zip(("first", "second"), shares, strict=True)
    )
    return plane[: len(x)], plane[len(x) :], (first, second)


def on_the_line(ax: Axes, found: Sets, plan: Arcs | None, points: int, seed: int) -> None:
    """Draw the histogram of x upward and that of y downward, the arcs in the band between them."""
    rng = np.random.default_rng([seed, 1])
    sides = [
        (double(as_numpy(side.points[0, :, 0])), as_numpy(side.weights[0])) for side in (found.x, found.y)
    ]
    pooled = np.concatenate([where for where, _ in sides])
    edges = np.histogram_bin_edges(pooled, bins=min(60, max(10, int(np.sqrt(len(pooled))))))
    heights = [np.histogram(where, edges, weights=weights)[0] for where, weights in sides]
    scale = 1 / max(height.max() for height in heights)
    if plan is not None:
        ends = zip(sides[0][0][plan.i], sides[1][0][plan.j], strict=True)
        segments = [((start, 0.5), (end, -0.5)) for start, end in ends]
        ax.add_collection(LineCollection(segments, colors=plan.colors, linewidths=0.8, zorder=1))
    for k, (name, color) in enumerate(zip(found.names, (BLUE, ORANGE), strict=True)):
        base, sign = (0.5, 1) if k == 0 else (-0.5, -1)
        where = sides[k][0]
        ax.stairs(
            base + sign * scale * heights[k],
            edges,
            baseline=base,
            fill=True,
            color=color,
            alpha=0.75,
            label=_of(name, len(where), len(where)),
        )
        rows = _chosen(len(where), points, np.empty(0, dtype=np.int64), rng)
        ax.vlines(where[rows], base, base - 0.06 * sign, color=color, linewidth=0.6, alpha=0.6)
    # Histograms that face each other have one scale of mass, counted from their own base.
    top = float(max(height.max() for height in heights))
    ticks = np.asarray(MaxNLocator(nbins=3, steps=[1, 2, 5, 10]).tick_values(0, top))
    ticks = ticks[(ticks >= 0) & (ticks <= top)]
    places = np.concatenate([0.5 + scale * ticks, -0.5 - scale * ticks])
    ax.set_yticks(places, [f"{tick:.3g}" for tick in (*ticks, *ticks)])
    (label,) = _axes(found, ("value",))
    ax.set(xlabel=label, ylabel="mass in a bin", ylim=(-1.6, 1.6))
    _finish(ax, plan)


def _axes(found: Sets, otherwise: tuple[str, ...]) -> tuple[str, ...]:
    """Return what the coordinates are called, each on its axis."""
    columns = found.x.columns
    return otherwise if columns is None else tuple(_literal(name) for name in columns)


def _literal(name: str) -> str:
    """Return a name as matplotlib shows it, at most so long: dollars would be read as mathematics."""
    name = plain(name)
    short = name if len(name) <= _LONGEST_NAME else f"…{name[1 - _LONGEST_NAME :]}"
    return short.replace("$", r"\$")


def _finish(ax: Axes, plan: Arcs | None) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title(
        "The two sets" if plan is None else f"The two sets, and the {plan.words}", loc="left", fontsize=10
    )
    # Below the axes, where it covers no sample.
    ax.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.1), ncols=2, frameon=False, fontsize=9)


def _chosen(size: int, limit: int, ends: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Pick the points to draw: some at random, and those that arcs end in."""
    if size <= limit:
        return np.arange(size)
    return np.union1d(rng.choice(size, limit, replace=False), ends)


def _of(name: str, drawn: int, size: int) -> str:
    """Words for a legend, where a leading underscore would hide an entry."""
    return f"{f'{drawn} of ' if drawn < size else ''}{size} samples of {_literal(name)}"
