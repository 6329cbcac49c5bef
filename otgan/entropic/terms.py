"""From two measures to solved entropic problems: the cross term, the self terms, and the divergence that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from otgan.costs import Cost
from otgan.coupling import Coupling
from otgan.entropic.diffuse import is_diffuse
from otgan.entropic.plan import EntropicPlan
from otgan.entropic.polish import polished
from otgan.entropic.problem import Problem, Solution
from otgan.entropic.ragged import Assembly, groups_of_similar_size
from otgan.entropic.settings import Settings
from otgan.entropic.solver import solve
from otgan.entropic.starters import padding_is_free
from otgan.geometry import Geometry
from otgan.mistakes import WrongValueError
from otgan.namespace import Array, at_least, beside, detached, double, namespace, of_type, without_graph
from otgan.normal_form import NormalForm
from otgan.pair import Pair
from otgan.restored import Restored
from otgan.rounding import UNIT

__all__ = ["divergence_of", "solve_cross", "solve_divergence", "solve_self"]

_TOGETHER = 2**20
"""Entries of the costs between x and itself up to which the self terms go together: a call costs more than its work."""

_LEGIBLE = 1e-2
"""Marginal error, as a share of the tolerance, that rounding in expanded squares may cause; beyond it costs are computed
from differences."""


def solve_cross(form: NormalForm, settings: Settings, init: Coupling | None = None) -> Coupling:
    """Solve OT_ε(x, y), from the potentials of an earlier solution if one is given."""
    return form.restore(_cross(form, settings.in_units(form.scale), init), settings.epsilon)


def solve_divergence(form: NormalForm, settings: Settings) -> tuple[Coupling, Coupling, Coupling]:
    """Solve x with y, x with itself and y with itself at one ε."""
    inner = settings.in_units(form.scale)
    cross = _cross(form, inner, None)
    own_x, own_y = form.against_itself()
    self_x, self_y = _selves(own_x, own_y, inner)
    if form.cost.definite and settings.rho is None:
        divergence = cross.value - 0.5 * (self_x.value + self_y.value)
        below = divergence < 0
        if bool(below.any()):
            # Between nearly equal measures the error of the cross term shows. The potentials of the self
            # terms are nearly optimal there, and by convexity their dual value leaves nothing below 0.
            # At an ε far beyond the costs they would only bring in its rounding.
            near = below & ~is_diffuse(cross.problem)
            cross = polished(cross, self_y.f, settings.tol, near)
    pairs = ((form, cross), (own_x, self_x), (own_y, self_y))
    restored = [own.restore(term, settings.epsilon) for own, term in pairs]
    return restored[0], restored[1], restored[2]


def solve_self(form: NormalForm, settings: Settings) -> Coupling:
    """Solve x with itself, of a form between x and anything."""
    own = form.against_itself()[0]
    return own.restore(_self(own, settings.in_units(form.scale)), settings.epsilon)


def divergence_of(terms: Sequence[Coupling], values: Sequence[Array], problem: Pair, cost: Cost) -> Array:
    """Put the values of the three terms, x with y, x with itself and y with itself, together, shape (B,).

    Unbalanced problems add (ε/2) (mass(a) − mass(b))². Balanced ones are nonnegative by theory for definite costs: what
    is below 0 is rounding, or a term that did not converge, and 0 is nearer; the gradient stays that of the terms.
    """
    cross, self_x, self_y = values
    divergence = cross - 0.5 * (self_x + self_y)
    epsilon = terms[0].epsilon
    if not terms[0].balanced and epsilon is not None:
        return divergence + 0.5 * beside(epsilon, cross) * beside(problem.x.mass - problem.y.mass, cross) ** 2
    if not cost.definite:
        return divergence
    return divergence + at_least(-detached(divergence), 0)


def _cross(form: NormalForm, settings: Settings, init: Coupling | None) -> EntropicPlan:
    """Solve OT_ε(x, y) in normal form; the settings are in its units."""
    first, second = form.pair.x, form.pair.y
    x, y = detached(first.points), detached(second.points)
    with without_graph(x):
        a, b = detached(settings.weights(first)), detached(settings.weights(second))
        g = None if init is None else _extended(init, form, settings)
        problem = Problem(_geometry(x, y, form.cost, settings), a, b, settings.epsilon, settings.rho)
        if padding_is_free(problem) or (first.sizes is None and second.sizes is None):
            return EntropicPlan(problem, settings.solved(solve, problem, g), form.pair)
        return EntropicPlan(problem, _by_groups(problem, form, settings, g), form.pair)


def _by_groups(problem: Problem, form: NormalForm, settings: Settings, init: Array | None) -> Solution:
    """Solve a ragged batch in groups of problems of similar size."""
    x, y, whole = problem.geometry.x, problem.geometry.y, problem.geometry
    assembly = Assembly(problem.a, problem.b)
    for members, n, m in groups_of_similar_size(form.pair.x.lengths, form.pair.y.lengths):
        k = beside(np.array(members), x)
        geometry = settings.geometry(x[k, :n], y[k, :m], form.cost, whole.direct)
        rho = None if problem.rho is None else problem.rho[k]
        part = Problem(geometry, problem.a[k, :n], problem.b[k, :m], problem.epsilon[k], rho)
        assembly.add(k, settings.solved(solve, part, None if init is None else init[k, :m]))
    return assembly.solution()


def _selves(own_x: NormalForm, own_y: NormalForm, settings: Settings) -> tuple[EntropicPlan, EntropicPlan]:
    """Solve x with itself and y with itself: small ones of one size together, as two problems of a batch."""
    sides = (own_x.x.measure, own_y.y.measure)
    x, y = (side.points for side in sides)
    alike = x.shape == y.shape and x.dtype == y.dtype and own_x.cost == own_y.cost
    plain = own_x.cost.symmetric and sides[0].sizes is None and sides[1].sizes is None
    if not (alike and plain and len(x) * x.shape[1] ** 2 <= _TOGETHER):
        return _self(own_x, settings), _self(own_y, settings)
    xp, batch = namespace(x), len(x)
    both = xp.concat([detached(x), detached(y)])
    with without_graph(both):
        weights = xp.concat([detached(settings.weights(side)) for side in sides])
        twice = replace(
            settings,
            epsilon=xp.concat([settings.epsilon] * 2),
            rho=None if settings.rho is None else xp.concat([settings.rho] * 2),
        )
        problem = Problem(
            _geometry(both, both, own_x.cost, twice),
            weights,
            weights,
            twice.epsilon,
            twice.rho,
            symmetric=True,
        )
        solution = settings.solved(solve, problem)
        first, second = (
            EntropicPlan(problem.part(part), solution.part(part), Pair(side, side))
            for part, side in zip((slice(batch), slice(batch, None)), sides, strict=True)
        )
    return first, second


def _self(form: NormalForm, settings: Settings) -> EntropicPlan:
    """Solve OT_ε(x, x), a normal form of x with itself; the settings are in its units."""
    if not form.cost.symmetric:
        return _cross(form, settings, None)
    side = form.x.measure
    points = detached(side.points)
    with without_graph(points):
        a = detached(settings.weights(side))
        geometry = _geometry(points, points, form.cost, settings)
        problem = Problem(geometry, a, a, settings.epsilon, settings.rho, symmetric=True)
        return EntropicPlan(problem, settings.solved(solve, problem), Pair(side, side))


def _geometry(x: Array, y: Array, rule: Cost, settings: Settings) -> Geometry:
    """Return the geometry that suits, with costs from differences where an expansion would not be accurate enough."""
    geometry = settings.geometry(x, y, rule)
    if not rule.expands:
        return geometry
    # Kernels also round coordinates, once they are taken from a common origin.
    blur = geometry.cost_error.largest() + 8 * rule.p * UNIT * geometry.largest
    blurred = blur > _LEGIBLE * settings.tol * settings.epsilon
    return settings.geometry(x, y, rule, direct=True) if bool(blurred.any()) else geometry


def _extended(init: Coupling, form: NormalForm, settings: Settings) -> Array:
    """Extend the potential f of an earlier solution to points y by one soft minimum over its points x."""
    assert isinstance(init, Restored)
    assert isinstance(init.inner, EntropicPlan)
    before, old, y = init.form, init.inner, form.pair.y.points
    if before.cost.embedded != form.cost.embedded:
        raise WrongValueError(
            f"init must be between points where the problem is, and on a matrix where that is, got a solution of "
            f"cost={before.cost.name!r} for cost={form.cost.name!r}: leave out init"
        )
    if before.unit.shape[0] != y.shape[0] or old.problem.geometry.x.shape[2] != y.shape[2]:
        raise WrongValueError(
            f"init must have the batch size and dimension of the problem, {(y.shape[0], y.shape[2])}, "
            f"got {(before.unit.shape[0], old.problem.geometry.x.shape[2])}"
        )
    # From the units of the earlier problem to those of this one.
    here = (before.unit, before.x.origin, before.scale, old.problem.geometry.x, old.f, old.a)
    unit, origin, scale, x, f, a = (double(beside(each, y)) for each in here)
    moved = (origin - double(form.x.origin)) / form.unit[:, None, None]
    x = x * (unit / form.unit)[:, None, None] + moved
    f = f * (scale / form.scale)[:, None]
    between = settings.geometry(of_type(x, y.dtype), y, form.cost)
    return between.softmin(settings.epsilon, f + settings.epsilon[:, None] * namespace(a).log(a), 0)
