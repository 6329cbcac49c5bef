"""The figures of the papers' experiments: drawn here, measured elsewhere.

Each function takes what a program measured and writes one picture into ``docs/pictures``.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from otgan.plot.palette import BLUE, GREEN, INK, ORANGE

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"


def row(panels: int, *, height: float = 3.2, width: float = 10.0, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """Make a figure of panels side by side, in one row or several, and return its axes in reading order."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = list(figure.subplots(rows, panels, squeeze=False).flat)
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.title.set_fontsize(10)
    return figure, axes


def save(figure: Figure, name: str, folder: Path = PICTURES) -> Path:
    """Write ``folder/NAME.png`` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=100)
    # A palette makes line drawings a third as large; nothing written depends on the day or on versions.
    Image.open(drawn).convert("RGB").quantize(128).save(path, optimize=True)
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
    figure, (line, slopes, followed, alone) = row(2, rows=2, height=6.4)
    line.plot(grid, judges["saturating"].values, color=ORANGE, label="discriminator D")
    for name, color in (("clipped critic", BLUE), ("penalized critic", GREEN)):
        values = judges[name].values
        low, high = values.min(), values.max()
        line.plot(grid, (values - low) / (high - low), color=color, label=f"{name}, scaled to [0, 1]")
    line.axvline(-2, color=INK, linewidth=0.8, linestyle=":")
    line.axvline(2, color=INK, linewidth=0.8, linestyle=":")
    line.text(-2, 1.04, "real", ha="center")
    line.text(2, 1.04, "generated", ha="center")
    line.set(xlabel="x", ylim=(-0.05, 1.12), title="Trained to tell two Gaussians apart")
    line.legend(frameon=False, loc="lower left", fontsize=8)

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
    slopes.legend(frameon=False, fontsize=8)

    for ax, course, what in (
        (followed, wgan, "wgan: the critic's estimate (a multiple of W₁)"),
        (alone, gan, "gan: the discriminator's estimate of JS (nats)"),
    ):
        _course(ax, course, what)
    return figure


def _course(ax: Axes, course: Course, what: str) -> None:
    """Draw an estimate and the exact distance over the steps, each on a scale of its own."""
    (exact,) = ax.plot(course.steps, course.exact, color=INK, label="exact W₁ to held-out points")
    floor = ax.axhline(course.floor, color=INK, linewidth=0.8, linestyle=":", label="its floor, real to real")
    other = ax.twinx()
    other.spines["top"].set_visible(False)
    (estimate,) = other.plot(course.steps, course.estimate, color=ORANGE, label=what)
    other.tick_params(axis="y", colors=ORANGE)
    other.set_ylim(bottom=min(0, *course.estimate))
    ax.set(
        xlabel="generator updates",
        ylabel="W₁",
        title=f"8 Gaussians, seed 0: Spearman correlation {course.correlation:.2f}",
    )
    ax.set_ylim(bottom=0)
    ax.legend(handles=[exact, floor, estimate], frameon=False, fontsize=8, loc="upper right")
