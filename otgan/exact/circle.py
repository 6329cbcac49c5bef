"""Exact transport on a circle, by sorting and one search.

Mass is matched in its order around the circle, the only question being by how much the order of one side is shifted against that
of the other. The cost is a convex function of the shift, for every convex function of the way (Delon, Salomon & Sobolevskii
2010), and for finitely many points linear in between its finitely many corners, at one of which it is least.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from otgan.deadline import NEVER, Deadline
from otgan.exact.endings import OutOfTimeError
from otgan.exact.network.masses import whole_masses
from otgan.exact.sparse_plan import Floats, SparsePlan
from otgan.rounding import UNIT

__all__ = ["solve_circle"]

Ints = NDArray[np.int64]

_TINIEST = 1e-290
"""Sums whose last digits leave the range."""


def solve_circle(
    x: Floats, y: Floats, a: Floats, b: Floats, p: float, period: float, deadline: Deadline = NEVER
) -> SparsePlan:
    """Couple two weighted sets on a circle at the cost of the shorter way to the power p >= 1.

    Parameters
    ----------
    x, y : ndarray, shapes (n,) and (m,)
        Numbers of which only the place in the period counts.
    a, b : ndarray, shapes (n,) and (m,)
        Positive weights, each of total 1.
    p, period : float
    deadline : Deadline

    Returns
    -------
    SparsePlan
        At most n + m − 1 arcs, and potentials: a mean of those to either side of the best shift, in such shares that they
        come back to where they began once around. Its slack bounds what rounding leaves between them and the costs.

    Raises
    ------
    OutOfTimeError
        After the deadline.
    """
    places = [_centered(x, period), _centered(y, period)]
    orders = [np.argsort(side, kind="stable") for side in places]
    masses = whole_masses(a[orders[0]], b[orders[1]])
    sides = [side[order] for side, order in zip(places, orders, strict=True)]
    circle = _Circle(sides[0], sides[1], np.cumsum(masses[0]), np.cumsum(masses[1]), p, period)
    shift = circle.best(deadline)
    i, j, mass = circle.arcs(shift)
    f, g = np.empty(len(x)), np.empty(len(y))
    f[orders[0]], g[orders[1]], slack = circle.potentials(shift)
    return SparsePlan(orders[0][i], orders[1][j], mass, f, g, "circle", slack=slack)


def _centered(numbers: Floats, period: float) -> Floats:
    """The places of numbers, in [−period/2, period/2], without rounding."""
    rest = np.fmod(numbers, period)
    return np.where(2 * rest > period, rest - period, np.where(2 * rest < -period, rest + period, rest))


@dataclass(frozen=True)
class _Steps:
    """By how much costs change from each point of a side to the next, and how large costs are that they are differences of."""

    change: Floats
    size: float

    def mixed(self, other: _Steps, share: float) -> _Steps:
        """A share of these steps and the rest of others."""
        return _Steps(
            share * self.change + (1 - share) * other.change, share * self.size + (1 - share) * other.size
        )


@dataclass(frozen=True)
class _Circle:
    """Two sorted sets of places, and the cumulated masses of either, of one total.

    Places are counted on beyond the period: a number of turns is kept beside them.
    """

    x: Floats
    y: Floats
    up_to_x: Ints
    up_to_y: Ints
    p: float
    period: float

    @property
    def total(self) -> int:
        return int(self.up_to_x[-1])

    def best(self, deadline: Deadline) -> int:
        """The shift of least cost: the mass of y that is before what the first mass of x goes to."""
        low, high = -2 * self.total, 2 * self.total
        while high - low > 1:
            if deadline.passed:
                raise OutOfTimeError
            middle = (low + high) // 2
            if self.along_y(middle, before=True).change.sum() >= 0:
                high = middle
            else:
                low = middle
        return high

    def along_y(self, shift: int, *, before: bool) -> _Steps:
        """The steps of y, once around, seen from what x sends right before each place of y, or right after.

        The difference matters where x goes on to its next point there too. The sum is the slope of the cost as a function of
        the shift, on its right or on its left.
        """
        turns, rest = divmod(shift, self.total)
        # Places of x in (0, total], and how often y has been around there.
        place = self.up_to_y - rest
        early = place <= 0
        place = np.where(early, place + self.total, place)
        i = np.searchsorted(self.up_to_x, place, side="left" if before else "right")
        ahead = i // len(self.x) - turns - early
        i %= len(self.x)
        j = np.arange(len(self.y))
        there = (j + 1) % len(j)
        return _steps(self._cost(i, there, ahead - (there == 0)), self._cost(i, j, ahead))

    def along_x(self, shift: int, *, after: bool) -> _Steps:
        """The same of x, seen from what y receives right after each place of x, or right before."""
        turns, rest = divmod(shift, self.total)
        place = self.up_to_x + rest
        late = place > self.total if not after else place >= self.total
        place = np.where(late, place - self.total, place)
        j = np.searchsorted(self.up_to_y, place, side="right" if after else "left")
        ahead = -turns - late.astype(np.int64)
        i = np.arange(len(self.x))
        there = (i + 1) % len(i)
        return _steps(self._cost(there, j, ahead + (there == 0)), self._cost(i, j, ahead))

    def arcs(self, shift: int) -> tuple[Ints, Ints, Floats]:
        """The arcs of a shift, and their masses of a total of 1."""
        rest = shift % self.total
        place = self.up_to_y - rest
        place = np.where(place <= 0, place + self.total, place)
        ends = np.unique(np.concatenate([self.up_to_x, place]))
        mass = np.diff(ends, prepend=0)
        i = np.searchsorted(self.up_to_x, ends)
        there = ends + rest
        j = np.searchsorted(self.up_to_y, np.where(there > self.total, there - self.total, there))
        return i, j, mass / self.total

    def potentials(self, shift: int) -> tuple[Floats, Floats, float]:
        """Potentials of both sides, and by how much rounding may let them exceed costs."""
        right, left = self.along_y(shift, before=True), self.along_y(shift, before=False)
        up, down = float(right.change.sum()), float(left.change.sum())
        share = -down / (up - down) if up > down else 0.5
        share = min(max(share, 0.0), 1.0)
        beside = self.along_x(shift, after=True), self.along_x(shift, after=False)
        sides = [here.mixed(there, share) for here, there in (beside, (right, left))]
        f, g = (np.concatenate([[0.0], _cumulated(side.change)[:-1]]) for side in sides)
        i, j, _ = self.arcs(shift)
        nearest = min(float(self._cost(i[:1], j[:1], turns)[0]) for turns in (-1, 0, 1))
        g += nearest - (f[i[0]] + g[j[0]])
        # Every step is off by roundings of the costs it is the difference of, and the last may not meet the first.
        size = sides[0].size + sides[1].size
        largest = float(np.abs(f).max() + np.abs(g).max())
        open_end = abs(share * up + (1 - share) * down)
        return f, g, (3 * self.p + 4) * UNIT * (size + largest) + open_end

    def _cost(self, i: Ints, j: Ints, turns: Ints | int) -> Floats:
        """Costs of ways from yⱼ to xᵢ, so many turns farther on, each to its full relative accuracy."""
        x, y, half = self.x[i], self.y[j], 0.5 * self.period
        # What is left to the end of the period, on either side, is exact or not small.
        forth = (half + x) + (half - y) + (turns - 1) * self.period
        back = (half - x) + (half + y) - (turns + 1) * self.period
        return np.where(turns > 0, forth, np.where(turns < 0, back, np.abs(x - y))) ** self.p


def _steps(there: Floats, here: Floats) -> _Steps:
    return _Steps(there - here, float(there.sum() + here.sum()))


def _cumulated(steps: Floats) -> Floats:
    """Cumulated sums, each rounded about once: those of multiples of a unit, which are exact, and of what these leave."""
    total = float(np.abs(steps).sum())
    if total < _TINIEST:
        return np.cumsum(steps)
    unit = 2.0 ** (np.frexp(total)[1] - 51)
    coarse = np.rint(steps / unit) * unit
    found: Floats = np.cumsum(coarse) + np.cumsum(steps - coarse)
    return found
