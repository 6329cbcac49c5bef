"""Answers that share nothing with otgan: rationals, HiGHS, long double, mpmath. Each proves itself before it judges.

Every oracle returns an interval, or None where it could not prove one: it is never asked for its opinion.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array

from tests.adversarial.ground import base, curved

Floats = NDArray[np.float64]
Long = NDArray[np.longdouble]
Interval = tuple[Fraction, Fraction]

EPS = float(np.finfo(np.longdouble).eps)
"""Half this is the relative rounding of one operation of long double: 1e-19 on x86, 1e-16 where it is double."""

BITS = 400
"""Relative precision of a cost that is no rational number."""


# Exact transport, in integers.


def rationals(points: Any) -> list[list[Fraction]]:
    """Points as rows of rationals, exactly."""
    array = np.asarray(points, dtype=float)
    return [[Fraction(c) for c in row] for row in array.reshape(len(array), -1).tolist()]


def shares(weights: Any, n: int) -> list[Fraction]:
    """Weights of total exactly 1, uniform for None."""
    if weights is None:
        return [Fraction(1, n)] * n
    raw = [Fraction(w) for w in np.asarray(weights, dtype=float).tolist()]
    total = sum(raw)
    return [w / total for w in raw]


def costs(x: Any, y: Any, p: float, cost: Any = "euclidean") -> tuple[list[list[int]], Fraction, int]:
    """Costs d(x, y)^p as integers C, where the true ones lie in [C, C + slack] · unit.

    Parameters
    ----------
    x, y : array-like, shapes (n, d) and (m, d)
    p : float
    cost : str or array of shape (n, m)
        A name, or the distances d themselves, which are taken for exact.

    Returns
    -------
    tuple of the integers, the unit, and the slack, 0 where all costs are rational
    """
    points = rationals(x), rationals(y)
    if isinstance(cost, str) and cost in {"cosine", "haversine"}:
        return _rounded(lambda: [[curved(cost, u, v, p) for v in points[1]] for u in points[0]])
    if isinstance(cost, str):
        pairs = [[base(cost, u, v) for v in points[1]] for u in points[0]]
        squared = pairs[0][0][1]
        bases = [[q for q, _ in row] for row in pairs]
    else:
        bases, squared = rationals(cost), False
    exponent = p / 2 if squared else p
    if exponent == int(exponent):
        powers = [[q ** int(exponent) for q in row] for row in bases]
    else:
        roots = {q: _root(q) for row in bases for q in row} if p == int(p) else {}
        if not roots or any(root is None for root in roots.values()):
            return _rounded(
                lambda: [
                    [
                        (mpmath.mpf(q.numerator) / q.denominator) ** mpmath.mpf(exponent)
                        if q
                        else mpmath.mpf(0)
                        for q in row
                    ]
                    for row in bases
                ]
            )
        powers = [[(roots[q] or Fraction(0)) ** int(p) for q in row] for row in bases]
    common = math.lcm(*{c.denominator for row in powers for c in row})
    return [[int(c * common) for c in row] for row in powers], Fraction(1, common), 0


def _root(q: Fraction) -> Fraction | None:
    """The rational square root, or None where there is none."""
    top, bottom = math.isqrt(q.numerator), math.isqrt(q.denominator)
    return Fraction(top, bottom) if top * top == q.numerator and bottom * bottom == q.denominator else None


def _rounded(values: Callable[[], list[list[mpmath.mpf]]]) -> tuple[list[list[int]], Fraction, int]:
    """Costs that are computed in whatever precision mpmath has, to a relative error of it, as integers."""
    with mpmath.workprec(2 * BITS):
        powers = values()
        positive = [c for row in powers for c in row if c > 0]
        if not positive:
            return [[0] * len(row) for row in powers], Fraction(1), 0
        # So many digits below the smallest cost, that every one of them is known to BITS binary digits.
        exponent = int(mpmath.floor(mpmath.log(min(positive), 2))) - BITS
        span = int(mpmath.floor(mpmath.log(max(positive), 2))) - exponent
    with mpmath.workprec(span + 64):
        scaled = [
            [int(mpmath.floor(mpmath.ldexp(c, -exponent))) if c else 0 for c in row] for row in values()
        ]
    # The floor lost less than 1, the power of 64 guard digits nothing that counts: [C − 1, C + 2] holds the cost.
    return (
        [[max(0, c - 1) for c in row] for row in scaled],
        (Fraction(2) ** exponent),
        3,
    )


def transport_cost(x: Any, y: Any, a: Any, b: Any, p: float, cost_of: Any = "euclidean") -> Interval:
    """Exact minimum of ⟨P, C⟩ for few points, by shortest augmenting paths in integers, proved by its dual."""
    cost, unit, slack = costs(x, y, p, cost_of)
    left, right = shares(a, len(cost)), shares(b, len(cost[0]))
    common = math.lcm(*{w.denominator for w in (*left, *right)})
    supply, demand = [int(w * common) for w in left], [int(w * common) for w in right]
    value = flow_cost(cost, supply, demand)
    low = Fraction(value, common) * unit
    return low, low + slack * unit


def _nearest_open(
    starts: list[int],
    rows: list[int],
    columns: list[int],
    reduced: Callable[[int, int], int],
    plan: dict[tuple[int, int], int],
    open_: list[int],
) -> tuple[int, dict[int, int], dict[int, int], dict[int, int], dict[int, int]]:
    """Return the nearest open column by Dijkstra's algorithm, the distances found, and where each node is reached from."""
    distance_x: dict[int, int] = dict.fromkeys(starts, 0)
    distance_y: dict[int, int] = {}
    from_y: dict[int, int] = {}
    from_x: dict[int, int] = {}
    done_x: set[int] = set()
    done_y: set[int] = set()
    while True:
        best_x = min((i for i in distance_x if i not in done_x), key=distance_x.__getitem__, default=None)
        best_y = min((j for j in distance_y if j not in done_y), key=distance_y.__getitem__, default=None)
        if best_x is not None and (best_y is None or distance_x[best_x] <= distance_y[best_y]):
            done_x.add(best_x)
            for j in columns:
                there = distance_x[best_x] + reduced(best_x, j)
                if j not in distance_y or there < distance_y[j]:
                    distance_y[j], from_x[j] = there, best_x
            continue
        assert best_y is not None
        done_y.add(best_y)
        if open_[best_y]:
            return best_y, distance_x, distance_y, from_x, from_y
        for i in rows:
            if plan.get((i, best_y)) and (i not in distance_x or distance_y[best_y] < distance_x[i]):
                distance_x[i], from_y[i] = distance_y[best_y], best_y  # a used arc has reduced cost 0


