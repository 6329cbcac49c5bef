"""The sheet that a chart is drawn on, and the line that says where its figures come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.record import Result
from otgan.plot.palette import INK, PAPER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["origin", "sheet"]


def sheet(width: float, height: float) -> Figure:
    """Return an empty figure on paper of its own: charts are read alike on light and on dark pages."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"text.color": INK}):
        return Figure(figsize=(width, height), layout="constrained", facecolor=PAPER)


def origin(result: Result) -> str:
    """Return when a table was measured, and on what."""
    machine = result.machine
    return f"{result.date}, {machine['cpu']}, {machine['cores']} core" + "s" * (machine["cores"] > 1)
