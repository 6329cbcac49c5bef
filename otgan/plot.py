"""Figures. The only module that knows matplotlib; no global state of it is read or written.

Every function draws what it is given on a new :class:`matplotlib.figure.Figure`, which notebooks show and whose
``savefig`` writes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

if TYPE_CHECKING:
    from otgan.report import Distance, Report
    from otgan.result import Transport
    from otgan.teach.parallel_lines import Table

__all__ = ["parallel_lines", "report"]

INK, BLUE, ORANGE, GREEN, SKY = "#333333", "#0072b2", "#d55e00", "#009e73", "#56b4e9"
"""Colors that color-blind eyes tell apart (Okabe and Ito)."""


def parallel_lines(table: Table) -> Figure:
    """Draw the distances between the parallel lines over θ, a panel each for EM, JS, KL and TV.

    Parameters
    ----------
    table : otgan.teach.parallel_lines.Table

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    panels = {"emd": "EM", "js": "JS (nats)", "kl": r"KL($P_0 \| P_\theta$) (nats)", "tv": "TV"}
    axes = dict(zip(panels, figure.subplots(1, len(panels)), strict=True))
    for name, title in panels.items():
        _over_theta(axes[name], table, name)
        axes[name].set(title=title, xlabel="θ")
        axes[name].spines[["top", "right"]].set_visible(False)
    handles, labels = axes["js"].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


def _over_theta(ax: Axes, table: Table, name: str) -> None:
    """Draw one distance over θ, with ∞ as a height of its own above all others."""
    from otgan.teach.parallel_lines import closed_form

    values = [value for way in ("closed form", "draws", "bins") for value in table.column(way, name)]
    top = 1.25 * max(value for value in (*values, 0.8) if math.isfinite(value))

    def heights(values: Iterable[float]) -> list[float]:
        return [top if value == math.inf else value for value in values]

    low, high = min(*table.thetas, 0.0), max(*table.thetas, 0.0)
    margin = 0.05 * (high - low or 1.0)
    # The closed forms jump at 0 and are straight on either side of it.
    thetas = (low - margin, -1e-9, math.nan, 1e-9, high + margin)
    exact = heights(getattr(closed_form(theta), name) for theta in (*thetas, 0.0))
    ax.plot(thetas, exact[:-1], color=INK, label=table.label("closed form"))
    ax.plot(0, exact[1], "o", color=INK, markerfacecolor="white", markersize=5)
    ax.plot(0, exact[-1], "o", color=INK, markersize=5)
    for way, color, marker, size in (
        ("draws", BLUE, "o", 9),
        ("shared draws", ORANGE, "x", 6),
        ("bins", GREEN, "s", 6),
    ):
        ax.plot(
            table.thetas,
            heights(table.column(way, name)),
            color=color,
            linestyle="none",
            marker=marker,
            markersize=size,
            markerfacecolor="none",
            markeredgewidth=1.4,
            label=table.label(way),
        )
    if name == "kl":
        ticks = np.linspace(0, 0.8 * top, 5)
        ax.set_yticks([*ticks, top], [*(f"{tick:.2g}" for tick in ticks), "∞"])
    ax.set(xlim=(low - margin, high + margin), ylim=(-0.06 * top, 1.08 * top))


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
    """
    figure = Figure(figsize=(11, 5.4), layout="constrained")
    families = [
        [each for each in found.distances.values() if (each.p is None) == divergent]
        for divergent in (False, True)
    ]
    drawn = [family for family in families if family]
    grid = figure.add_gridspec(
        len(drawn), 2, width_ratios=(1.5, 1), height_ratios=[1.5 + len(family) for family in drawn]
    )
    ax = figure.add_subplot(grid[:, 0])
    plan = _heaviest(found, arcs, np.random.default_rng([seed, 0]))
    (_on_the_line if found.d == 1 else _in_the_plane)(ax, found, plan, points, seed)
    for row, family in enumerate(drawn):
        _bars(figure.add_subplot(grid[row, 1]), family)
    return figure


@dataclass(frozen=True)
class _Arcs:
    """Some arcs of a plan: from which point to which, of what mass, and a sentence that says which they are."""

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    mass: NDArray[np.float64]
    words: str

    @property
    def colors(self) -> NDArray[np.float64]:
        """Gray, the heavier the more opaque, shape (k, 4)."""
        colors = np.full((len(self.mass), 4), 0.35)
        colors[:, 3] = 0.12 + 0.5 * self.mass / self.mass.max(initial=np.finfo(float).tiny)
        return colors


_DENSE = 2**22
"""Entries of a plan up to which it is built to look for its heaviest arcs."""


def _heaviest(found: Report, limit: int, rng: np.random.Generator) -> _Arcs | None:
    """Find the heaviest arcs of the exact plan, or of the entropic one; None where neither was solved for."""
    solved = next((each.transport for each in found.distances.values() if each.transport is not None), None)
    if solved is None or limit < 1:
        return None
    i, j, mass = _arcs(solved, found, limit, rng)
    # Many arcs have one mass, up to rounding: which of them are drawn must not depend on the order of the samples.
    order = rng.permutation(len(mass))
    heaviness = np.round(mass[order] / mass.max(), 9)
    order = order[np.argsort(-heaviness, kind="stable")][:limit]
    kind = "optimal" if solved.epsilon is None else "entropic"
    share = 100 * float(mass[order].sum())
    words = f"{len(order)} heaviest arcs of the {kind} plan, {share:.3g} % of the mass"
    return _Arcs(i[order], j[order], mass[order], words)


def _arcs(
    solved: Transport, found: Report, limit: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    if found.n * found.m <= _DENSE:
        i, j = np.nonzero(solved.plan)
        return i, j, solved.plan[i, j]
    # A large plan is not built: the heaviest arc of each of some points, drawn by their weights.
    weights = found.x.weights[0].numpy(force=True)
    rows = rng.choice(found.n, min(limit, int((weights > 0).sum())), replace=False, p=weights)
    ones = np.zeros((found.n, len(rows)))
    ones[rows, np.arange(len(rows))] = 1.0
    leaving = solved.apply(ones, axis=0)
    return rows, leaving.argmax(0), leaving.max(0)


def _chosen(size: int, limit: int, ends: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Pick the points to draw: some at random, and those that arcs end in."""
    if size <= limit:
        return np.arange(size)
    return np.union1d(rng.choice(size, limit, replace=False), ends)


