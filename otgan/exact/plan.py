"""Exact problems, solved, as a coupling: plans held as arcs."""

from __future__ import annotations

import itertools
import math
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from otgan.costs import Cost
from otgan.coupling import Solved, center
from otgan.exact.assignment import potentials
from otgan.exact.bounds import Problem, interval
from otgan.exact.sparse_plan import Floats, SparsePlan
from otgan.geometry import make_geometry
from otgan.measure import Measure
from otgan.pair import Pair

__all__ = ["ExactPlan", "weights_given"]

_VISIBLE = 1e9
"""Value, relative to what underflow may hide, from which on that does not matter."""


class ExactPlan(Solved):
    """Optimal plans held as arcs. The solvers work on the CPU in float64; results live where the points do."""

    epsilon = None

    def __init__(self, pair: Pair, cost: Cost, arcs: list[SparsePlan]) -> None:
        self.pair, self.cost, self.p, self.arcs = pair, cost, cost.p, arcs
        self.a, self.b = pair.x.weights.detach(), pair.y.weights.detach()
        self.backend = arcs[0].solver
        self.iterations = torch.zeros(len(arcs), dtype=torch.int64, device=self.a.device)
        self.rounding = torch.zeros_like(self.a[:, 0])
        self._x, self._y = pair.x.points.detach().double(), pair.y.points.detach().double()

    @cached_property
    def _indices(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """SparsePlan of all problems in one list: problem, i, j, mass."""
        device = self.a.device
        problem = np.repeat(np.arange(len(self.arcs)), [len(arc.i) for arc in self.arcs])
        columns = (
            problem,
            np.concatenate([arc.i for arc in self.arcs]),
            np.concatenate([arc.j for arc in self.arcs]),
        )
        k, i, j = (torch.as_tensor(column, dtype=torch.int64, device=device) for column in columns)
        mass = torch.as_tensor(np.concatenate([arc.mass for arc in self.arcs]), device=device)
        return k, i, j, mass

    @cached_property
    def _ends(self) -> tuple[Tensor, Tensor]:
        """The points x and y of every arc."""
        k, i, j, _ = self._indices
        return self._x[k, i], self._y[k, j]

    @cached_property
    def value(self) -> Tensor:  # type: ignore[override]
        """⟨P, C⟩ summed over the arcs, correctly rounded but for the costs."""
        _, _, _, mass = self._indices
        terms = mass * self.cost.entries(*self._ends)
        parts = terms.numpy(force=True)
        ends = np.cumsum([0, *(len(arc.i) for arc in self.arcs)])
        sums = [math.fsum(parts[start:end]) for start, end in itertools.pairwise(ends)]
        return torch.tensor(sums, dtype=torch.float64, device=self.a.device)

    @cached_property
    def lost(self) -> Tensor:
        """Which problems have differences, beside far larger ones, whose costs underflow and are the whole value."""
        k, _, _, _ = self._indices
        gone = self.cost.vanishes(*self._ends)
        count = torch.zeros_like(self.value).index_add_(0, k, gone.double())
        return (count > 0) & (self.value < _VISIBLE * self.cost.underflow(self._x.shape[2]))

    def linear_cost(self) -> Tensor:
        """⟨P, C⟩, shape (B,)."""
        return self.value

    @cached_property
    def _potentials(self) -> tuple[Tensor, Tensor]:
        f, g = torch.zeros_like(self.a), torch.zeros_like(self.b)
        for k, arc in enumerate(self.arcs):
            if arc.f is None or arc.g is None:
                n = len(arc.i)
                x, y = self._x[k : k + 1, :n], self._y[k : k + 1, :n]
                pair = potentials(self.cost.block(x, y, exact=True)[0].numpy(force=True), arc.j)
            else:
                pair = arc.f, arc.g
            for side, values in zip((f, g), pair, strict=True):
                side[k, : len(values)] = torch.as_tensor(values, device=side.device)
        return center(f, g, self.a, self.b)

    @property
    def f(self) -> Tensor:  # type: ignore[override]
        """Potential of x."""
        return self._potentials[0]

    @property
    def g(self) -> Tensor:  # type: ignore[override]
        """Potential of y."""
        return self._potentials[1]

    @cached_property
    def error(self) -> Tensor:  # type: ignore[override]
        """L1 error of the arcs' marginals."""
        k, i, j, mass = self._indices
        row_sums = torch.zeros_like(self.a).index_put_((k, i), mass, accumulate=True)
        column_sums = torch.zeros_like(self.b).index_put_((k, j), mass, accumulate=True)
        return (row_sums - self.a).abs().sum(1) + (column_sums - self.b).abs().sum(1)

    def plan(self) -> Tensor:
        """P of shape (B, n, m)."""
        k, i, j, mass = self._indices
        plan = torch.zeros(*self.a.shape, self.b.shape[1], dtype=torch.float64, device=self.a.device)
        return plan.index_put_((k, i, j), mass, accumulate=True)

    def apply(self, v: Tensor, axis: int) -> Tensor:
        """P v for axis 1, Pᵀ v for axis 0, over the arcs."""
        k, i, j, mass = self._indices
        target, source = (i, j) if axis == 1 else (j, i)
        size = self.a.shape[1] if axis == 1 else self.b.shape[1]
        out = torch.zeros(len(self.arcs), size, v.shape[2], dtype=v.dtype, device=v.device)
        return out.index_put_((k, target), mass[:, None] * v[k, source], accumulate=True)

    def barycenters(self) -> Tensor:
        """Mean of the points y that each point x is sent to; NaN where x has no weight."""
        ones = torch.ones_like(self.b)[..., None]
        return self.apply(self._y, 1) / self.apply(ones, 1)

    def bounds(self) -> tuple[Tensor, Tensor]:
        """The dual value below and the value of the plan above, moved outward by what rounding may have changed."""
        found = [self.interval(k) for k in range(len(self.arcs))]
        both = torch.tensor(found, dtype=torch.float64, device=self.a.device)
        return both[:, 0], both[:, 1]

    def interval(self, k: int) -> tuple[float, float]:
        """Certified bounds of the exact cost of one problem."""
        sizes = [self.a.shape[1], self.b.shape[1]]
        for side, measure in enumerate((self.pair.x, self.pair.y)):
            sizes[side] = sizes[side] if measure.sizes is None else measure.sizes[k]
        n, m = sizes
        given = [
            weights_given(measure, k, size)
            for measure, size in zip((self.pair.x, self.pair.y), sizes, strict=True)
        ]
        problem = Problem(
            self._x[k, :n].cpu(),
            self._y[k, :m].cpu(),
            self.a[k, :n].numpy(force=True),
            self.b[k, :m].numpy(force=True),
            (given[0], given[1]),
            self.cost,
        )
        return interval(
            problem, self.arcs[k], self.f[k, :n].numpy(force=True), self.g[k, :m].numpy(force=True)
        )

    def extended(
        self, points: Tensor, others: Tensor, potential: Tensor, weights: Tensor, *, of_x: bool
    ) -> Tensor:
        """The largest potential that is feasible at new points: the least C − h over the other side."""
        sides = (points, others) if of_x else (others, points)
        between = make_geometry("streamed", *sides, self.cost, direct=True)
        return between.c_transform(potential.masked_fill(weights == 0, -torch.inf), 1 if of_x else 0)

    def point_gradients(self) -> tuple[Tensor, Tensor]:
        """Gradients of the value in x and y over the arcs; a coincident pair pulls with no force."""
        k, i, j, mass = self._indices
        of_x, of_y = self.cost.entry_gradients(*self._ends, mass)
        in_x = torch.zeros_like(self._x).index_put_((k, i), of_x, accumulate=True)
        in_y = torch.zeros_like(self._y).index_put_((k, j), of_y, accumulate=True)
        return in_x, in_y


def weights_given(side: Measure, k: int, n: int) -> Floats | None:
    """The weights of a problem as they were given, None where all are equal."""
    return None if side.given is None else side.given[k % len(side.given), :n].numpy(force=True)
