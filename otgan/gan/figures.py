"""Pictures of a run: its samples, and the course of its numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from numpy.typing import NDArray

from otgan.gan.folder import write_whole

__all__ = ["curves", "image_grid", "sample_picture"]

_SHOWN = 2000


def sample_picture(path: Path, samples: NDArray[Any], real: NDArray[Any] | None = None) -> None:
    """Draw samples: a grid of images, or the first two coordinates of points over those of the data.

    Parameters
    ----------
    path : Path
        The PNG to write.
    samples : ndarray, shape (n, d), or (n, C, H, W) for images
    real : ndarray, shape (n, d), optional
        Points of the data.
    """
    if samples.ndim == 4:
        pixels = image_grid(samples[:64])
        write_whole(path, lambda file: imsave(file, pixels, format="png"))
        return
    figure = Figure(figsize=(4, 4), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    for points, color, label in ((real, "0.6", "data"), (samples, "tab:red", "samples")):
        if points is None:
            continue
        shown = points[:_SHOWN]
        height = shown[:, 1] if shown.shape[1] > 1 else np.zeros(len(shown))
        axes.scatter(shown[:, 0], height, s=2, color=color, label=label, linewidths=0)
    axes.set_aspect("equal", adjustable="datalim")
    axes.legend(loc="upper right", markerscale=4)
    _write(figure, path)


def image_grid(images: NDArray[Any], across: int | None = None) -> NDArray[np.uint8]:
    """Arrange images of shape (n, C, H, W), pixels in [0, 1], to one of shape (rows · H, across · W, 3)."""
    n, channels, height, width = images.shape
    across = across or math.ceil(math.sqrt(n))
    rows = math.ceil(n / across)
    padded = np.zeros((rows * across, 3, height, width))
    padded[:n] = images if channels == 3 else images[:, :1]
    grid = padded.reshape(rows, across, 3, height, width).transpose(0, 3, 1, 4, 2)
    return (255 * grid.clip(0, 1)).round().astype(np.uint8).reshape(rows * height, across * width, 3)


def curves(path: Path, history: list[dict[str, Any]], estimate: str | None) -> None:
    """Draw the losses over the steps, and above them the distance to held-out data beside its floor."""
    judged = [(row["step"], row["evaluation"]) for row in history if "evaluation" in row]
    logged = [row for row in history if "evaluation" not in row]
    terms = [name for name in (logged[-1] if logged else {}) if name not in {"step", "seconds"}]
    figure = Figure(figsize=(7, 2 + 2 * len(terms)), dpi=100, layout="constrained")
    panels = figure.subplots(1 + len(terms), sharex=True, squeeze=False)[:, 0]
    for name, style in (("em", "o-"), ("em_floor", "--")):
        panels[0].plot([step for step, _ in judged], [found[name] for _, found in judged], style, label=name)
    panels[0].set_ylabel("exact EM")
    panels[0].set_ylim(bottom=0)
    panels[0].legend()
    for axes, name in zip(panels[1:], terms, strict=True):
        rows = [row for row in logged if name in row]
        axes.plot([row["step"] for row in rows], [row[name] for row in rows], linewidth=0.8)
        axes.set_ylabel(f"{name} (median)" if name == estimate else name)
    panels[-1].set_xlabel("generator updates")
    _write(figure, path)


def _write(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    write_whole(path, lambda file: figure.savefig(file, format="png"))