def _in_the_plane(ax: Axes, found: Report, plan: _Arcs | None, points: int, seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    x, y, axes = _projected(found)
    none = np.empty(0, dtype=np.int64)
    if plan is not None:
        segments = np.stack([x[plan.i], y[plan.j]], axis=1)
        ax.add_collection(LineCollection(list(segments), colors=plan.colors, linewidths=0.8, zorder=1))
    for name, where, ends, color, marker in (
        (found.names[0], x, none if plan is None else plan.i, BLUE, "o"),
        (found.names[1], y, none if plan is None else plan.j, ORANGE, "^"),
    ):
        rows = _chosen(len(where), points, ends, rng)
        ax.scatter(
            where[rows, 0],
            where[rows, 1],
            s=16,
            color=color,
            marker=marker,
            alpha=0.75,
            linewidths=0,
            zorder=2,
            label=_of(name, len(rows), len(where)),
        )
    ax.set_aspect("equal", adjustable="datalim")
    ax.set(xlabel=axes[0], ylabel=axes[1])
    _finish(ax, plan)


def _projected(found: Report) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[str, str]]:
    """Both sets in the plane, and what its axes are."""
    x, y = (side.points[0].double().numpy(force=True) for side in (found.x, found.y))
    if found.d == 2:
        return x, y, ("first coordinate", "second coordinate")
    from sklearn.decomposition import PCA

    both = np.concatenate([x, y])
    # Samples that are all one point, or on one line, have no second axis: it is drawn at 0.
    rank = min(2, len(both))
    principal = PCA(rank, svd_solver="full" if found.d <= 100 else "randomized", random_state=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        plane = principal.fit_transform(both)
    shares = np.nan_to_num(principal.explained_variance_ratio_)
    plane, shares = np.pad(plane, ((0, 0), (0, 2 - rank))), np.pad(shares, (0, 2 - rank))
    first, second = (
        f"{which} principal axis ({100 * share:.2g} % of the variance)"
        for which, share in zip(("first", "second"), shares, strict=True)
    )
    return plane[: len(x)], plane[len(x) :], (first, second)


def _on_the_line(ax: Axes, found: Report, plan: _Arcs | None, points: int, seed: int) -> None:
    """Draw the histogram of x upward and that of y downward, the arcs in the band between them."""
    rng = np.random.default_rng([seed, 1])
    sides = [
        (side.points[0, :, 0].double().numpy(force=True), side.weights[0].numpy(force=True))
        for side in (found.x, found.y)
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
    ax.set(xlabel="value", ylabel="mass in a bin", ylim=(-1.6, 1.6))
    _finish(ax, plan)


def _finish(ax: Axes, plan: _Arcs | None) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title(
        "The two sets" if plan is None else f"The two sets, and the {plan.words}", loc="left", fontsize=10
    )
    ax.legend(loc="best", frameon=True, framealpha=0.8, edgecolor="none", fontsize=9)


_LABELS = {
    "js": "JS",
    "kl": "KL",
    "tv": "TV",
    "sinkhorn": "Sinkhorn",
    "sinkhorn_divergence": "Sinkhorn\ndivergence",
}

_CEILINGS = {"js": math.log(2), "tv": 1.0}


def _bars(ax: Axes, distances: list[Distance]) -> None:
    """Draw distances of one family as bars: transport as lengths, divergences against their ceilings."""
    transport = distances[0].p is not None
    lengths = [_length(each) for each in distances]
    finite = [value for value in lengths if math.isfinite(value)]
    floors = [each.noise_floor.larger for each in distances if each.noise_floor is not None]
    right = 1.3 * max([*finite, *floors, 0.0 if transport else 1.0]) or 1.0
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
        if each.metric in _CEILINGS:
            ceiling = _CEILINGS[each.metric]
            ax.plot([ceiling] * 2, [row - 0.36, row + 0.36], color=INK, linestyle="--", linewidth=1, zorder=3)
        ax.annotate(
            _caption(each),
            (right if endless else max(length, 0.0) + (_whisker(each) or 0.0), row),
            xytext=(-8 if endless else 8, 0),
            textcoords="offset points",
            ha="right" if endless else "left",
            va="center",
            fontsize=9,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5} if endless else None,
        )
    ax.set_yticks(range(len(distances)), [_bar_label(each) for each in distances])
    ax.set(xlim=(min([*finite, 0.0]), right), ylim=(len(distances) - 0.4, -0.7))
    if transport:
        power = distances[0].p
        root = "" if power == 1 else f" (roots of order {power:g})"
        ax.set_xlabel(f"units of the samples{root}")
    else:
        names = {each.metric for each in distances}
        units = (
            "nats" if "tv" not in names else "share of the mass" if names == {"tv"} else "nats (TV: a share)"
        )
        ax.set_xlabel(f"{units}; dashed: the ceiling" if names & _CEILINGS.keys() else units)
    ax.set_title(
        "Transport: how far apart they are" if transport else "Divergence: how little they overlap",
        loc="left",
        fontsize=10,
    )
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(axis="y", length=0)


def _length(each: Distance) -> float:
    """A value as the length of its bar: the costs of transport, lengths to the power p, by their roots."""
    if each.p is None or each.metric == "emd":
        return each.value
    return math.copysign(abs(each.value) ** (1 / each.p), each.value)


def _whisker(each: Distance) -> float | None:
    """Return the standard error of the length of a bar; None where it is not known."""
    return each.standard_error if each.metric == "emd" or each.p == 1 else None


def _bar_label(each: Distance) -> str:
    if each.metric == "emd":
        return "EM" if each.p == 1 else f"$W_{{{each.p:g}}}$"
    plain = each.estimator in {"atoms", "entropic", "debiased"}
    return _LABELS[each.metric] if plain else f"{_LABELS[each.metric]}\n{each.estimator}"


def _caption(each: Distance) -> str:
    if math.isinf(each.value):
        return "∞"
    if each.metric == "emd" or each.p in {None, 1.0}:
        return f"{each.value:.4g}"
    return f"√{each.value:.4g}" if each.p == 2 and each.value >= 0 else f"root of {each.value:.4g}"


def _of(name: str, drawn: int, size: int) -> str:
    """Words for a legend. A leading underscore would hide an entry, and dollars would be read as mathematics."""
    short = name if len(name) <= 32 else f"…{name[-31:]}"
    return f"{f'{drawn} of ' if drawn < size else ''}{size} samples of {short}".replace("$", r"\$")