def flow_cost(cost: list[list[int]], supply: list[int], demand: list[int]) -> int:
    """Return the minimum cost of sending integer supplies to integer demands.

    Successive shortest paths with potentials (Dijkstra on reduced costs). At the end the plan is checked to be
    feasible, and its cost to be the value of the dual: an optimum by weak duality, however it was found.
    """
    n, m = len(supply), len(demand)
    rows = [i for i in range(n) if supply[i]]
    columns = [j for j in range(m) if demand[j]]
    rest, open_ = list(supply), list(demand)
    plan: dict[tuple[int, int], int] = {}
    f, g = [0] * n, [0] * m  # reduced costs C − f − g stay nonnegative
    for j in columns:
        g[j] = min(cost[i][j] for i in rows)

    def reduced(i: int, j: int) -> int:
        return cost[i][j] - f[i] - g[j]

    while any(rest):
        best_y, distance_x, distance_y, from_x, from_y = _nearest_open(
            [i for i in rows if rest[i]], rows, columns, reduced, plan, open_
        )
        reach = distance_y[best_y]
        for i in rows:
            f[i] += reach - min(reach, distance_x.get(i, reach))
        for j in columns:
            g[j] -= reach - min(reach, distance_y.get(j, reach))
        path, j = [], best_y
        while True:
            i = from_x[j]
            path.append((i, j))
            if i not in from_y:
                break
            j = from_y[i]
            path.append((i, j))
        amount = min([open_[best_y], rest[i], *(plan[arc] for arc in path[1::2])])
        for k, arc in enumerate(path):
            plan[arc] = plan.get(arc, 0) + (amount if k % 2 == 0 else -amount)
        rest[i] -= amount
        open_[best_y] -= amount
    value = sum(cost[i][j] * mass for (i, j), mass in plan.items())
    assert all(mass >= 0 for mass in plan.values())
    assert all(sum(plan.get((i, j), 0) for j in columns) == supply[i] for i in rows)
    assert all(sum(plan.get((i, j), 0) for i in rows) == demand[j] for j in columns)
    assert all(cost[i][j] >= f[i] + g[j] for i in rows for j in columns)
    assert value == sum(f[i] * supply[i] for i in rows) + sum(g[j] * demand[j] for j in columns)
    return value


