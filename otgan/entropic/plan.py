"""Entropic problems, solved, as a coupling: everything but the potentials is computed when asked for."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

from otgan.coupling import Solved, center
from otgan.entropic.fallback import legible
from otgan.entropic.problem import Problem, Solution
from otgan.exact.simplex import SimplexError
from otgan.exact.solver import solve_exact
from otgan.geometry import make_geometry
from otgan.namespace import DOUBLE, Array, as_tensor, at_least, beside, double, least_of, namespace, zeros
from otgan.pair import Pair
from otgan.rounding import UNIT, sum_error, weight_error

__all__ = ["EntropicPlan"]


_BLURRED = 1e-9
"""Share of a bound that rounding may be; beyond it a small problem is solved exactly."""

_SOLVABLE = 2**20
"""Costs up to which it is."""


_SHIFTED = 1e-13
"""Rounding of an exponent by the shift of the potentials from which on the error is measured anew."""

_CENTERED = 16
"""Roundings of the largest potential by which those that are centered already move when they are centered again."""


class EntropicPlan(Solved):
    """The plan P = a b exp((f + g − C)/ε) of a problem and its solution."""

    def __init__(self, problem: Problem, solution: Solution, pair: Pair) -> None:
        self.problem, self.pair, self.geometry = problem, pair, problem.geometry
        self.a, self.b, self.epsilon, self.rho = problem.a, problem.b, problem.epsilon, problem.rho
        self.balanced, self.backend, self.p = problem.balanced, self.geometry.name, self.geometry.rule.p
        self.excess, self.error, self.iterations = solution.excess, solution.error, solution.iterations
        xp = namespace(solution.f)
        f, g, shifted = solution.f, solution.g, xp.zeros_like(solution.error, dtype=xp.bool)
        if self.balanced:
            # A shift rounds every potential as the largest is rounded, and with them the exponents.
            rounding = UNIT * (xp.max(abs(f), axis=1) + xp.max(abs(g), axis=1))
            centered, g = center(f, g, self.a, self.b)
            moved = xp.max(abs(centered - f), axis=1) > _CENTERED * rounding
            f, shifted = centered, moved & (rounding > _SHIFTED * problem.epsilon)
        self.f, self.g, self.lost = legible(problem, f, g)
        unknown = self.lost | ~xp.isfinite(self.excess + self.error) | shifted
        if bool(unknown.any()):
            self._measure(unknown)
        self.value = self._objective()

    def _objective(self) -> Array:
        """The dual value at the potentials."""
        a, b, rho, surplus = self.a, self.b, self.rho, self.problem.epsilon * self.excess
        if rho is None:
            return (a * self.f).sum(1) + (b * self.g).sum(1) - surplus
        gains = [(w * namespace(h).expm1(-h / rho[:, None])).sum(1) for w, h in ((a, self.f), (b, self.g))]
        return -rho * (gains[0] + gains[1]) - surplus

    def _measure(self, which: Array) -> None:
        """Compute the mass and the error anew where they are not those of these potentials."""
        excess, error = self.problem.measured(self.f, self.g)
        xp = namespace(error)
        if self.rho is not None:
            rho, scale = self.rho[:, None], self.problem.epsilon[:, None]
            there = (self.problem.soft_f(self.g), self.problem.soft_g(self.f))
            moved = [
                xp.max(xp.where(w == 0, 0.0, abs(rho / (rho + scale) * new - old)), axis=1)
                for new, old, w in zip(there, (self.f, self.g), (self.a, self.b), strict=True)
            ]
            error = xp.maximum(*moved) / self.problem.epsilon
        self.excess = xp.where(which, excess, self.excess)
        self.error = xp.where(which, error, self.error)

    def _state(self) -> tuple[Array, Array, Array, Array, Array]:
        assert self.epsilon is not None
        return self.epsilon, self.f, self.g, self.a, self.b

    def linear_cost(self) -> Array:
        """⟨P, C⟩, shape (B,)."""
        return self.geometry.linear_cost(*self._state())

    def plan(self) -> Array:
        """P of shape (B, n, m)."""
        return self.geometry.plan(*self._state())

    def plan_rows(self, rows: slice) -> Array:
        """Some rows of P, without the others."""
        epsilon, f, g, a, b = self._state()
        x, y = self.geometry.x[:, rows], self.geometry.y
        if not x.shape[1]:
            return zeros((len(f), 0, y.shape[1]), f)
        part = make_geometry("streamed", x, y, self.geometry.rule, self.geometry.direct)
        return part.plan(epsilon, f[:, rows], g, a[:, rows], b)

    def apply(self, v: Array, axis: int) -> Array:
        """P v for axis 1, Pᵀ v for axis 0, without P."""
        return self.geometry.apply(*self._state(), v, axis)

    def barycenters(self) -> Array:
        """Mean of the points y that each point x is sent to."""
        epsilon, f, g, a, b = self._state()
        xp = namespace(a)
        ones = xp.ones_like(a)
        sums = self.geometry.apply(epsilon, f, g, ones, b, double(self.geometry.y), 1)
        return sums / self.geometry.apply(epsilon, f, g, ones, b, xp.ones_like(b)[..., None], 1)

    def extended(
        self, points: Array, others: Array, potential: Array, weights: Array, *, of_x: bool
    ) -> Array:
        """The soft minimum of C − h over the other side, damped where marginals are penalties."""
        assert self.epsilon is not None
        sides = (points, others) if of_x else (others, points)
        between = make_geometry("streamed", *sides, self.geometry.rule, direct=True)
        h = potential + self.epsilon[:, None] * namespace(weights).log(weights)
        found = between.softmin(self.epsilon, h, 1 if of_x else 0)
        return found if self.rho is None else found * (self.rho / (self.rho + self.epsilon))[:, None]

    @cached_property
    def rounding(self) -> Array:
        """By how much the rounding of costs and potentials may change the marginal error, shape (B,).

        An entry of the plan has its exponent from fᵢ, gⱼ and Cᵢⱼ, whose errors belong to either point: costs where mass
        goes are as large as the potentials. By convexity the errors of both marginals sum to what is returned: NaN where the
        plan was lost to rounding.
        """
        epsilon, f, g, a, b = self._state()
        error = self.geometry.cost_error
        total, xp = zeros(len(epsilon), epsilon), namespace(epsilon)
        for values, weights, absolute in ((f, a, error.x), (g, b, error.y)):
            exponent = ((4 * UNIT + error.relative) * abs(values) + absolute) / epsilon[:, None]
            total = total + xp.where(weights == 0, 0.0, weights * xp.expm1(2 * exponent)).sum(1)
        return xp.where(self.lost, math.nan, total)

    def point_gradients(self) -> tuple[Array, Array]:
        """Gradients of the value in x and y."""
        return self.geometry.point_gradients(*self._state())

    def slope(self, potential: Array, of_x: bool) -> Array:
        """Gradient of the value in the weights of points that have a potential."""
        if self.rho is None:
            return potential
        assert self.epsilon is not None
        rho, epsilon = self.rho[:, None], self.epsilon[:, None]
        other = (self.b if of_x else self.a).sum(1)[:, None]
        # ρ (1 − k) − ε (k − mass of the other side) with k = e^(−h/ρ), the share of its mass that a point sends.
        sent, xp = -potential / rho, namespace(potential)
        return -rho * xp.expm1(sent) - epsilon * other * xp.expm1(sent - xp.log(other))

    def differentiable_gradients(self, x: Any, y: Any, a: Any, b: Any) -> tuple[Any, ...]:
        """Gradients of the value, in tensors, that can be differentiated again, by an implicit solve."""
        if not self.balanced:
            return super().differentiable_gradients(x, y, a, b)
        from otgan.entropic.gradient import second_order_gradients  # whoever asks has torch

        epsilon, f, g = (as_tensor(each, x.device) for each in (self.epsilon, self.f, self.g))
        return second_order_gradients(self.geometry.rule, epsilon, f, g, (x, y, a, b))

    def bounds(self) -> tuple[Array, Array]:
        """Certified bounds of the exact cost min ⟨P, C⟩.

        Below: the dual value of g made feasible by two c-transforms. Above: the cost of the plan rounded to the
        marginals, row by row and column by column, the rest added as a product (Altschuler, Weed & Rigollet 2017).
        Both are moved outward by what rounding may have changed; where that is much, the exact problem is solved.
        """
        epsilon, f, g, a, b = self._state()
        a, b = (
            a / a.sum(1)[:, None],
            b / b.sum(1)[:, None],
        )  # penalized marginals have totals of their own
        geometry, error, xp = self.geometry, self.geometry.cost_error, namespace(a)
        # Points of weight 0, which include the padding of ragged batches, must not lower the bound.
        lower_f = geometry.c_transform(xp.where(b == 0, -math.inf, g), 1)
        lower_g = geometry.c_transform(xp.where(a == 0, -math.inf, lower_f), 0)
        dual = (a * lower_f).sum(1) + (b * lower_g).sum(1)
        size = (a * abs(lower_f)).sum(1) + (b * abs(lower_g)).sum(1)
        longest = max(a.shape[1], b.shape[1])
        noise = 4 * UNIT + weight_error(longest) + sum_error(longest, sequential=longest + a.shape[1])
        absolute = error.mean(a, b)
        below = error.relative * abs(dual) + absolute + noise * size

        # Factors, not smaller weights: beside large exponents the logarithm of a weight would be rounded away.
        row_sums, _ = geometry.certain_marginals(epsilon, f, g, a, b)
        shrunk_x = _shrink(a, row_sums)
        column_sums = geometry.apply(epsilon, f, g, a, b, shrunk_x[..., None], 0)[..., 0]
        shrunk_y = _shrink(b, column_sums)
        row_sums = shrunk_x * geometry.apply(epsilon, f, g, a, b, shrunk_y[..., None], 1)[..., 0]
        rest_a, rest_b = at_least(a - row_sums, 0), at_least(b - shrunk_y * column_sums, 0)
        total = at_least(xp.maximum(rest_a.sum(1), rest_b.sum(1)), least_of(DOUBLE))
        upper = geometry.linear_cost(epsilon, f, g, a, b, (shrunk_x, shrunk_y))
        upper = upper + geometry.outer_cost(rest_a / total[:, None], rest_b)
        # Sums of the plan are off by `noise` of every point's mass, which moves to anywhere.
        most = geometry.majorant
        spread = 2 * ((a * most[0]).sum(1) + (b * most[1]).sum(1))
        # Rests whose totals differ, by what rounding hid on one side, leave mass that the product does not move.
        unmoved = [1 - rest.sum(1) / total for rest in (rest_b, rest_a)]
        for share, rest, part in zip(unmoved, (rest_a, rest_b), most, strict=True):
            upper = upper + share * (rest * part).sum(1)
        above = (error.relative + noise) * upper + absolute + 4 * noise * spread
        lower, upper = at_least(xp.minimum(dual, upper) - below, 0), upper + above  # no cost is negative
        return self._sharpened(lower, upper, below + above)

    def _sharpened(self, lower: Array, upper: Array, rounding: Array) -> tuple[Array, Array]:
        """Solve exactly those problems whose interval is mostly rounding, where they are small enough."""
        n, m = self.geometry.shape[1:]
        xp = namespace(lower)
        blurred = xp.nonzero((rounding > _BLURRED * upper) | ~xp.isfinite(lower + upper))[0]
        if not len(blurred) or len(blurred) * n * m > _SOLVABLE:
            return lower, upper
        try:
            some = Pair(self.pair.x.take(blurred), self.pair.y.take(blurred)).as_arrays()
            exact = [beside(end, lower) for end in solve_exact(some, self.geometry.rule).bounds()]
        except (SimplexError, MemoryError):
            return lower, upper
        # A bound that is not finite proves nothing.
        lower, upper = (
            xp.where(xp.isnan(end), other, end) for end, other in ((lower, -math.inf), (upper, math.inf))
        )
        lower[blurred] = xp.maximum(lower[blurred], exact[0])
        upper[blurred] = xp.minimum(upper[blurred], exact[1])
        return lower, upper


def _shrink(wanted: Array, present: Array) -> Array:
    return namespace(wanted).where(present > wanted, wanted / present, 1.0)
