"""A matrix of distances as a figure: a heat map in the order of a tree, and the sets as points in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.cluster.hierarchy import dendrogram, leaves_list, linkage
from scipy.spatial.distance import squareform

from otgan.mistakes import WrongValueError
from otgan.options import WrongKindError, shown
from otgan.plain import plain
from otgan.plot.palette import BLUE, INK, readable_on
from otgan.plot.style import on_paper

__all__ = ["pairwise"]

_CELLS = 12
"""Sets up to which each cell shows its number."""

_ACROSS = 2
"""Letters of a name that stand beside one another below a cell: longer names stand upright."""

_FEWEST = 2
"""Sets of which there is a picture."""


@on_paper
def pairwise(matrix: Any, names: Sequence[str] | None = None) -> Figure:
    """Draw the distances between all pairs of sets: as a heat map in the order of a tree, and the sets in the plane.

    Parameters
    ----------
    matrix : array-like of shape (k, k), or DataFrame
        As :func:`otgan.pairwise` returns it. What is not symmetric is drawn by the mean of both ways.
    names : sequence of str, optional
        What the sets are called; the index of a DataFrame by default.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If it is no square matrix of finite numbers, or there are other than k names.

    See Also
    --------
    otgan.pairwise : The distances between all pairs of several sets.
    otgan.pairwise_tests : A test of every pair.

    Examples
    --------
    >>> from otgan import plot
    >>> figure = plot.pairwise([[0.0, 1.0], [1.0, 0.0]], names=["a", "b"])
    >>> figure.axes[1].get_xticklabels()[0].get_text()
    'a'
    """
    values, labels = _checked(matrix, names)
    figure = Figure(figsize=(11, 5.2), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 1), height_ratios=(1, 5))
    tree = linkage(squareform(values, checks=False), "average")
    top = figure.add_subplot(grid[0, 0])
    dendrogram(tree, ax=top, no_labels=True, color_threshold=0, above_threshold_color=INK)
    order = leaves_list(tree)
    low, high = float(tree[0, 2]), float(tree[-1, 2])
    span = high - low or high or 1.0
    top.set_ylim(low - 0.25 * span, high + 0.05 * span)  # how far down the leaves go decides nothing
    top.set_axis_off()
    top.set_title("Near sets together (average linkage)", loc="left", fontsize=10)
    heat = figure.add_subplot(grid[1, 0])
    image = _heat(heat, values[np.ix_(order, order)], [labels[k] for k in order])
    figure.colorbar(image, ax=[top, heat], label="distance", shrink=0.8)  # beside both, which so stay aligned
    _places(figure.add_subplot(grid[:, 1]), values, labels)
    return figure


def _checked(matrix: Any, names: Sequence[str] | None) -> tuple[NDArray[np.float64], list[str]]:
    """Return a matrix of distances and what its rows are called."""
    if names is None and hasattr(matrix, "index") and hasattr(matrix, "to_numpy"):
        names = [str(name) for name in matrix.index]
    try:
        values = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError):
        raise WrongKindError(
            f"matrix must hold the distances between sets, (k, k), got {shown(matrix)}"
        ) from None
    k = len(values) if values.ndim else 0
    if values.shape != (k, k) or k < _FEWEST:
        raise WrongValueError(f"matrix must be square, of two sets or more, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise WrongValueError("matrix must be finite: draw sets apart of which a distance is infinite")
    labels = list(map(str, range(k))) if names is None else [str(name) for name in names]
    if len(labels) != k:
        raise WrongValueError(f"names must be {k}, one of each set, got {len(labels)}")
    # What is not symmetric, as KL, is drawn by the mean of both ways; a set is at no distance from itself.
    values = (values + values.T) / 2
    np.fill_diagonal(values, 0.0)
    return values.clip(min=0), [plain(label).replace("$", r"\$") for label in labels]


def _heat(ax: Any, values: NDArray[np.float64], labels: list[str]) -> Any:
    image = ax.imshow(values, cmap="viridis_r", vmin=0, aspect="auto")
    ticks = range(len(labels)) if len(labels) <= 4 * _CELLS else []
    ax.set_xticks(ticks, [labels[k] for k in ticks], rotation=90 if max(map(len, labels)) > _ACROSS else 0)
    ax.set_yticks(ticks, [labels[k] for k in ticks])
    if len(labels) <= _CELLS:
        for (row, column), value in np.ndenumerate(values):
            ax.text(
                column,
                row,
                f"{value:.2g}",
                ha="center",
                va="center",
                fontsize=7,
                color=readable_on(to_hex(image.cmap(image.norm(value)))),
            )
    return image


def _places(ax: Any, values: NDArray[np.float64], labels: list[str]) -> None:
    """Draw points in the plane whose distances are those of the sets, as nearly as classical scaling has them."""
    k = len(values)
    center = np.eye(k) - 1 / k
    weights, vectors = np.linalg.eigh(-0.5 * center @ values**2 @ center)
    largest = np.argsort(weights)[::-1][:2]
    where = vectors[:, largest] * np.sqrt(weights[largest].clip(min=0))
    share = weights[largest].clip(min=0).sum() / max(weights.clip(min=0).sum(), np.finfo(float).tiny)
    ax.scatter(where[:, 0], where[:, 1], s=18, color=BLUE)
    for name, point in zip(labels, where, strict=True):
        ax.annotate(name, point, xytext=(4, 3), textcoords="offset points", fontsize=9)
    ax.margins(x=0.15)  # names stand to the right of their points
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_title(
        f"The sets in the plane (classical scaling, {100 * share:.0f} % of the squares)",
        loc="left",
        fontsize=10,
    )
    ax.set(xlabel="first axis, in units of the distance", ylabel="second axis, in units of the distance")
    ax.spines[["top", "right"]].set_visible(False)