def assignment_cost(x: Any, y: Any, p: float, cost_of: Any = "euclidean") -> Interval:
    """Exact cost of the best of all assignments of a few points: every permutation is tried."""
    cost, unit, slack = costs(x, y, p, cost_of)
    n = len(cost)
    best = min(sum(cost[i][s[i]] for i in range(n)) for s in itertools.permutations(range(n)))
    low = Fraction(best, n) * unit
    return low, low + slack * unit


def line_cost(x: Any, y: Any, a: Any, b: Any, p: float) -> Interval:
    """Exact cost between points on the line: sorted, mass goes in order, in rationals."""
    sides = []
    for points, weights in ((x, a), (y, b)):
        flat = [row[0] for row in rationals(points)]
        pairs = [pair for pair in zip(flat, shares(weights, len(flat)), strict=True) if pair[1]]
        sides.append(sorted(pairs))
    (u, v), i, j = sides, 0, 0
    low = high = Fraction(0)
    left, right = u[0][1], v[0][1]
    while True:
        mass = min(left, right)
        below, above = _power(abs(u[i][0] - v[j][0]), p)
        low, high = low + mass * below, high + mass * above
        left, right = left - mass, right - mass
        if left == 0:
            i += 1
            if i == len(u):
                return low, high
            left = u[i][1]
        if right == 0:
            j += 1
            right = v[j][1]


def _power(distance: Fraction, p: float) -> Interval:
    if p == int(p):
        power = distance ** int(p)
        return power, power
    if not distance:
        return Fraction(0), Fraction(0)
    with mpmath.workprec(BITS):
        power = _fraction((mpmath.mpf(distance.numerator) / distance.denominator) ** mpmath.mpf(p))
    off = power / 2 ** (BITS - 20)
    return power - off, power + off


