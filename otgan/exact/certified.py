"""Exact transport between many points: a linear program over few arcs, and a proof that the others are not needed.

Of n·m arcs an optimal plan uses n + m − 1. Approximate potentials tell which arcs may be among them; the network
simplex solves the problem restricted to those; its potentials, checked against *all* arcs in one streamed pass,
either prove the restricted optimum optimal, or name the arcs that are missing (column generation; Dantzig & Wolfe
1960, and for transport Schmitzer 2016). Memory is O(n + m), and the result is as exact as that of a solver that
sees every arc: its certificate is the same duality gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otgan.costs import Cost
from otgan.costs.tiles import tiles_of
from otgan.deadline import NEVER, Deadline
from otgan.exact.endings import OutOfTimeError, SimplexError
from otgan.exact.network.masses import whole_masses
from otgan.exact.network.network import Network
from otgan.exact.potentials import approximate_potentials
from otgan.exact.sparse_plan import Floats, SparsePlan, lasting

__all__ = ["solve_certified"]

Ints = NDArray[np.int64]

_NEAREST = 16
"""Arcs of least reduced cost that every point contributes to the first restricted problem."""

_GAP = 1e-12
"""Duality gap, relative to the mean cost, that ends the search: rounding alone leaves about a tenth of it."""

_ROUNDING = 1e-11
"""Duality gap, relative to the mean cost, that is taken for rounding where no arc is missing."""

_RELATIVE = 1e-6
"""Duality gap, relative to the cost itself, beyond which the proof says too little: the cost is next to nothing."""

_VIOLATION = 1e-14
"""Reduced cost, relative to the mean cost, that makes an arc a missing one."""

_ROUNDS, _CROWD = 40, 100
"""Restricted problems, and arcs a point, after which the search is given up."""

_REMEDY = "use backend='simplex', or give epsilon for bounds of the exact cost"

_ROUGH_TILE = 2**18
"""Costs in float32 that are looked at together."""

_TILE = 2**20
"""Costs that are looked at together."""


@dataclass(frozen=True)
class _Problem:
    """A problem scaled to mean cost 1, all weights positive: points as float64 tensors, weights as arrays."""

    x: Tensor
    y: Tensor
    a: Floats
    b: Floats
    cost: Cost

    def costs(self, i: Ints, j: Ints) -> Floats:
        """Costs of single arcs, to full accuracy."""
        return self.cost.entries(self.x[torch.from_numpy(i)], self.y[torch.from_numpy(j)]).numpy()

    def tiles(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield (rows, costs of those rows), float64."""
        origin = self.x.new_zeros(1, 1, self.x.shape[1])  # the points of a norm are centered
        for rows in tiles_of(len(self.x), len(self.y), _TILE):
            yield rows, self.cost.block(self.x[None, rows], self.y[None], exact=True, origin=origin)[0]


def solve_certified(
    x: Floats,
    y: Floats,
    a: Floats,
    b: Floats,
    cost: Cost,
    deadline: Deadline = NEVER,
) -> SparsePlan:
    """Solve min ⟨P, C⟩ over plans with marginals a and b, without a cost matrix.

    Parameters
    ----------
    x, y : ndarray, shapes (n, d) and (m, d)
    a, b : ndarray, shapes (n,) and (m,)
        Weights, each of total 1.
    cost : Cost
    deadline : Deadline

    Returns
    -------
    SparsePlan
        With potentials that are feasible for all n·m arcs.

    Raises
    ------
    OutOfTimeError
        If the deadline passes first.
    SimplexError
        If a restricted problem is not solved, if arcs are still missing after many rounds, or if the proof says too
        little. The network simplex on all costs is the way then.
    """
    rows, columns = a.nonzero()[0], b.nonzero()[0]
    heavy_a, heavy_b = a[rows], b[columns]
    unit = float(cost.mean(x[None, rows], y[None, columns], heavy_a[None], heavy_b[None])[0]) or 1.0
    scaled, *points = cost.rescaled(x, y, unit)
    new_x, new_y = (torch.from_numpy(np.ascontiguousarray(side)) for side in points)
    some_x, some_y = new_x[torch.from_numpy(rows)], new_y[torch.from_numpy(columns)]
    inner = _Problem(some_x, some_y, heavy_a, heavy_b, scaled)
    i, j, mass, f, g = _generate(inner, deadline)
    if len(rows) < len(a) or len(columns) < len(b):
        f, g = _extend(_Problem(new_x, new_y, a, b, scaled), columns, g)
    return SparsePlan(rows[i], columns[j], mass, unit * f, unit * g, "certified")


def _extend(problem: _Problem, columns: Ints, g: Floats) -> tuple[Floats, Floats]:
    """Potentials of all points, those of weight 0 included, from g on the columns: two c-transforms."""
    only = torch.full((len(problem.y),), -torch.inf, dtype=torch.float64)
    only[torch.from_numpy(columns)] = torch.from_numpy(g)
    f = torch.cat([(cost - only).amin(1) for _, cost in problem.tiles()])
    full = torch.full_like(only, torch.inf)
    for rows, cost in problem.tiles():
        full = torch.minimum(full, (cost - f[rows, None]).amin(0))
    return f.numpy(), full.numpy()


