"""Exact problems, one or a batch: the choice of solver and the solution as a coupling."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from otgan.cost import cost_matrix
from otgan.coupling import Coupling, center
from otgan.exact.arcs import Arcs
from otgan.exact.assignment import potentials, solve_assignment
from otgan.exact.certified import solve_certified, sparse_simplex_available
from otgan.exact.line import solve_line
from otgan.exact.simplex import SimplexError, solve_simplex
from otgan.measure import Pair
from otgan.memory import describe, free_memory

__all__ = ["EXACT_BACKENDS", "ExactCoupling", "solve_exact"]

EXACT_BACKENDS = ("line", "assignment", "simplex", "certified")

_ASSIGNMENT = 256
"""Points up to which the assignment solver is faster than the network simplex."""

_CERTIFIED = 1000**2
"""Costs from which on the certified solver is faster than the network simplex on all of them (`benchmarks/exact`)."""

_WIDE = 64
"""Dimension beyond which the certified solver, whose every pass forms the costs anew, needs larger sets to be faster."""

_DEGENERATE = 2
"""Up to this dimension p = 1 has many nearly optimal plans, and proofs that take more rounds than the simplex does."""

_COPIES = 6
"""Matrices of the size of the costs that the exact solvers hold at once, at most."""


class ExactCoupling(Coupling):
    """Optimal plans held as arcs. The solvers work on the CPU in float64; results live where the points do."""

    epsilon = None

    def __init__(self, pair: Pair, p: float, arcs: list[Arcs]) -> None:
        self.pair, self.p, self.arcs = pair, p, arcs
        self.a, self.b = pair.x.weights.detach(), pair.y.weights.detach()
        self.backend = arcs[0].solver
        self.iterations = torch.zeros(len(arcs), dtype=torch.int64, device=self.a.device)
        self._x, self._y = pair.x.points.detach().double(), pair.y.points.detach().double()

    @cached_property
    def _indices(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Arcs of all problems in one list: problem, i, j, mass."""
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
    def _difference(self) -> Tensor:
        k, i, j, _ = self._indices
        return self._x[k, i] - self._y[k, j]

    @cached_property
    def value(self) -> Tensor:  # type: ignore[override]
        """⟨P, C⟩ summed over the arcs."""
        k, _, _, mass = self._indices
        cost = torch.linalg.vector_norm(self._difference, dim=1) ** self.p
        return torch.zeros_like(self.a[:, 0]).index_add_(0, k, mass * cost)

    def linear_cost(self) -> Tensor:
        """⟨P, C⟩, shape (B,)."""
        return self.value

    @cached_property
    def _potentials(self) -> tuple[Tensor, Tensor]:
        f, g = torch.zeros_like(self.a), torch.zeros_like(self.b)
        for k, arc in enumerate(self.arcs):
            if arc.f is None or arc.g is None:
                cost = cost_matrix(self._x[k : k + 1], self._y[k : k + 1], self.p, exact=True)[0].numpy(
                    force=True
                )
                pair = potentials(cost[: len(arc.i), : len(arc.j)], arc.j)
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
        """The dual value below and the value of the plan above; the gap between them is rounding."""
        dual = (self.a * self.f).sum(1) + (self.b * self.g).sum(1)
        return torch.minimum(dual, self.value), self.value

    def pull(self) -> tuple[Tensor, Tensor]:
        """Gradients of the value in x and y over the arcs; a coincident pair pulls with no force."""
        k, i, j, mass = self._indices
        distance = torch.linalg.vector_norm(self._difference, dim=1)
        force = torch.where(distance > 0, self.p * distance.clamp_min(1e-300) ** (self.p - 2), 0.0)
        pull = (mass * force)[:, None] * self._difference
        in_x = torch.zeros_like(self._x).index_put_((k, i), pull, accumulate=True)
        in_y = torch.zeros_like(self._y).index_put_((k, j), -pull, accumulate=True)
        return in_x, in_y


