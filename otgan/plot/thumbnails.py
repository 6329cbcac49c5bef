"""Samples that are images, drawn as small pictures where they lie."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from numpy.typing import NDArray

from otgan.mistakes import WrongKindError, WrongValueError
from otgan.options import shown, whole_number

__all__ = ["Shape", "check_images", "thumbnails"]

Shape = tuple[int, int, int]

_ACROSS = 13
"""Pictures of both sets beside each other across the axes, at most."""

_SIDE = 21.0
"""Points of paper along the longer side of a picture."""

_COLORS = 3
"""Channels of a colored image."""

_SIZES = 3
"""Of an image: channels, height, width."""


def check_images(images: Shape | None, d: int) -> Shape | None:
    """Return the shape of images of d values, or raise."""
    if images is None:
        return None
    expected = f"the shape (C, H, W) of an image of 1 or 3 channels and {d} values"
    if not isinstance(images, (tuple, list)):
        raise WrongKindError(f"images must be {expected}, got {shown(images)}")
    found = [whole_number(size, "images", expected) for size in images]
    if len(found) != _SIZES or found[0] not in {1, _COLORS} or math.prod(found) != d:
        raise WrongValueError(f"images must be {expected}, got {shown(images)}")
    return found[0], found[1], found[2]


def thumbnails(
    ax: Axes,
    places: list[NDArray[np.float64]],
    pixels: list[NDArray[np.float64]],
    shape: Shape,
    colors: list[str],
) -> None:
    """Draw samples nearest to the middles of the cells of a grid, none over another, of either set in turns.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    places : list of ndarray of shape (n, 2)
        Of each set.
    pixels : list of ndarray of shape (n, d)
    shape : tuple of int
        (C, H, W).
    colors : list of str
        Of the frames.
    """
    low, high = (bound([bound(each, axis=0) for each in places], axis=0) for bound in (np.min, np.max))
    cell = max(float((high - low).max()) / _ACROSS, np.finfo(float).tiny)
    black, white = (bound([bound(each) for each in pixels]) for bound in (np.min, np.max))
    if black >= 0 and white <= 1:
        black, white = 0.0, 1.0
    for which, row in _chosen([(each - low) / cell for each in places]):
        image = np.moveaxis(pixels[which][row].reshape(shape), 0, -1)
        gray = (image - black) / max(white - black, np.finfo(float).tiny)
        picture = OffsetImage(
            gray if shape[0] == _COLORS else gray[..., 0],
            zoom=_SIDE / max(shape[1:]),
            cmap="gray",
            clim=(0, 1),
        )
        frame = {"edgecolor": colors[which], "linewidth": 1.6}
        ax.add_artist(AnnotationBbox(picture, tuple(places[which][row]), pad=0.08, bboxprops=frame, zorder=4))


def _chosen(places: list[NDArray[np.float64]]) -> list[tuple[int, int]]:
    """Pick samples (set, row) that lie apart by a cell of side 1, of the sets in turns as a chessboard has it."""
    nearest: dict[tuple[int, int], dict[int, tuple[float, int]]] = {}
    for which, each in enumerate(places):
        cells = np.floor(each)
        far = abs(each - cells - 0.5).max(1)
        # The last to come is the nearest to the middle.
        for row in reversed(np.argsort(far, kind="stable").tolist()):
            i, j = map(int, cells[row])
            nearest.setdefault((i, j), {})[which] = far[row], row
    wanted = []
    for (i, j), options in nearest.items():
        which = sorted(options)[(i + j) % len(options)]
        wanted.append((*options[which], which))
    found: list[tuple[int, int]] = []
    kept = np.empty((0, 2))
    for _, row, which in sorted(wanted):
        place = places[which][row]
        if not (abs(kept - place).max(1) < 1).any():
            found.append((which, row))
            kept = np.append(kept, [place], axis=0)
    return found