def _generate(problem: _Problem, deadline: Deadline) -> tuple[Ints, Ints, Floats, Floats, Floats]:
    """Solve restricted problems until no arc is missing; return arcs, masses, and feasible potentials."""
    n, m = len(problem.a), len(problem.b)
    start = approximate_potentials(problem.x, problem.y, problem.a, problem.b, problem.cost, deadline)
    arcs = _nearest(problem, *start)
    f, g = (potential.double().numpy() for potential in start)
    penalty, network = 0.0, Network(*whole_masses(problem.a, problem.b))
    for _ in range(_ROUNDS):
        if deadline.passed:
            raise OutOfTimeError
        i, j = arcs // m, arcs % m
        cost = problem.costs(i, j)
        # Costs above the potentials at hand are small numbers, which the simplex handles more accurately.
        reduced = cost - f[i] - g[j]
        penalty = penalty or 4 * float(np.abs(reduced).max()) or 1.0
        flow, missing, u, v = _restricted(network, i, j, reduced, problem.a, problem.b, penalty, deadline)
        g = g + v
        f, violated = _price(problem, f + u, g)
        used = flow > 0
        value = float(flow[used] @ cost[used])
        gap = value - float(problem.a @ f + problem.b @ g)
        if missing == 0 and gap <= _GAP:
            break
        known, arcs = len(arcs), np.union1d(arcs, violated)
        if len(arcs) == known and missing == 0:
            break
        penalty = 16 * penalty if len(arcs) == known else penalty
        if len(arcs) > _CROWD * (n + m):
            raise SimplexError(f"{len(arcs) / (n + m):.0f} arcs a point prove no optimum; {_REMEDY}")
    else:
        raise SimplexError(f"{_ROUNDS} restricted problems prove no optimum; {_REMEDY}")
    unspent = np.abs(np.bincount(i[used], flow[used], n) - problem.a).sum()
    unspent += np.abs(np.bincount(j[used], flow[used], m) - problem.b).sum()
    if not (abs(gap) <= _ROUNDING and unspent <= _ROUNDING):
        raise SimplexError(
            f"the restricted problem ended with a duality gap of {gap:.1e} of the mean cost and a marginal error "
            f"of {unspent:.1e}; the weights may span more orders of magnitude than the network simplex resolves"
        )
    if gap > _RELATIVE * value > 0:
        raise SimplexError(
            f"the cost, {value:.1e} of the mean cost, is proved to {gap:.1e} of the mean cost only; {_REMEDY}"
        )
    return i[used], j[used], flow[used], f, g


def _nearest(problem: _Problem, f: Tensor, g: Tensor) -> Ints:
    """Arcs of least reduced cost of every point of either side, as sorted codes i·m + j."""
    m = len(g)
    codes = []
    best: tuple[Tensor, Tensor] | None = None
    for rows, cost in problem.cost.rough_tiles(problem.x, problem.y, _ROUGH_TILE):
        reduced = cost - g
        k = min(_NEAREST, m)
        j = reduced.topk(k, 1, largest=False, sorted=False).indices
        i = torch.arange(rows.start, rows.start + len(cost))
        codes.append((i[:, None] * m + j).flatten())
        column = (cost - f[rows, None]).T.contiguous()
        value, index = column.topk(min(_NEAREST, len(cost)), 1, largest=False, sorted=False)
        index = index + rows.start
        if best is not None:
            value, index = torch.cat([best[0], value], 1), torch.cat([best[1], index], 1)
            value, chosen = value.topk(min(_NEAREST, value.shape[1]), 1, largest=False, sorted=False)
            index = index.gather(1, chosen)
        best = value, index
    assert best is not None
    codes.append((best[1] * m + torch.arange(m)[:, None]).flatten())
    return torch.cat(codes).unique().numpy()


def _restricted(
    network: Network, i: Ints, j: Ints, cost: Floats, a: Floats, b: Floats, penalty: float, deadline: Deadline
) -> tuple[Floats, float, Floats, Floats]:
    """Solve the problem restricted to the arcs (i, j); return flows, mass that found no arc, and potentials.

    What the arcs cannot carry goes another way, at a penalty, so that there is always a solution whose potentials say
    which arcs are missing. The network starts from the tree of the round before.
    """
    network.solve_sparse(i, j, cost, penalty, deadline)
    rows, columns, mass = network.flow
    keep = lasting(rows, columns, mass, a, b)
    m, flow = len(b), np.zeros(len(i))
    flow[np.searchsorted(i * m + j, rows[keep] * m + columns[keep])] = mass[keep]
    u, v = network.potentials
    missing = network.missing
    return flow, missing if missing > _ROUNDING else 0.0, u, v


def _price(problem: _Problem, u: Floats, v: Floats) -> tuple[Floats, Ints]:
    """Make u feasible beside v, over all arcs, and return it with the arcs that violated the most."""
    m = len(v)
    left, right = torch.from_numpy(u), torch.from_numpy(v)
    lower, codes = [], []
    for rows, cost in problem.tiles():
        reduced = cost - right
        least = reduced.amin(1)
        lower.append(least)
        hit = (least < left[rows] - _VIOLATION).nonzero()[:, 0]
        if not len(hit):
            continue
        some = reduced[hit] - left[rows][hit, None]
        # Not only what violates: the next round's potentials will have moved.
        j = some.topk(min(_NEAREST, m), 1, largest=False, sorted=False).indices
        codes.append(((hit + rows.start)[:, None] * m + j).flatten())
    violated = torch.cat(codes) if codes else torch.empty(0, dtype=torch.int64)
    return torch.cat(lower).numpy(), violated.numpy()
