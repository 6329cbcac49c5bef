"""The figures of the papers' experiments: drawn here, measured elsewhere.

Each function takes what a program measured and writes one picture into ``docs/pictures``.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from otgan.gan.evaluation.figures import image_grid
from otgan.plot.palette import BLUE, GREEN, INK, ORANGE, SKY
from otgan.teach.parallel_lines import Table

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"


def row(panels: int, *, height: float = 3.2, width: float = 10.0, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """Make a figure of panels side by side, in one row or several, and return its axes in reading order."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = list(figure.subplots(rows, panels, squeeze=False).flat)
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save(figure: Figure, name: str, folder: Path = PICTURES) -> Path:
    """Write ``folder/NAME.png`` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    for ax in figure.axes:
        ax.title.set_fontsize(10)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=100)
    # A palette makes line drawings a third as large; nothing written depends on the day or on versions.
    Image.open(drawn).convert("RGB").quantize(256).save(path, optimize=True)
    return path


@dataclass(frozen=True)
class Course:
    """An estimate of a distance over a run, and the exact W₁ beside it."""

    steps: Sequence[int]
    estimate: Sequence[float]
    exact: Sequence[float]
    floor: float
    correlation: float


class Judged(Protocol):
    """What a network makes of generated points on a line."""

    @property
    def values(self) -> NDArray[Any]:
        """The network on the grid."""

    @property
    def steps(self) -> Sequence[int]:
        """Steps of its training."""

    @property
    def at_fakes(self) -> Sequence[float]:
        """The mean size of the derivative at generated points after each of them."""


def gan_against_wgan(grid: NDArray[Any], judges: Mapping[str, Judged], wgan: Course, gan: Course) -> Figure:
    """Draw the judges on a line, their gradients, and what two losses say of the quality."""
    figure, (line, slopes, followed, alone) = row(2, rows=2, height=7.4)
    line.plot(grid, judges["saturating"].values, color=ORANGE, label="discriminator D")
    for name, color in (("clipped critic", BLUE), ("penalized critic", GREEN)):
        values = judges[name].values
        low, high = values.min(), values.max()
        line.plot(grid, (values - low) / (high - low), color=color, label=f"{name}, scaled to [0, 1]")
    line.axvline(-2, color=INK, linewidth=0.8, linestyle=":")
    line.axvline(2, color=INK, linewidth=0.8, linestyle=":")
    line.text(-2, 1.04, "real", ha="center")
    line.text(2, 1.04, "generated", ha="center")
    line.set(xlabel="x", xlim=(-4, 7), ylim=(-0.05, 1.12), title="Trained to tell two Gaussians apart")
    legend_below(line)

    styles = {
        "saturating": (ORANGE, "-", "D, saturating loss"),
        "non-saturating": (ORANGE, "--", "D, non-saturating loss"),
        "clipped critic": (BLUE, "-", "clipped critic"),
        "penalized critic": (GREEN, "-", "penalized critic"),
    }
    for name, (color, style, label) in styles.items():
        slopes.plot(judges[name].steps, judges[name].at_fakes, style, color=color, label=label)
    slopes.set(
        xscale="log",
        yscale="log",
        xlabel="steps of the judge, the generator standing still",
        ylabel="mean |gradient| at generated points",
        title="What the generator would be told",
    )
    legend_below(slopes)

    for ax, course, what, unit in (
        (followed, wgan, "wgan: the critic's estimate", "estimate (a multiple of W₁)"),
        (alone, gan, "gan: the discriminator's estimate of JS", "estimate (nats)"),
    ):
        _course(ax, course, what, unit)
    return figure


def legend_below(ax: Axes, **shown: Any) -> None:
    """Put a legend below the axes, where it covers no curve."""
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, frameon=False, fontsize=8, **shown)


def _course(ax: Axes, course: Course, what: str, unit: str) -> None:
    """Draw an estimate and the exact distance over the steps, each on a scale of its own."""
    (exact,) = ax.plot(course.steps, course.exact, color=INK, label="exact W₁ to held-out points")
    floor = ax.axhline(course.floor, color=INK, linewidth=0.8, linestyle=":", label="its floor, real to real")
    other = ax.twinx()
    other.spines["top"].set_visible(False)
    (estimate,) = other.plot(course.steps, course.estimate, color=ORANGE, label=what)
    other.set(ylim=(min(0, *course.estimate), None), ylabel=unit)
    ax.set(
        xlabel="generator updates",
        ylabel="W₁ (units of the data)",
        ylim=(0, None),
        title=f"8 Gaussians, seed 0: Spearman correlation {course.correlation:.2f}",
    )
    legend_below(ax, handles=[exact, floor, estimate])


def parallel_lines(
    table: Table,
    thetas: Sequence[float],
    slopes: Mapping[tuple[str, str], Sequence[float]],
    paths: Mapping[Any, Sequence[Sequence[float]]],
) -> Figure:
    """Draw EM and JS between the lines, their derivatives in θ, and θ while it descends them."""
    figure, (values, gradients, descent) = row(3, height=3.4, width=11)
    values.plot([-0.5, 0, 1.05], [0.5, 0, 1.05], color=BLUE, label="EM, closed form")
    for side in ([-0.5, 0], [0, 1.05]):
        values.plot(side, [math.log(2)] * 2, color=ORANGE, label="JS, closed form" if side[0] else None)
    values.plot(0, 0, "o", color=ORANGE, markersize=4)
    for (distance, way), color, marker in (
        (("emd", "draws"), BLUE, "o"),
        (("js", "draws"), ORANGE, "x"),
        (("js", "bins"), ORANGE, "s"),
    ):
        values.plot(
            table.thetas,
            table.column(way, distance),
            marker,
            color=color,
            markerfacecolor="none",
            label=f"{distance.upper().replace('EMD', 'EM')}, {table.label(way)}",
        )
    values.set(xlabel="θ", title="Distance between the lines", ylim=(-0.05, 1.75))
    values.legend(frameon=False, fontsize=8, loc="upper left")

    for key, color, style, label in (
        (("emd", "draws"), BLUE, "-", "EM on draws, by autograd"),
        (("js", "closed form"), ORANGE, "-", "JS, closed form"),
        (("js", "bins"), ORANGE, ":", "JS in bins, by differences"),
    ):
        gradients.plot(thetas, slopes[key], style, color=color, label=label)
    gradients.set(xlabel="θ", title="Derivative in θ", yscale="symlog", ylim=(-80, 3000))
    gradients.legend(frameon=False, fontsize=8, loc="upper right")

    for estimate, color, style, label in (
        (("emd", "draws"), BLUE, "-", "EM on draws, three seeds"),
        (("js", "draws"), ORANGE, "-", "JS, TV: closed, on draws, in bins"),
    ):
        for k, path in enumerate(
            path for key, found in paths.items() if (key.distance, key.way) == estimate for path in found
        ):
            descent.plot(path, style, color=color, label=None if k else label, linewidth=1)
    descent.axhline(0, color=INK, linewidth=0.8, linestyle=":")
    descent.set(
        xlabel="steps of descent", ylabel="θ", title="Learning θ from 1; the data are at 0", ylim=(-0.1, 1.3)
    )
    descent.legend(frameon=False, fontsize=8, loc="upper right")
    return figure


class Surfaced(Protocol):
    """A critic of points in the plane."""

    @property
    def values(self) -> NDArray[Any]:
        """It on the grid."""

    @property
    def explained(self) -> float:
        """The share of W₁ that it explains."""

    @property
    def weights(self) -> NDArray[Any]:
        """All entries of its weight matrices."""

    @property
    def points(self) -> NDArray[Any]:
        """The data."""


def value_surfaces(
    side: NDArray[Any],
    surfaces: Mapping[tuple[str, float | None], Surfaced],
    norms: Mapping[float | None, Sequence[Sequence[float]]],
    clip: float,
    names: Mapping[str, str],
) -> Figure:
    """Draw the level sets of critics, the norms of their gradients by layer, and their weights."""
    figure, axes = row(3, rows=3, height=9.6)
    for k, rule in enumerate((clip, None)):
        for ax, (data, name) in zip(axes[3 * k : 3 * k + 3], names.items(), strict=True):
            found = surfaces[data, rule]
            shown = found.points[:500]
            ax.contourf(side, side, found.values, levels=14, cmap="viridis", alpha=0.45)
            ax.contour(side, side, found.values, levels=14, colors=INK, linewidths=0.5)
            ax.scatter(shown[:, 0], shown[:, 1], s=3, color=ORANGE, linewidths=0)
            ax.set_aspect("equal")
            ax.set_title(
                f"{name}, {_rule(rule)}:\n{100 * found.explained:.0f} % of W₁ explained", fontsize=10
            )
    by_layer, *histograms = axes[6:]
    for (rule, seeds), color in zip(norms.items(), (GREEN, SKY, BLUE, ORANGE), strict=True):
        for k, sizes in enumerate(seeds):
            layers = range(1, len(sizes) + 1)
            label = None if k else _rule(rule)
            by_layer.plot(layers, sizes, ".-", color=color, label=label, linewidth=1)
    by_layer.set(
        xlabel="layer",
        xticks=range(2, 13, 2),
        yscale="log",
        title="Norm of the gradient in a layer's output,\n12 layers, Swiss roll",
    )
    by_layer.legend(frameon=False, fontsize=8)
    for ax, rule in zip(histograms, (clip, None), strict=True):
        weights = surfaces["swissroll", rule].weights
        ax.hist(weights, bins=61, color=BLUE if rule else GREEN)
        ax.set(
            xlabel="weight",
            ylabel="how many",
            yscale="log",
            title=f"Weights of 3 layers, Swiss roll,\n{_rule(rule)}",
        )
    return figure


def _rule(rule: float | None) -> str:
    return "gradient penalty" if rule is None else f"clip {rule:g}"


def architectures(samples: Mapping[tuple[str, str], tuple[NDArray[Any], Mapping[str, Any]]]) -> Figure:
    """Draw samples of every generator by every system, a row for each generator."""
    kinds, systems = (list(dict.fromkeys(key[k] for key in samples)) for k in (0, 1))
    figure, axes = row(len(systems), rows=len(kinds), height=1.15 * len(kinds))
    for ax, ((kind, system), (images, found)) in zip(axes, samples.items(), strict=True):
        ax.imshow(image_grid(images, across=8, gap=4), interpolation="nearest")
        ax.set_axis_off()
        ax.set_title(f"{kind}, {system}: {found['classifier_frechet']:.0f}")
    return figure


def random_architectures(reached: Mapping[str, Sequence[float]]) -> Figure:
    """Draw how many architectures get below each W₁, and two systems against each other, a point an architecture."""
    figure, (steps, scatter) = row(2, width=8.4, height=3.8)
    finite = [value for found in reached.values() for value in found if math.isfinite(value)]
    low, high = 0.8 * min(finite), 1.2 * max(finite)
    for (system, found), color in zip(reached.items(), (ORANGE, BLUE, GREEN), strict=True):
        steps.ecdf(np.minimum(found, high), color=color, label=system)
    steps.set(
        xlabel="exact W₁ after training",
        xscale="log",
        xlim=(low, high),
        ylabel="share of the architectures below it",
        title="What each system reaches",
    )
    steps.legend(frameon=False)
    scatter.plot([low, high], [low, high], color=INK, linewidth=0.8, linestyle=":")
    scatter.plot(
        np.minimum(reached["gan"], high), np.minimum(reached["wgan-gp"], high), "o", color=INK, markersize=4
    )
    scatter.set(
        xlabel="W₁ by gan",
        ylabel="W₁ by wgan-gp",
        xscale="log",
        yscale="log",
        xlim=(low, 1.05 * high),
        ylim=(low, 1.05 * high),
        title="Below the line wgan-gp is better",
    )
    return figure
