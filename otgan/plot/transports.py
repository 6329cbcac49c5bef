"""A transport plan as a figure: two sets, and the heaviest arcs between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from otgan.measure import Measure
from otgan.options import check_seed, whole_number
from otgan.plot.arcs import heaviest
from otgan.plot.samples import in_the_plane, on_the_line
from otgan.plot.style import on_paper

if TYPE_CHECKING:
    from otgan.result import Transport

__all__ = ["drawn"]


@dataclass(frozen=True)
class _Sets:
    names: tuple[str, str]
    x: Measure
    y: Measure

    @property
    def d(self) -> int:
        """The dimension of the samples."""
        return int(self.x.points.shape[2])


@on_paper
def drawn(
    solved: Transport, x: Measure, y: Measure, names: tuple[str, str], arcs: int, points: int, seed: int
) -> Figure:
    """Return the figure of a plan: at most so many points of each set, and arcs between them."""
    arcs = whole_number(arcs, "arcs", "a whole number >= 0", least=0)
    points = whole_number(points, "points", "a whole number >= 1")
    seed = check_seed(seed)
    sets = _Sets(names, x.detached(), y.detached())
    figure = Figure(figsize=(6.6, 5.2), layout="constrained")
    plan = heaviest(solved, sets.x, y.points.shape[1], arcs, np.random.default_rng([seed, 0]))
    (on_the_line if sets.d == 1 else in_the_plane)(figure.add_subplot(), sets, plan, points, seed)
    return figure
