"""A test of two sets as a figure: the distances of random splits, and the one that was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from otgan.distances.words import number
from otgan.plot.palette import BLUE, INK, ORANGE, SKY
from otgan.plot.style import on_paper

if TYPE_CHECKING:
    from otgan.inference.outcome import TwoSampleTest

__all__ = ["drawn"]

_BINS = 40


@on_paper
def drawn(test: TwoSampleTest) -> Figure:
    """Return the figure of a test."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    ax = figure.add_subplot()
    values = test.null[np.isfinite(test.null)]
    if len(values):
        edges = np.histogram_bin_edges(values, bins=min(_BINS, max(10, int(np.sqrt(len(values))))))
        ax.hist(
            values,
            edges.tolist(),
            color=SKY,
            edgecolor=BLUE,
            linewidth=0.5,
            label=f"{test.permutations} {test.design}",
        )
    if np.isfinite(test.quantile_95):
        ax.axvline(test.quantile_95, color=INK, linestyle=":", linewidth=1, label="95 % of them are below")
    if np.isfinite(test.value):
        label = f"measured: {number(test.value, 4)}, p = {test.p_value:.2g}"
        ax.axvline(test.value, color=ORANGE, linewidth=2, label=label)
    unit = f" ({test.distance.unit})" if test.distance.unit else ""
    ax.set(xlabel=f"{test.distance.title}{unit}", ylabel="splits")
    ax.set_title("What chance alone would give, and what was measured", loc="left", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure
