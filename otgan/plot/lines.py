"""The parallel lines of the Wasserstein GAN paper."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otgan.options import WrongKindError, shown
from otgan.plot.palette import BLUE, GREEN, INK, ORANGE
from otgan.plot.style import on_paper

if TYPE_CHECKING:
    from otgan.teach.parallel_lines import Table

__all__ = ["parallel_lines"]


@on_paper
def parallel_lines(table: Table) -> Figure:
    """Draw the distances between the parallel lines over θ, a panel each for EM, JS, KL and TV.

    Parameters
    ----------
    table : otgan.teach.parallel_lines.Table

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from otgan import plot, teach
    >>> figure = plot.parallel_lines(teach.parallel_lines.table([0.0, 0.5], n=8))
    >>> [axes.get_title() for axes in figure.axes][:2]
    ['EM', 'JS']
    """
    from otgan.teach.parallel_lines import Table

    if not isinstance(table, Table) or not table.rows:
        raise WrongKindError(
            f"table must be one made by otgan.teach.parallel_lines.table, with a θ, got {shown(table)}"
        )
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    panels = {
        "emd": ("EM", "units of the lines"),
        "js": ("JS", "nats"),
        "kl": (r"KL($P_0 \| P_\theta$)", "nats"),
        "tv": ("TV", "share of the mass"),
    }
    axes = dict(zip(panels, figure.subplots(1, len(panels)), strict=True))
    for name, (title, unit) in panels.items():
        _over_theta(axes[name], table, name)
        axes[name].set(title=title, xlabel="θ (units of the lines)", ylabel=unit)
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
    exact = heights(
        math.nan if math.isnan(theta) else getattr(closed_form(theta), name) for theta in (*thetas, 0.0)
    )
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