def solve_exact(pair: Pair, p: float, *, backend: str = "auto", max_iter: int | None = None) -> ExactCoupling:
    """Solve every problem of a pair exactly, each by the solver that suits it.

    Points on the line are sorted; small sets of equally many points of equal weight are assigned; others go to the
    network simplex, on all costs where they are few, and on those that a proof shows to be enough where they are many.

    Raises
    ------
    OverflowError
        If the costs leave the range of floating-point numbers.
    MemoryError
        If the costs do not fit; it says how much they need and what would fit.
    SimplexError
        If the network simplex ends without an optimum, or the certified solver without a proof.
    """
    x, y = (side.points.detach().double().cpu() for side in (pair.x, pair.y))
    a, b = (side.weights.detach().cpu().contiguous().numpy() for side in (pair.x, pair.y))
    batch = x.shape[0]
    sizes_x, sizes_y = pair.x.sizes or (x.shape[1],) * batch, pair.y.sizes or (y.shape[1],) * batch
    arcs = []
    for k in range(batch):
        n, m = sizes_x[k], sizes_y[k]
        uniform = n == m and not pair.x.weighted and not pair.y.weighted
        solver = _choose(backend, n, m, x.shape[2], p, uniform)
        weights = a[k, :n], b[k, :m]
        _check_range(x[k, :n], y[k, :m], p)
        if solver == "line":
            arcs.append(solve_line(x[k, :n, 0].numpy(), y[k, :m, 0].numpy(), *weights, p))
            continue
        if solver == "certified":
            try:
                arcs.append(solve_certified(x[k, :n], y[k, :m], *weights, p))
                continue
            except SimplexError:
                if backend != "auto" or not _fits(n, m):
                    raise
        _check_memory(n, m)
        cost = cost_matrix(x[k : k + 1, :n], y[k : k + 1, :m], p, exact=True)[0].numpy()
        if solver == "assignment":
            arcs.append(solve_assignment(cost))
        else:
            arcs.append(solve_simplex(cost, *weights, max_iter=max_iter))
    return ExactCoupling(pair, p, arcs)


def _choose(backend: str, n: int, m: int, d: int, p: float, uniform: bool) -> str:
    if backend == "auto":
        if d == 1:
            return "line"
        if uniform and n <= _ASSIGNMENT:
            return "assignment"
        many = n * m >= _CERTIFIED * max(1, d / _WIDE) and (p > 1 or d > _DEGENERATE)
        return "certified" if (many or not _fits(n, m)) and sparse_simplex_available() else "simplex"
    if backend == "line" and d != 1:
        raise ValueError(f"backend 'line' sorts points on the line (d = 1), got d = {d}: use 'simplex'")
    if backend == "assignment" and not uniform:
        raise ValueError("backend 'assignment' needs n = m and no weights: use 'simplex'")
    if backend == "certified" and not sparse_simplex_available():
        raise ImportError("backend 'certified' needs POT 0.9.7 or later: pip install -U pot")
    return backend


def _check_range(x: Tensor, y: Tensor, p: float) -> None:
    """Raise where costs could overflow, or all of them vanish though points differ."""
    low, high = torch.minimum(x.amin(0), y.amin(0)), torch.maximum(x.amax(0), y.amax(0))
    # Halves, because a difference may overflow too.
    spread = 2 * float((high / 2 - low / 2).amax()) * math.sqrt(x.shape[1])
    power = max(p, 2)  # the distances come from their squares
    if spread > 0 and not 1e-280 ** (1 / power) < spread < 1e290 ** (1 / power):
        raise OverflowError(
            f"points up to {spread:.1e} apart have costs ‖x − y‖^{p:g} beyond the range of float64: divide the "
            "samples by a length of their own order first (otgan.emd does so by itself)"
        )


def _fits(n: int, m: int) -> bool:
    return _COPIES * 8 * n * m <= free_memory(torch.device("cpu"))


def _check_memory(n: int, m: int) -> None:
    if not _fits(n, m):
        need, free = _COPIES * 8 * n * m, free_memory(torch.device("cpu"))
        raise MemoryError(
            f"an exact solve of {n} x {m} points on all costs needs about {describe(need)}, and {describe(free)} are "
            "free: use backend='auto', take fewer samples, or give epsilon (or blur), whose streamed solver needs "
            "O(n + m) memory and whose bounds enclose the exact cost"
        )
