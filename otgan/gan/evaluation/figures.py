"""Pictures of a model: its samples, its reconstructions, and the course of its numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import imsave
from numpy.typing import NDArray

from otgan.gan.files import write_whole
from otgan.gan.model import Model

__all__ = [
    "curves",
    "draw",
    "image_grid",
    "reconstruction_picture",
    "sample_picture",
    "traversal_picture",
]

_SHOWN = 2000
"""Points of a picture."""
_TILES = 64
"""Images of a grid."""
_PAIRED = 32
"""Images above their reconstructions."""
_IMAGES = 4
"""Dimensions of a set of images, (n, C, H, W); points have fewer."""
_COLORS = 3
"""Channels of an image in color."""


def draw(model: Model, real: NDArray[Any], place: Callable[[str, int], Path]) -> None:
    """Draw the samples of a model, and of a system with an encoder its reconstructions and traversals.

    Parameters
    ----------
    model : Model
    real : ndarray, shape (n, d), or (n, C, H, W) for images
        Held-out samples.
    place : callable
        Where a picture of a kind and a step belongs.
    """
    images, step = real.ndim == _IMAGES, model.step
    sample_picture(place("samples", step), model.sample(_TILES if images else _SHOWN, seed=0), real)
    if model.system.encoding is not None:
        shown = real[: _PAIRED if images else _SHOWN]
        reconstruction_picture(place("reconstructions", step), shown, model.reconstruct(shown))
        traversal_picture(place("traversals", step), model.traverse(real[0]), real)


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
    if samples.ndim == _IMAGES:
        pixels = image_grid(samples[:_TILES])
        write_whole(path, lambda file: imsave(file, pixels, format="png"))
        return
    figure = Figure(figsize=(4, 4), dpi=100)
    axes = figure.add_axes((0.1, 0.07, 0.88, 0.91))  # a layout engine would double the time of a picture
    for points, color, label in ((real, "0.6", "data"), (samples, "tab:red", "samples")):
        if points is None:
            continue
        shown = _in_plane(points[:_SHOWN])
        axes.scatter(shown[:, 0], shown[:, 1], s=2, color=color, label=label, linewidths=0)
    axes.set_aspect("equal", adjustable="datalim")
    axes.legend(loc="upper right", markerscale=4)
    _write(figure, path)


def reconstruction_picture(path: Path, real: NDArray[Any], decoded: NDArray[Any]) -> None:
    """Draw samples and what became of them: rows of images, each above its reconstructions; or points joined by lines.

    Parameters
    ----------
    path : Path
        The PNG to write.
    real, decoded : ndarray, shape (n, d), or (n, C, H, W) for images
    """
    if real.ndim == _IMAGES:
        across = min(8, len(real))
        rows = len(real) // across
        pairs = np.stack(
            [part[: rows * across].reshape(rows, across, *real.shape[1:]) for part in (real, decoded)], 1
        )
        pixels = image_grid(pairs.reshape(-1, *real.shape[1:]), across)
        write_whole(path, lambda file: imsave(file, pixels, format="png"))
        return
    figure = Figure(figsize=(4, 4), dpi=100)
    axes = figure.add_axes((0.1, 0.07, 0.88, 0.91))  # a layout engine would double the time of a picture
    ends = np.stack([_in_plane(real), _in_plane(decoded)], 1)
    axes.add_collection(LineCollection(list(ends), colors="0.8", linewidths=0.5))
    for points, color, label in ((ends[:, 0], "0.6", "data"), (ends[:, 1], "tab:red", "reconstructions")):
        axes.scatter(points[:, 0], points[:, 1], s=2, color=color, label=label, linewidths=0)
    axes.set_aspect("equal", adjustable="datalim")
    axes.legend(loc="upper right", markerscale=4)
    _write(figure, path)


def traversal_picture(path: Path, decoded: NDArray[Any], real: NDArray[Any]) -> None:
    """Draw what is decoded while one coordinate of a code moves: a row of images, or a curve, for each coordinate.

    Parameters
    ----------
    path : Path
        The PNG to write.
    decoded : ndarray, shape (k, m, d), or (k, m, C, H, W) for images
        At m places of each of k coordinates.
    real : ndarray, shape (n, d), or (n, C, H, W) for images
        The data, which are drawn beneath the curves.
    """
    if real.ndim == _IMAGES:
        pixels = image_grid(decoded.reshape(-1, *real.shape[1:]), decoded.shape[1])
        write_whole(path, lambda file: imsave(file, pixels, format="png"))
        return
    figure = Figure(figsize=(4, 4), dpi=100)
    axes = figure.add_axes((0.1, 0.07, 0.88, 0.91))  # a layout engine would double the time of a picture
    beneath = _in_plane(real[:_SHOWN])
    axes.scatter(beneath[:, 0], beneath[:, 1], s=2, color="0.6", label="data", linewidths=0)
    for k, curve in enumerate(decoded):
        axes.plot(*_in_plane(curve).T, ".-", label=f"z{k + 1}", linewidth=1)
    axes.set_aspect("equal", adjustable="datalim")
    axes.legend(loc="upper right")
    _write(figure, path)


def image_grid(images: NDArray[Any], across: int | None = None) -> NDArray[np.uint8]:
    """Arrange images of shape (n, C, H, W), pixels in [0, 1], to one of shape (rows · H, across · W, 3)."""
    n, channels, height, width = images.shape
    across = across or math.ceil(math.sqrt(n))
    rows = math.ceil(n / across)
    padded = np.zeros((rows * across, _COLORS, height, width))
    padded[:n] = images if channels == _COLORS else images[:, :1]
    grid = padded.reshape(rows, across, _COLORS, height, width).transpose(0, 3, 1, 4, 2)
    return (255 * grid.clip(0, 1)).round().astype(np.uint8).reshape(rows * height, across * width, _COLORS)


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


def _in_plane(points: NDArray[Any]) -> NDArray[Any]:
    """Return the first two coordinates of points, 0 where there is no second one."""
    return points[:, :2] if points.shape[1] > 1 else np.column_stack([points, np.zeros(len(points))])


def _write(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    write_whole(path, lambda file: figure.savefig(file, format="png"))
