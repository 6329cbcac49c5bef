"""The border of the figures of reports: what is to be drawn is one, or an error says so.

Apart from the drawing, which a report asks for itself: reports and their figures do not import one another.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from otgan.mistakes import WrongKindError
from otgan.options import shown
from otgan.plot.reports import drawn
from otgan.report import Report

__all__ = ["report"]


def report(
    found: Report,
    *,
    arcs: int = 150,
    points: int = 2000,
    seed: int = 0,
    images: tuple[int, int, int] | None = None,
) -> Figure:
    """Draw two sets of samples, the heaviest arcs of the plan between them, and their distances as bars.

    Sets on the line are drawn as histograms that face each other, sets in more than two dimensions by the first two
    principal axes of both together.

    Parameters
    ----------
    found : otgan.Report
    arcs : int
        How many arcs of the plan to draw at most.
    points : int
        How many points of each set to draw at most.
    seed : int
        Which of more points, and of arcs of equal mass, are drawn.
    images : tuple of int, optional
        The shape (C, H, W) of samples that are images: some are drawn as thumbnails where they lie.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If it is no report, or a number is no whole number in its range.

    See Also
    --------
    otgan.compare : Several distances at once, in a report.

    Examples
    --------
    >>> import otgan
    >>> report = otgan.compare([0.0, 1.0], [4.0, 5.0], metrics="emd", test=None)
    >>> otgan.plot.report(report, arcs=10).axes[0].get_xlabel()
    'value'
    """
    if not isinstance(found, Report):
        raise WrongKindError(f"found must be a report made by otgan.compare, got {shown(found)}")
    return drawn(found, arcs, points, seed, images)
