"""Exact problems, solved, as a coupling: plans held as arcs."""

from __future__ import annotations

import itertools
import math
from functools import cached_property

import numpy as np

from otgan.costs import Cost
from otgan.costs.tiles import tiles_of
from otgan.coupling import Solved, center
from otgan.exact.assignment import potentials
from otgan.exact.bounds import Problem, interval
from otgan.exact.mean import mean_cost
from otgan.exact.sparse_plan import Floats, SparsePlan
from otgan.measure import Measure
from otgan.namespace import Array, as_numpy, as_tensor, double
from otgan.pair import Pair

__all__ = ["ExactPlan", "weights_given"]

_VISIBLE = 1e9
"""Value, relative to what underflow may hide, from which on that does not matter."""

_TILE = 2**20
"""Costs that are looked at together."""

_OF_VALUE, _OF_MEAN = 1e-9, 1e-12
"""Width of a certified interval, relative to the value or to the mean cost, up to which a plan is optimal but for rounding."""

_ULPS = 2048
"""That width, in machine epsilons of the numbers costs are computed in: a function's may be of single precision."""


class ExactPlan(Solved):
    """Optimal plans held as arcs, in NumPy: the solvers work on the CPU in float64."""

    epsilon = None

    def __init__(self, pair: Pair, cost: Cost, arcs: list[SparsePlan]) -> None:
        self.pair, self.cost, self.p, self.arcs = pair, cost, cost.p, arcs
        self.a, self.b = pair.x.weights, pair.y.weights
        self.backend = arcs[0].solver
        self.iterations = np.zeros(len(arcs), dtype=np.int64)
        self.rounding = np.zeros(len(arcs))
        self._x, self._y = double(pair.x.points), double(pair.y.points)
        self._intervals: dict[int, tuple[float, float]] = {}

    @cached_property
    def _indices(self) -> tuple[Array, Array, Array, Array]:
        """The arcs of all problems in one list: problem, i, j, mass."""
        problem = np.repeat(np.arange(len(self.arcs)), [len(arc.i) for arc in self.arcs])
        i, j, mass = (
            np.concatenate([getattr(arc, name) for arc in self.arcs]) for name in ("i", "j", "mass")
        )
        return problem, i, j, mass

    @cached_property
    def _ends(self) -> tuple[Array, Array]:
        """The points x and y of every arc."""
        k, i, j, _ = self._indices
        return self._x[k, i], self._y[k, j]

    @cached_property
    def value(self) -> Array:
        """⟨P, C⟩ summed over the arcs, correctly rounded but for the costs."""
        _, _, _, mass = self._indices
        parts = mass * self.cost.entries(*self._ends)
        ends = np.cumsum([0, *(len(arc.i) for arc in self.arcs)])
        return np.array([math.fsum(parts[start:end]) for start, end in itertools.pairwise(ends)])

    @cached_property
    def lost(self) -> Array:
        """Which problems have differences, beside far larger ones, whose costs underflow and are the whole value.

        Between a measure and itself nothing is: however its points were matched, the value is 0.
        """
        small = self.value < _VISIBLE * self.cost.underflow(self._x.shape[2])
        if not small.any():
            return small
        k, _, _, _ = self._indices
        lost = small & (np.bincount(k, self.cost.vanishes(*self._ends), len(self.arcs)) > 0)
        for which in np.flatnonzero(lost).tolist():
            lost[which] = not self._is_to_itself(which)
        return lost

    @cached_property
    def unproved(self) -> Array:
        """Which plans are certified to no more than an interval that rounding does not explain.

        Assigned and sorted points are not looked at: what they are optimal to are roundings of their own costs, and potentials of
        assignments are computed where they are asked for.
        """
        found = np.zeros(len(self.arcs), dtype=bool)
        least = _VISIBLE * self.cost.underflow(self._x.shape[2])
        for k, arcs in enumerate(self.arcs):
            if arcs.optimal and arcs.f is not None and arcs.solver != "line":
                lower, upper = self.interval(k)
                if upper - lower > max(_OF_VALUE * upper, least):
                    problem = self._problem(k)
                    mean = mean_cost(problem.x, problem.y, problem.a, problem.b, self.cost)
                    found[k] = upper - lower > max(_OF_MEAN, _ULPS * self.cost.resolution) * mean
        return found

    def _is_to_itself(self, k: int) -> bool:
        """Whether x and y of a problem are the same weighted points, in any order."""
        one, other = (
            np.column_stack([p[k][w[k] > 0], w[k][w[k] > 0]])
            for p, w in ((self._x, self.a), (self._y, self.b))
        )
        return np.array_equal(one[np.lexsort(one.T)], other[np.lexsort(other.T)])

    def linear_cost(self) -> Array:
        """⟨P, C⟩, shape (B,)."""
        return self.value

    @cached_property
    def _potentials(self) -> tuple[Array, Array]:
        return center(*self._feasible, self.a, self.b)

    @cached_property
    def _feasible(self) -> tuple[Array, Array]:
        """The potentials at the level at which they are feasible but for the rounding of numbers of their size."""
        f, g = np.zeros(self.a.shape), np.zeros(self.b.shape)
        for k, arc in enumerate(self.arcs):
            if arc.f is None or arc.g is None:
                n = len(arc.i)
                x, y = self._x[k : k + 1, :n], self._y[k : k + 1, :n]
                pair = potentials(self.cost.block(x, y, exact=True)[0], arc.j)
            else:
                pair = arc.f, arc.g
            for side, values in zip((f, g), pair, strict=True):
                side[k, : len(values)] = values
        return f, g

    @property
    def f(self) -> Array:
        """Potential of x."""
        return self._potentials[0]

    @property
    def g(self) -> Array:
        """Potential of y."""
        return self._potentials[1]

    @cached_property
    def error(self) -> Array:
        """L1 error of the arcs' marginals."""
        k, i, j, mass = self._indices
        row_sums = _added(self.a.shape, (k, i), mass)
        column_sums = _added(self.b.shape, (k, j), mass)
        return np.abs(row_sums - self.a).sum(1) + np.abs(column_sums - self.b).sum(1)

    def plan(self) -> Array:
        """P of shape (B, n, m)."""
        k, i, j, mass = self._indices
        return _added((*self.a.shape, self.b.shape[1]), (k, i, j), mass)

    def sparse(self) -> list[tuple[Array, Array, Array]]:
        """Arcs (i, j, mass) of every problem, by rows."""
        orders = [np.lexsort((arc.j, arc.i)) for arc in self.arcs]
        return [
            (arc.i[order], arc.j[order], arc.mass[order])
            for arc, order in zip(self.arcs, orders, strict=True)
        ]

    def apply(self, v: Array, axis: int) -> Array:
        """P v for axis 1, Pᵀ v for axis 0, over the arcs."""
        k, i, j, mass = self._indices
        target, source = (i, j) if axis == 1 else (j, i)
        size = self.a.shape[1] if axis == 1 else self.b.shape[1]
        return _added((len(self.arcs), size, v.shape[2]), (k, target), mass[:, None] * v[k, source])

    def barycenters(self) -> Array:
        """Mean of the points y that each point x is sent to; NaN where x has no weight."""
        ones = np.ones((*self.b.shape, 1))
        with np.errstate(invalid="ignore"):
            return self.apply(self._y, 1) / self.apply(ones, 1)

    def bounds(self) -> tuple[Array, Array]:
        """The dual value below and the value of the plan above, moved outward by what rounding may have changed."""
        found = [self.interval(k) for k in range(len(self.arcs))]
        both = np.array(found)
        return both[:, 0], both[:, 1]

    def interval(self, k: int) -> tuple[float, float]:
        """Certified bounds of the exact cost of one problem."""
        if k not in self._intervals:
            problem, (f, g) = self._problem(k), self._feasible
            self._intervals[k] = interval(
                problem, self.arcs[k], f[k, : len(problem.x)], g[k, : len(problem.y)]
            )
        return self._intervals[k]

    def _problem(self, k: int) -> Problem:
        n, m = self.pair.x.lengths[k], self.pair.y.lengths[k]
        given = weights_given(self.pair.x, k, n), weights_given(self.pair.y, k, m)
        return Problem(self._x[k, :n], self._y[k, :m], self.a[k, :n], self.b[k, :m], given, self.cost)

    def extended(
        self, points: Array, others: Array, potential: Array, weights: Array, *, of_x: bool
    ) -> Array:
        """The largest potential that is feasible at new points: the least C − h over the other side."""
        level = np.where(weights == 0, -math.inf, potential)[:, None]
        found = [np.empty((len(points), 0))]
        for part in tiles_of(points.shape[1], points.shape[0] * others.shape[1], _TILE):
            sides = (points[:, part], others) if of_x else (others, points[:, part])
            cost = self.cost.block(*sides, direct=True)
            found.append(((cost if of_x else cost.mT) - level).min(2))
        return np.concatenate(found, 1)

    def point_gradients(self) -> tuple[Array, Array]:
        """Gradients of the value in x and y over the arcs; a coincident pair pulls with no force."""
        k, i, j, mass = self._indices
        # Derivatives are tensors' affair, and who asks for one has some.
        x, y = (as_tensor(side) for side in self._ends)
        of_x, of_y = map(as_numpy, self.cost.entry_gradients(x, y, as_tensor(mass)))
        return _added(self._x.shape, (k, i), of_x), _added(self._y.shape, (k, j), of_y)


def _added(shape: tuple[int, ...], index: tuple[Array, ...], values: Array) -> Array:
    """Zeros of a shape, to which values are added, some of them in one place."""
    found = np.zeros(shape)
    np.add.at(found, index, values)
    return found


def weights_given(side: Measure, k: int, n: int) -> Floats | None:
    """The weights of a problem as they were given, None where all are equal."""
    return None if side.given is None else side.given[k, :n]