def _fraction(value: Any) -> Fraction:
    sign, mantissa, exponent, _ = value._mpf_
    return (-1) ** sign * Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def linear_program(x: Any, y: Any, a: Any, b: Any, p: float, cost_of: Any = "euclidean") -> Interval | None:
    """Interval around the exact cost for up to some hundred points, from HiGHS, made certain in rationals.

    HiGHS only proposes. Below stands the value of its dual, made feasible by a c-transform over integer costs;
    above the cost of its plan, scaled down and filled up to the exact marginals. None where these lie apart.
    """
    cost, unit, slack = costs(x, y, p, cost_of)
    n, m = len(cost), len(cost[0])
    left, right = shares(a, n), shares(b, m)
    largest = max(map(max, cost)) or 1
    flat = np.array([float(Fraction(c, largest)) for row in cost for c in row])
    index = np.arange(n * m)
    sums = coo_array(
        (np.ones(2 * n * m), (np.concatenate([index // m, n + index % m]), np.concatenate([index, index]))),
        shape=(n + m, n * m),
    )
    wanted = np.array([float(w) for w in (*left, *right)])
    answer = linprog(flat, A_eq=sums.tocsr(), b_eq=wanted, bounds=(0, None), method="highs")
    if answer.status != 0:
        return None
    heavy = [i for i in range(n) if left[i]], [j for j in range(m) if right[j]]
    g = [int(Fraction(float(v)) * largest) for v in answer.eqlin.marginals[n:]]
    f = [min(cost[i][j] - g[j] for j in heavy[1]) for i in range(n)]
    g = [min(cost[i][j] - f[i] for i in heavy[0]) for j in range(m)]
    lower = sum(f[i] * left[i] for i in heavy[0]) + sum(g[j] * right[j] for j in heavy[1])
    plan = {divmod(int(k), m): Fraction(float(answer.x[k])) for k in np.flatnonzero(answer.x > 0)}
    upper = sum(mass * cost[i][j] for (i, j), mass in rounded(plan, left, right).items())
    gap = (upper - lower) / largest
    if not 0 <= gap <= Fraction(1, 10**9):
        return None
    return lower * unit, (upper + slack) * unit


def rounded(
    plan: dict[tuple[int, int], Fraction], left: list[Fraction], right: list[Fraction]
) -> dict[tuple[int, int], Fraction]:
    """Move a plan to exact marginals (Altschuler, Weed & Rigollet 2017), in rationals."""
    for axis, wanted in ((0, left), (1, right)):
        sums = [Fraction(0)] * len(wanted)
        for arc, mass in plan.items():
            sums[arc[axis]] += mass
        plan = {
            arc: mass * min(Fraction(1), wanted[arc[axis]] / sums[arc[axis]]) for arc, mass in plan.items()
        }
    rest = list(left), list(right)
    for arc, mass in plan.items():
        rest[0][arc[0]] -= mass
        rest[1][arc[1]] -= mass
    i = j = 0
    while i < len(left) and j < len(right):  # the rest in any order: it is rounding
        mass = min(rest[0][i], rest[1][j])
        if mass:
            plan[i, j] = plan.get((i, j), Fraction(0)) + mass
        rest[0][i] -= mass
        rest[1][j] -= mass
        i, j = (i + 1, j) if rest[0][i] == 0 else (i, j + 1)
    return plan


# Entropic transport, in long double.


@dataclass(frozen=True)
class Entropic:
    """Solutions of B entropic problems and what they prove, all in long double.

    Attributes
    ----------
    lower, upper : shape (B,)
        The optimum lies between: a dual and a primal value, moved outward by their rounding.
    f, g : shapes (B, n) and (B, m)
        Potentials; 0 at points without weight.
    plan : shape (B, n, m)
    error : shape (B,)
        L1 error of both marginals (of the penalized ones, where the problem is unbalanced).
    """

    lower: Long
    upper: Long
    f: Long
    g: Long
    plan: Long
    error: Long

    @property
    def value(self) -> Long:
        """The dual value, of second order in the error."""
        return self.lower + (self.upper - self.lower) / 2


_LOST = np.longdouble(-11000 if EPS < 1e-17 else -700)
"""Exponent below which a term of a sum is 0."""


_LEAP = 8.0
"""Units of ε by which a Newton step may move a potential."""


def _log(w: Long) -> Long:
    with np.errstate(divide="ignore"):
        return np.where(w > 0, np.log(np.where(w > 0, w, 1)), -np.inf)


def _soft_minimum(C: Long, g: Long, log_b: Long, epsilon: Long) -> Long:
    """−ε log Σⱼ bⱼ exp((gⱼ − Cᵢⱼ)/ε)."""
    exponent = (g[:, None] - C) / epsilon[:, None, None]
    terms = exponent + log_b[:, None]
    top = terms.max(2, keepdims=True)
    far = top[..., 0] + np.log(np.exp(np.maximum(terms - top, _LOST)).sum(2))
    # Where all exponents are small, and the weights total 1, their sum is 1 but for what expm1 keeps.
    b = np.exp(log_b)[:, None]
    small = (np.abs(exponent) * (b > 0)).max(2) < 0.5
    near = np.log1p(np.maximum((b * np.expm1(np.clip(exponent, -1, 1))).sum(2), -0.99))
    total = np.abs(b.sum(2) - 1) < 64 * EPS
    return -epsilon[:, None] * np.where(small & total, near, far)


def entropic(
    C: Long, a: Long, b: Long, epsilon: Long, rho: Long | None = None, *, steps: int = 80
) -> Entropic:
    """Solve B problems by Newton's method on the dual, f eliminated, down a ladder of ε.

    Parameters
    ----------
    C : shape (B, n, m)
        Costs; those of points without weight are not looked at.
    a, b : shapes (B, n) and (B, m)
        Weights, zeros allowed; each of total 1 where `rho` is None.
    epsilon, rho : shape (B,)
    """
    C = np.where((a > 0)[..., None] & (b > 0)[:, None], C, np.longdouble(0)).astype(np.longdouble)
    a, b, epsilon = (v.astype(np.longdouble) for v in (a, b, epsilon))
    log_a, log_b = _log(a), _log(b)
    inverse = np.zeros_like(epsilon) if rho is None else 1 / rho.astype(np.longdouble)
    top = np.maximum(C.max((1, 2)), epsilon)
    levels = int(np.ceil(float(np.log2(np.max(top / epsilon)))))
    g = np.zeros_like(b)
    for level in range(min(levels, 40), -1, -1):
        at = np.minimum(epsilon * np.longdouble(2) ** level, top)
        g = _newton(C, a, b, log_a, log_b, at, inverse, g, 6 if level else steps, done=level == 0)
    damping = 1 / (1 + epsilon * inverse)
    f = damping[:, None] * _soft_minimum(C, g, log_b, epsilon)
    f, g = np.where(a > 0, f, 0), np.where(b > 0, g, 0)
    proved = _proved(C, a, b, log_a, log_b, f, g, epsilon, inverse)
    if rho is not None:
        return proved
    again = _proved(C, a, b, log_a, log_b, *_settled(C, a, b, f, g, epsilon), epsilon, inverse)
    tighter = again.upper - again.lower < proved.upper - proved.lower
    return Entropic(
        *(
            np.where(tighter.reshape(-1, *[1] * (new.ndim - 1)), new, old)
            for new, old in zip(vars(again).values(), vars(proved).values(), strict=True)
        )
    )


def _plan(C: Long, log_a: Long, log_b: Long, f: Long, g: Long, epsilon: Long) -> Long:
    exponent = (f[:, :, None] + g[:, None] - C) / epsilon[:, None, None] + log_a[..., None] + log_b[:, None]
    return np.where(exponent > _LOST, np.exp(np.clip(exponent, _LOST, 700)), 0)


def _newton(
    C: Long,
    a: Long,
    b: Long,
    log_a: Long,
    log_b: Long,
    epsilon: Long,
    inverse: Long,
    g: Long,
    steps: int,
    *,
    done: bool,
) -> Long:
    damping = (1 / (1 + epsilon * inverse))[:, None]
    step = np.full(len(C), 1.0, dtype=np.longdouble)
    value = np.full(len(C), -np.inf, dtype=np.longdouble)
    slope_before = np.full(len(C), np.inf, dtype=np.longdouble)
    kept, direction = g, np.zeros_like(g)
    heavy = b > 0
    stalled = np.zeros(len(C), dtype=int)
    for _ in range(steps):
        f = damping * _soft_minimum(C, g, log_b, epsilon)
        P = _plan(C, log_a, log_b, np.where(a > 0, f, 0), g, epsilon)
        columns = P.sum(1)
        wanted = b * np.exp(np.minimum(-g * inverse[:, None], 700))
        gradient = wanted - columns
        error = np.abs(gradient).sum(1)
        now = _dual(C, a, b, P, f, g, epsilon, inverse)
        worse = ~(now >= value - 1e-16 * np.abs(value)) & ~(error < slope_before)
        # Where the step did not raise the dual, half of it is tried; elsewhere a new one is made.
        step = np.where(worse, step / 4, 1.0)
        better = ~worse
        stalled = np.where(better & (error < 0.5 * slope_before), 0, stalled + 1)
        value, slope_before = np.where(better, now, value), np.where(better, error, slope_before)
        kept = np.where(better[:, None], g, kept)
        noise = 8 * EPS * (1 + C.max((1, 2)) / epsilon) if done else 0.01
        if ((slope_before <= noise * (b.sum(1) + a.sum(1))) | (stalled > 12)).all():
            break
        rows = np.where(a > 0, P.sum(2), 1)
        curve_x = rows * (1 / epsilon + inverse)[:, None]
        scale = np.sqrt(np.where(heavy, columns + 1e-4000 if EPS < 1e-17 else columns + 1e-300, 1))
        scale = np.where(heavy, np.maximum(scale, 1e-2 * np.sqrt(np.where(heavy, b, 1))), 1)
        inner = np.einsum("bij,bik->bjk", P / curve_x[..., None], P) / epsilon[:, None, None] ** 2
        outer = columns / epsilon[:, None] + wanted * inverse[:, None]
        matrix = (-inner * (epsilon[:, None] / scale)[:, :, None] / scale[:, None]).astype(float)
        k = np.arange(matrix.shape[1])
        matrix[:, k, k] += (outer * epsilon[:, None] / scale**2).astype(float)
        matrix[:, k, k] = np.where(heavy, matrix[:, k, k], 1.0)
        matrix = np.nan_to_num(matrix, nan=0.0, posinf=1e30, neginf=-1e30)
        values, vectors = np.linalg.eigh(matrix)
        right = (gradient / scale).astype(float)
        coordinates = np.einsum("bji,bj->bi", vectors, right)
        floor = 1e-13 * np.maximum(np.abs(values).max(1, keepdims=True), 1e-300)
        coordinates = np.where(values > floor, coordinates / np.where(values > floor, values, 1.0), 0.0)
        fresh = epsilon[:, None] * np.einsum("bij,bj->bi", vectors, coordinates) / scale
        # The curvature is known nearby only: leaps are cut; a plain step of Sinkhorn where nothing moves.
        longest = np.abs(np.where(heavy, fresh, 0)).max(1) / epsilon
        fresh = fresh * np.minimum(1, _LEAP / np.maximum(longest, _LEAP))[:, None]
        plain = _sinkhorn_step(C, g, f, log_a, epsilon, inverse) - g
        lost = (stalled % 4 == 3) | ~np.isfinite(longest)
        fresh = np.where(lost[:, None], plain, fresh)
        direction = np.where(better[:, None], np.where(heavy, fresh, 0), direction)
        g = kept + step[:, None] * direction
    return kept


def _sinkhorn_step(C: Long, g: Long, f: Long, log_a: Long, epsilon: Long, inverse: Long) -> Long:
    return (1 / (1 + epsilon * inverse))[:, None] * _soft_minimum(C.transpose(0, 2, 1), f, log_a, epsilon)


def _dual(C: Long, a: Long, b: Long, P: Long, f: Long, g: Long, epsilon: Long, inverse: Long) -> Long:
    f, g = np.where(a > 0, f, 0), np.where(b > 0, g, 0)
    exponent = (f[:, :, None] + g[:, None] - C) / epsilon[:, None, None]
    product = a[:, :, None] * b[:, None]
    # mass(P) less that of the product, term by term: for large ε it is a difference of nearly equal numbers.
    excess = np.where(np.abs(exponent) < 1, product * np.expm1(np.clip(exponent, -1, 1)), P - product)
    excess = excess.sum((1, 2))
    gains = []
    for w, h in ((a, f), (b, g)):
        balanced = (inverse == 0)[:, None]
        rho = np.where(balanced, 1, 1 / np.where(balanced, 1, inverse[:, None]))
        gains.append(np.where(balanced, w * h, -w * rho * np.expm1(np.minimum(-h / rho, 700))).sum(1))
    return gains[0] + gains[1] - epsilon * excess


def _settled(C: Long, a: Long, b: Long, f: Long, g: Long, epsilon: Long) -> tuple[Long, Long]:
    """Shift the potentials of clusters that exchange nothing, so that large numbers do not cancel in the dual."""
    f, g = f.copy(), g.copy()
    P = _plan(C, _log(a), _log(b), f, g, epsilon)
    for k in range(len(C)):
        linked = P[k] > 1e-25 * np.minimum.outer(a[k], b[k])
        label = np.arange(len(a[k]))
        for _ in range(len(label)):
            near = linked @ linked.T.astype(int) > 0
            new = np.array([label[near[i]].min() if near[i].any() else label[i] for i in range(len(label))])
            if (new == label).all():
                break
            label = new
        for name in set(label[a[k] > 0]) if len(set(label[a[k] > 0])) > 1 else ():
            i = label == name
            j = linked[i].any(0)
            shift = ((b[k, j] * g[k, j]).sum() - (a[k, i] * f[k, i]).sum()) / (a[k, i].sum() + b[k, j].sum())
            f[k, i] += shift
            g[k, j] -= shift
    return f, g


def _proved(
    C: Long, a: Long, b: Long, log_a: Long, log_b: Long, f: Long, g: Long, epsilon: Long, inverse: Long
) -> Entropic:
    balanced = not inverse.any()
    if balanced:
        shift = ((b * g).sum(1) - (a * f).sum(1)) / 2
        f, g = np.where(a > 0, f + shift[:, None], 0), np.where(b > 0, g - shift[:, None], 0)
    P = _plan(C, log_a, log_b, f, g, epsilon)
    wanted_a = a * np.exp(np.minimum(-f * inverse[:, None], 700))
    wanted_b = b * np.exp(np.minimum(-g * inverse[:, None], 700))
    error = np.abs(P.sum(2) - wanted_a).sum(1) + np.abs(P.sum(1) - wanted_b).sum(1)
    lower = _dual(C, a, b, P, f, g, epsilon, inverse)
    # A primal value from above: the plan, moved to the marginals where they are constraints.
    Q, unmoved = P, np.zeros_like(lower)
    if balanced:
        for axis, w in ((2, a), (1, b)):
            sums = Q.sum(axis)
            ratio = np.where(sums > w, w / np.where(sums > 0, sums, 1), 1)
            Q = Q * np.expand_dims(ratio, axis)
        rest_a, rest_b = np.maximum(a - Q.sum(2), 0), np.maximum(b - Q.sum(1), 0)
        left = np.maximum(rest_a.sum(1), np.finfo(np.longdouble).tiny)
        Q = Q + rest_a[:, :, None] * rest_b[:, None] / left[:, None, None]
        # What rounding hides of a rest, beside a weight that is large, does not move: its cost may be anything.
        short = [np.maximum(w - Q.sum(axis), 0) * C.max(axis) for axis, w in ((2, a), (1, b))]
        unmoved = short[0].sum(1) + short[1].sum(1)
    product = a[:, :, None] * b[:, None]
    linear = (Q * C).sum((1, 2))
    upper = linear + epsilon * _kl(Q, product)
    if not balanced:
        upper = upper + (_kl(Q.sum(2), a) + _kl(Q.sum(1), b)) / inverse
    # Rounding, of every exponent and of every term of the sums.
    digits = EPS * 4 * (a.shape[1] + b.shape[1] + 8)
    exponent = np.abs(f)[:, :, None] + np.abs(g)[:, None] + C
    heavier = np.maximum(P, Q) + np.where(exponent < epsilon[:, None, None], product, P)
    slack = digits * ((a * np.abs(f)).sum(1) + (b * np.abs(g)).sum(1) + (heavier * exponent).sum((1, 2)))
    # Terms of size ε each: those of the sum of P − ab that expm1 does not take.
    far = np.where(exponent < epsilon[:, None, None] / 2, 0, P + Q + product).sum((1, 2))
    slack = slack + digits * epsilon * far
    outer = slack + unmoved + digits * (epsilon * np.abs(_kl(Q, product)) + np.abs(linear))
    outer = outer + digits * epsilon * np.where(
        Q > 0,
        Q * np.minimum(np.abs(np.log(np.where(Q > 0, Q, 1))), 1e4) * (exponent >= epsilon[:, None, None] / 2),
        0,
    ).sum((1, 2))
    if not balanced:
        gains = [
            np.abs(w * np.expm1(np.minimum(-h * inverse[:, None], 700))).sum(1) / inverse
            + (v * np.abs(h)).sum(1)
            for w, v, h in ((a, wanted_a, f), (b, wanted_b, g))
        ]
        slack = slack + digits * (gains[0] + gains[1])
        outer = outer + digits * (gains[0] + gains[1] + (_kl(Q.sum(2), a) + _kl(Q.sum(1), b)) / inverse)
    return Entropic(lower - slack, upper + outer, f, g, P, error)


def _kl(P: Long, Q: Long) -> Long:
    """Σ P log(P/Q) − P + Q over all but the first axis, 0 log 0 = 0."""
    both = (P > 0) & (Q > 0)
    ratio = np.where(both, (P - Q) / np.where(both, Q, 1), 0)  # P = Q (1 + ratio)
    # (1 + t) log(1 + t) − t, by its series where it is a difference of nearly equal numbers.
    series = ratio**2 * (1 / np.longdouble(2) - ratio / 6 + ratio**2 / 12 - ratio**3 / 20)
    near = np.abs(ratio) < 1e-5
    direct = (1 + ratio) * np.log1p(np.where(both, np.maximum(ratio, -0.75), 0)) - ratio
    logs = [np.log(np.where(both, w, 1)) for w in (P, Q)]
    light = np.where(both, P * (logs[0] - logs[1]) - P + Q, Q - P)
    terms = np.where(both & (ratio > -0.5), Q * np.where(near, series, direct), light)
    return terms.reshape(len(P), -1).sum(1)


# Divergences of masses on atoms or in cells.


def divergences(p: dict[Any, Fraction], q: dict[Any, Fraction]) -> dict[str, mpmath.mpf]:
    """KL, JS and TV, in nats, of two rational distributions over one set of cells, to 40 digits."""
    with mpmath.workdps(40):
        cells = [c for c in p.keys() | q.keys() if p.get(c) or q.get(c)]

        def log(ratio: Fraction) -> mpmath.mpf:
            return mpmath.log(mpmath.mpf(ratio.numerator)) - mpmath.log(mpmath.mpf(ratio.denominator))

        def times(w: Fraction, number: mpmath.mpf) -> mpmath.mpf:
            return mpmath.mpf(w.numerator) / w.denominator * number

        kl, js, tv = mpmath.mpf(0), mpmath.mpf(0), Fraction(0)
        for c in cells:
            s, t = p.get(c, Fraction(0)), q.get(c, Fraction(0))
            tv += abs(s - t) / 2
            if s:
                kl += times(s, log(s / t)) if t else mpmath.inf
                js += times(s / 2, log(2 * s / (s + t)))
            if t:
                js += times(t / 2, log(2 * t / (s + t)))
        return {"kl": +kl, "js": +js, "tv": mpmath.mpf(tv.numerator) / tv.denominator}


def cells(points: Any, weights: Any, width: float | None = None) -> dict[Any, Fraction]:
    """Masses of the distinct points, or of the cells [k w, (k + 1) w)."""
    masses: dict[Any, Fraction] = {}
    rows = rationals(points)
    for row, w in zip(rows, shares(weights, len(rows)), strict=True):
        key = tuple(row) if width is None else tuple(c // Fraction(width) for c in row)
        masses[key] = masses.get(key, Fraction(0)) + w
    return masses


def neighbor_kl(x: Any, y: Any, k: int) -> mpmath.mpf | None:
    """(d/n) Σ log(νₖ/ρₖ) + log(m/(n − 1)) over exact distances; None where one is 0."""
    rows, others = rationals(x), rationals(y)
    n, m, d = len(rows), len(others), len(rows[0])

    def kth(u: list[Fraction], among: list[list[Fraction]]) -> Fraction:
        return sorted(sum((s - t) ** 2 for s, t in zip(u, v, strict=True)) for v in among)[k - 1]

    with mpmath.workdps(40):
        total = mpmath.mpf(0)
        for i, u in enumerate(rows):
            ratio = [kth(u, rows[:i] + rows[i + 1 :]), kth(u, others)]
            if 0 in ratio:
                return None
            rho, nu = (
                mpmath.log(mpmath.mpf(q.numerator)) - mpmath.log(mpmath.mpf(q.denominator)) for q in ratio
            )
            total += (nu - rho) / 2
        return d * total / n + mpmath.log(mpmath.mpf(m) / (n - 1))
