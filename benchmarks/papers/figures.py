"""The figures of the papers' experiments: drawn here, measured elsewhere.

Each function takes what a program measured and writes one picture into ``docs/pictures``.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
    # Without the date and the version of what drew it, equal numbers give equal bytes.
    figure.savefig(path, dpi=100, metadata={"Software": None}, pil_kwargs={"optimize": True})
    return path
