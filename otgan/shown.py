"""A solved problem as a picture, as notebooks show it, and as plain numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otgan.form import to_plain
from otgan.fragments import picture, table
from otgan.fragments import text as escaped
from otgan.measure import Measure
from otgan.mistakes import WrongValueError
from otgan.restored import Restored

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from otgan.result import Transport

__all__ = ["dict_of", "figure_of", "html_of"]


def figure_of(solved: Transport, names: tuple[str, str], arcs: int, points: int, seed: int) -> Figure:
    """Return the figure of a plan.

    Raises
    ------
    ValueError
        If there are no points to draw, or there is a batch of them.
    """
    from otgan.plot.transports import drawn

    return drawn(solved, *_sets_of(solved), names, arcs, points, seed)


def html_of(solved: Transport) -> str:
    """Return what a result is, and a picture where there are points to draw."""
    words = f"<p>{escaped(repr(solved))}</p>"
    if solved._form.batched:
        return f"<div>{words}</div>"
    rows = [
        ("value" if solved.epsilon is None else "value, with its regularizer", f"{float(solved.value):.6g}"),
        ("cost of the plan", f"{float(solved.value_linear):.6g}"),
        ("the exact cost is between", f"{float(solved.lower):.6g} and {float(solved.upper):.6g}"),
        ("error of the marginals", f"{float(solved.marginal_error):.2g}"),
    ]
    try:
        figure = figure_of(solved, ("x", "y"), 150, 2000, 0)
    except WrongValueError:  # there are no points
        return f"<div>{words}{table(rows)}</div>"
    drawn = picture(figure, "the two sets, and the heaviest arcs of the plan between them")
    return f"<div>{words}{table(rows)}{drawn}</div>"


def dict_of(solved: Transport) -> dict[str, Any]:
    """Return everything but the points and the plan, as plain numbers and lists."""
    names = [
        "value",
        "value_linear",
        "distance",
        "p",
        "cost",
        "epsilon",
        "lower",
        "upper",
        "marginal_error",
        "iterations",
        "converged",
        "f",
        "g",
    ]
    plain = {name: to_plain(getattr(solved, name)) for name in names}
    status = [str(s) for s in solved.status] if isinstance(solved.status, tuple) else str(solved.status)
    return {**plain, "status": status, "backend": solved.backend, "mass": to_plain(solved.mass)}


def _sets_of(solved: Transport) -> tuple[Measure, Measure]:
    """Return the two sets of one problem between points."""
    coupling = solved._coupling
    if solved._form.batched:
        raise WrongValueError("a plot is of one problem, got a batch: solve one of them alone")
    if coupling.entire is not coupling:
        raise WrongValueError(
            "a plot is of the points of one process, got a solution of which a group has the rows: solve some of them alone"
        )
    if not isinstance(coupling, Restored) or not coupling.form.cost.embedded:
        raise WrongValueError(f"a plot needs points, which cost={solved.cost!r} does not tell")
    return coupling.form.x.whole, coupling.form.y.whole
