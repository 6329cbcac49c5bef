"""Pictures of a model: its samples, its reconstructions, and the course of its numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from otgan.gan.evaluation.measures import MEASURES
from otgan.gan.files import write_whole
from otgan.gan.model import Model
from otgan.plot.palette import BLUE, GRAY, INK, ORANGE
from otgan.plot.style import on_paper

__all__ = [
    "curves",
    "curves_figure",
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
_EACH, _CLASSES = 8, 16
"""Images of a class in a row, and rows of a grid, at most."""
_SIDE = 112
"""Pixels, at least, that an image of a grid is high."""
_BETWEEN, _GRAY = 4, 96
"""Pixels between two images of a grid, and their gray."""
_GAP, _HEAD = 24, 32
"""Pixels between two grids, and above them for their titles."""
_DPI = 100
_PAIRED = 32
"""Images above their reconstructions."""
_IMAGES = 4
"""Dimensions of a set of images, (n, C, H, W); points have fewer."""
_COLORS = 3
"""Channels of an image in color."""


def draw(
    model: Model,
    real: NDArray[Any],
    place: Callable[[str, int], Path],
    label: NDArray[np.int64] | None = None,
) -> None:
    """Draw the samples of a model, and of a system with an encoder its reconstructions and traversals.

    Images of a conditional model stand in a row for each class, of up to sixteen classes.

    Parameters
    ----------
    model : Model
    real : ndarray, shape (n, d), or (n, C, H, W) for images
        Held-out samples.
    place : callable
        Where a picture of a kind and a step belongs.
    label : ndarray, shape (n,), optional
        The classes of the held-out samples.
    """
    images, step = real.ndim == _IMAGES, model.step
    if images and model.classes is not None and label is not None:
        rows = model.classes.present[:_CLASSES]
        made = model.sample(_EACH * len(rows), seed=0, label=model.named(np.repeat(rows, _EACH)))
        sample_picture(place("samples", step), made, _by_class(real, label, rows), _EACH)
    else:
        sample_picture(place("samples", step), model.sample(_TILES if images else _SHOWN, seed=0), real)
    if model.system.encoding is not None:
        told = None if model.classes is None else model.named(label)
        shown = real[: _PAIRED if images else _SHOWN]
        decoded = model.reconstruct(shown, label=told and told[: len(shown)])
        reconstruction_picture(place("reconstructions", step), shown, decoded)
        traversal_picture(place("traversals", step), model.traverse(real[0], label=told and told[0]), real)


def _by_class(real: NDArray[Any], label: NDArray[np.int64], rows: Sequence[int]) -> NDArray[Any]:
    """Return the first images of each class, so many of each, black where there are no more."""
    found = np.zeros((len(rows), _EACH, *real.shape[1:]), real.dtype)
    for k, row in enumerate(rows):
        own = real[label == row][:_EACH]
        found[k, : len(own)] = own
    return found.reshape(-1, *real.shape[1:])


@on_paper
def sample_picture(
    path: Path, samples: NDArray[Any], real: NDArray[Any] | None = None, across: int | None = None
) -> None:
    """Draw samples beside data: grids of images, or the first two coordinates of points on the same axes.

    Parameters
    ----------
    path : Path
        The PNG to write.
    samples : ndarray, shape (n, d), or (n, C, H, W) for images
    real : ndarray of the same kind, optional
        Held-out data.
    across : int, optional
        Images in a row: where it is given, all are shown, else 64 of each.
    """
    parts = {"samples": samples} | ({} if real is None else {"held-out data": real})
    if samples.ndim == _IMAGES:
        _write(
            _grids(
                {
                    title: image_grid(images if across else images[:_TILES], across, gap=_BETWEEN)
                    for title, images in parts.items()
                }
            ),
            path,
        )
        return
    figure = Figure(figsize=(4.2 * len(parts), 4.4), dpi=_DPI)
    colors = {"samples": ORANGE, "held-out data": INK}
    for k, (title, points) in enumerate(parts.items()):
        # A layout engine would double the time of a picture.
        axes = figure.add_axes(((k + 0.17) / len(parts), 0.11, 0.79 / len(parts), 0.82))
        shown = _in_plane(points[:_SHOWN])
        axes.scatter(shown[:, 0], shown[:, 1], s=3, color=colors[title], linewidths=0)
        outside = 0.0 if real is None else _frame(axes, _in_plane(real[:_SHOWN]), shown)
        axes.set_title(title if outside == 0 else f"{title}, {outside:.0%} of them outside")
        _name_axes(axes)
    _write(figure, path)


def _grids(grids: dict[str, NDArray[np.uint8]]) -> Figure:
    """Grids of images side by side, each pixel of one many of the figure's, with a title above each."""
    heights, widths = zip(*(grid.shape[:2] for grid in grids.values()), strict=True)
    whole = sum(widths) + _GAP * (len(grids) - 1), max(heights) + _HEAD
    figure, left = Figure(figsize=(whole[0] / _DPI, whole[1] / _DPI), dpi=_DPI), 0
    for (title, grid), height, width in zip(grids.items(), heights, widths, strict=True):
        place = (left / whole[0], 1 - (_HEAD + height) / whole[1], width / whole[0], height / whole[1])
        axes = figure.add_axes(place)
        axes.imshow(grid, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        axes.set_title(title)
        left += width + _GAP
    return figure


def _name_axes(axes: Any) -> None:
    axes.set_xlabel("first coordinate")
    axes.set_ylabel("second coordinate")


def _frame(axes: Any, real: NDArray[Any], points: NDArray[Any]) -> float:
    """Show where the data are, and a margin around; return the share of points outside, which would make the data a dot."""
    low, high = real.min(0), real.max(0)
    center, spread = (low + high) / 2, float((high - low).max())
    # One point, or points that axes cannot tell apart, get axes all the same.
    reach = 0.6 * (spread if spread > 1e-9 * float(np.abs(center).max()) else 1.0)
    axes.set_xlim(center[0] - reach, center[0] + reach)
    axes.set_ylim(center[1] - reach, center[1] + reach)
    return float((np.abs(points - center) > reach).any(1).mean())


@on_paper
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
        grid = image_grid(pairs.reshape(-1, *real.shape[1:]), across)
        _write(_grids({"held-out data, each above its reconstruction": grid}), path)
        return
    figure = Figure(figsize=(4.4, 4.4), dpi=_DPI)
    axes = figure.add_axes((0.14, 0.1, 0.84, 0.88))  # a layout engine would double the time of a picture
    _name_axes(axes)
    ends = np.stack([_in_plane(real), _in_plane(decoded)], 1)
    axes.add_collection(LineCollection(list(ends), colors="0.8", linewidths=0.5))
    for points, color, label in ((ends[:, 0], GRAY, "data"), (ends[:, 1], ORANGE, "reconstructions")):
        axes.scatter(points[:, 0], points[:, 1], s=2, color=color, label=label, linewidths=0)
    axes.set_aspect("equal", adjustable="datalim")
    axes.legend(loc="upper right", markerscale=4)
    _write(figure, path)


@on_paper
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
        grid = image_grid(decoded.reshape(-1, *real.shape[1:]), decoded.shape[1])
        _write(_grids({"a row for each coordinate of a code, which crosses the prior": grid}), path)
        return
    figure = Figure(figsize=(4.4, 4.4), dpi=_DPI)
    axes = figure.add_axes((0.14, 0.1, 0.84, 0.88))  # a layout engine would double the time of a picture
    _name_axes(axes)
    beneath = _in_plane(real[:_SHOWN])
    axes.scatter(beneath[:, 0], beneath[:, 1], s=2, color=GRAY, label="data", linewidths=0)
    for k, curve in enumerate(decoded):
        axes.plot(*_in_plane(curve).T, ".-", label=f"z{k + 1}", linewidth=1)
    axes.set_aspect("equal", adjustable="datalim")
    axes.legend(loc="upper right")
    _write(figure, path)


def image_grid(images: NDArray[Any], across: int | None = None, gap: int = 0) -> NDArray[np.uint8]:
    """Arrange images of shape (n, C, H, W), pixels in [0, 1], in rows: an array (height, width, 3), small images enlarged.

    Below and to the right of each are so many gray pixels.
    """
    n, channels, height, width = images.shape
    across = across or math.ceil(math.sqrt(n))
    rows, times = math.ceil(n / across), math.ceil(_SIDE / height)
    padded = np.zeros((rows * across, _COLORS, height, width))
    padded[:n] = images if channels == _COLORS else images[:, :1]
    pixels = (255 * padded.clip(0, 1)).round().astype(np.uint8).repeat(times, 2).repeat(times, 3)
    pixels = np.pad(pixels, ((0, 0), (0, 0), (0, gap), (0, gap)), constant_values=_GRAY)
    tiles = pixels.reshape(rows, across, _COLORS, *pixels.shape[2:]).transpose(0, 3, 1, 4, 2)
    return tiles.reshape(rows * pixels.shape[2], across * pixels.shape[3], _COLORS)


def curves(path: Path, history: list[dict[str, Any]], estimate: str | None) -> None:
    """Draw the course of a run: what its evaluations found, each beside its floor, and below it the terms of its steps."""
    _write(curves_figure(history, estimate), path)


@on_paper
def curves_figure(history: list[dict[str, Any]], estimate: str | None) -> Figure:
    """Return the figure of :func:`curves`."""
    judged: list[tuple[int, dict[str, Any]]] = [
        (row["step"], row["evaluation"]) for row in history if "evaluation" in row
    ]
    logged = [row for row in history if "evaluation" not in row]
    measures = [
        each
        for each in MEASURES
        if each.drawn and (each.name == "em" or (judged and each.name in judged[-1][1]))
    ]
    apart = {"step", "seconds", *(each.name for each in measures)}
    terms = list(dict.fromkeys(name for row in logged for name in row if name not in apart))
    count = len(measures) + len(terms)
    figure = Figure(figsize=(7, 1 + 2 * count), dpi=_DPI)
    # A layout engine would double the time of a picture.
    figure.subplots_adjust(left=0.14, right=0.97, top=1 - 0.3 / (1 + 2 * count), bottom=0.6 / (1 + 2 * count))
    panels = figure.subplots(count, sharex=True, squeeze=False)[:, 0]
    for axes, each in zip(panels, measures, strict=False):
        for key, style, color, label in (
            (each.name, "o-", BLUE, "samples"),
            (f"{each.name}_floor", "--", ORANGE, "real data (floor)"),
        ):
            points = [(step, found[key]) for step, found in judged if key in found]
            axes.plot(
                [step for step, _ in points], [value for _, value in points], style, color=color, label=label
            )
        axes.set_ylabel(each.short)
        axes.set_ylim(bottom=0)
    panels[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderaxespad=0.2)
    for axes, name in zip(panels[len(measures) :], terms, strict=True):
        rows = [row for row in logged if name in row]
        axes.plot([row["step"] for row in rows], [row[name] for row in rows], linewidth=0.8)
        axes.set_ylabel(f"{name} (median)" if name == estimate else name)
    panels[-1].set_xlabel("generator updates")
    figure.align_ylabels(panels)
    return figure


def _in_plane(points: NDArray[Any]) -> NDArray[Any]:
    """Return the first two coordinates of points, 0 where there is no second one."""
    return points[:, :2] if points.shape[1] > 1 else np.column_stack([points, np.zeros(len(points))])


def _write(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    quick = {"compress_level": 1}
    write_whole(path, lambda file: figure.savefig(file, format="png", pil_kwargs=quick))
