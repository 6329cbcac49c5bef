"""The certified interval of an exact cost: what proves it, moved outward by every rounding on the way.

Above stands the cost of a plan with exactly the marginals that were given, below the value of potentials that are
feasible for the true costs. Where rounding relative to the largest costs would blur the interval, that is where points
lie far away, masses are counted in whole numbers and potentials are taken about each cluster's own level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from otgan.costs import Cost
from otgan.exact.flows import whole_flows
from otgan.exact.sparse_plan import Floats, SparsePlan
from otgan.rounding import UNIT, CostError, sum_error, weight_error

__all__ = ["Problem", "interval"]

_BLURRED = 1e-9
"""Width of the interval, relative to its upper end, beyond which it is worth the finer analysis."""

_ENTRIES = 10**8
"""Costs up to which potentials are made feasible once more."""

_FAR = 1e3
"""Difference of two clusters' levels, relative to the largest cost that is paid, beyond which they are far apart."""

_TILE = 2**22
"""Costs that are looked at together."""


@dataclass(frozen=True)
class Problem:
    """One problem: points (n, d) and (m, d), with weights.

    Attributes
    ----------
    x, y : ndarray
    a, b : ndarray
        Normalized.
    given : tuple of ndarray or None
        The weights as they were given; None where all are equal.
    cost : Cost
    """

    x: Floats
    y: Floats
    a: Floats
    b: Floats
    given: tuple[Floats | None, Floats | None]
    cost: Cost


def interval(problem: Problem, arcs: SparsePlan, f: Floats, g: Floats) -> tuple[float, float]:
    """Return certified lower and upper bounds of the least cost.

    Parameters
    ----------
    problem : Problem
    arcs : SparsePlan
        An optimal plan, up to rounding.
    f, g : ndarray
        Optimal potentials, up to rounding.
    """
    x, y, rule = problem.x, problem.y, problem.cost
    sharp = rule.error(x[None], y[None], direct=True)
    cost = rule.entries(x[arcs.i], y[arcs.j])
    value = math.fsum(arcs.mass * cost)
    noise = sharp.relative + 8 * UNIT
    hidden = float(sharp.largest()[0])
    most = rule.majorant(x[None], y[None])
    repair = _repair(problem, arcs, most) + hidden
    upper = value * (1 + noise) + repair
    if arcs.solver == "line":
        # Sorting is optimal for every convex cost of differences: only rounding is between the plan and the optimum.
        lower = value * (1 - noise) - repair
    else:
        error = problem.cost.error(problem.x[None], problem.y[None], exact=True)
        lower = _dual(problem, f, g, error) - arcs.slack
    lower = max(lower, 0.0)  # no cost is negative
    if upper - lower <= _BLURRED * abs(upper):
        return min(lower, upper), upper
    exact = whole_flows(arcs.i, arcs.j, problem.given, (len(problem.a), len(problem.b)))
    if exact is not None:
        flow, homeless = exact
        farthest = float(rule.largest(x[None], y[None])[0])
        counted = math.fsum(flow * cost) * (1 + noise) + homeless * farthest * (1 + noise)
        counted += hidden
        if arcs.solver == "line":
            lower = max(lower, (counted - 2 * homeless * farthest) * (1 - 2 * noise) - 2 * hidden)
        upper = min(upper, counted)
    if arcs.solver != "line" and len(x) * len(y) * max(1, x.shape[1] / 4) <= _ENTRIES:
        lower = max(lower, _dual(problem, *_leveled(problem, arcs, f, g), None))
    return min(lower, upper), upper


def _dual(problem: Problem, f: Floats, g: Floats, error: CostError | None) -> float:
    """The value of potentials, less what rounding may have added; without `error` for costs from differences."""
    a, b = problem.a, problem.b
    value = math.fsum(np.concatenate([a * f, b * g]))
    size = math.fsum(np.concatenate([a * np.abs(f), b * np.abs(g)]))
    if error is None:
        error = problem.cost.error(problem.x[None], problem.y[None], direct=True)
    absolute = float(error.mean(a[None], b[None])[0])
    return (
        value - error.relative * abs(value) - absolute - (4 * UNIT + weight_error(max(len(a), len(b)))) * size
    )


def _repair(problem: Problem, arcs: SparsePlan, most: tuple[Floats, Floats]) -> float:
    """A bound of what it costs to give the arcs exactly the marginals that were asked for.

    Mass that is missing or too much at a point moves at a cost of at most its share of the largest costs, `most`.
    """
    total = 0.0
    for index, part, weights in ((arcs.i, most[0], problem.a), (arcs.j, most[1], problem.b)):
        present = np.bincount(index, arcs.mass, len(weights))
        # Masses of a point are added one by one, few as they are.
        several = int(np.bincount(index, minlength=1).max())
        rounded = (sum_error(1, sequential=several) + weight_error(len(weights))) * weights
        wrong = np.abs(present - weights) + rounded
        total += 2 * math.fsum(wrong * part[0])
    return total


def _leveled(problem: Problem, arcs: SparsePlan, f: Floats, g: Floats) -> tuple[Floats, Floats]:
    """Potentials about each cluster's own level, where numbers are small, made feasible by two c-transforms.

    What no arc connects may be shifted against each other as long as potentials stay feasible, which the transforms see
    to; a shift that was not free lowers the value, and the bound stays a bound.
    """
    from scipy.sparse import coo_matrix  # here: few plans have clusters far apart
    from scipy.sparse.csgraph import connected_components

    n, m = len(problem.a), len(problem.b)
    graph = coo_matrix((np.ones(len(arcs.i)), (arcs.i, n + arcs.j)), shape=(n + m, n + m))
    count, label = connected_components(graph, directed=False)
    shift = np.zeros(count)
    in_x = np.bincount(label[:n], problem.a, count)
    in_y = np.bincount(label[n:], problem.b, count)
    for k, (weights, values, sign) in enumerate(((problem.a, f, -0.5), (problem.b, g, 0.5))):
        sums = np.bincount(label[:n] if k == 0 else label[n:], weights * values, count)
        mass = in_x if k == 0 else in_y
        shift += sign * np.divide(sums, mass, out=np.zeros(count), where=mass > 0)
    # Levels that lie near each other are one cluster's: only what is far from all others may be shifted on its own.
    order = np.argsort(shift)
    cost = problem.cost.entries(problem.x[arcs.i], problem.y[arcs.j])
    group = np.zeros(count, dtype=np.int64)
    group[order[1:]] = np.cumsum(np.diff(shift[order]) > _FAR * float(cost.max()))
    mass = in_x + in_y
    shift = (np.bincount(group, mass * shift) / np.maximum(np.bincount(group, mass), 1e-300))[group]
    return _transform(problem.x, problem.y, g - shift[label[n:]], problem.cost)


def _transform(x: Floats, y: Floats, g: Floats, rule: Cost) -> tuple[Floats, Floats]:
    """Potentials f = min (C − g) and then g = min (C − f), of costs from differences."""
    step = max(1, _TILE // len(y))
    rows = []
    g_new = np.full_like(g, np.inf)
    for start in range(0, len(x), step):
        cost = rule.block(x[None, start : start + step], y[None], direct=True)[0]
        f = (cost - g).min(1)
        rows.append(f)
        g_new = np.minimum(g_new, (cost - f[:, None]).min(0))
    return np.concatenate(rows), g_new
