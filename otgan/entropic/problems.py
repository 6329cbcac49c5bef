"""From two measures to a solved entropic problem: the settings, the cross term and the self terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from otgan.costs import Cost
from otgan.coupling import Coupling
from otgan.deadline import Deadline
from otgan.entropic.coupling import EntropicCoupling
from otgan.entropic.diffuse import is_diffuse, solve_diffuse
from otgan.entropic.ragged import Assembly, groups_of_similar_size
from otgan.entropic.solver import Solution, solve
from otgan.entropic.symmetric import solve_symmetric
from otgan.entropic.unbalanced import solve_unbalanced
from otgan.geometry import BACKENDS, Geometry, make_geometry
from otgan.measure import Measure
from otgan.mistakes import OutOfRangeError, WrongValueError
from otgan.normal_form import NormalForm
from otgan.options import (
    check_backend,
    check_max_iter,
    check_time_limit,
    check_tol,
    resolve_epsilon,
    resolve_reach,
)
from otgan.pair import Pair
from otgan.restored import Restored
from otgan.rounding import UNIT

__all__ = ["MAX_ITER", "RELATIVE_EPSILON", "Settings", "divergence_of", "solve_cross", "solve_divergence"]

RELATIVE_EPSILON = 0.05
"""ε as a share of the mean cost Σ aᵢ bⱼ Cᵢⱼ where neither `epsilon` nor `blur` is given."""

MAX_ITER = 5000
"""Passes over the kernel after which an entropic solve stops, unless told otherwise."""

_START = 0.25
"""ε of the first stage, as a share of the mean cost."""

_SELF = 0.25
"""Tolerance of a self term as a share of that asked for: halving its error costs one pass, and the potentials of the
self terms may stand in for those of the cross term."""

_LEGIBLE = 1e-2
"""Share of the tolerance that rounding in expanded squares may cause; beyond it costs come from differences."""

_LEAST, _LARGEST = 1e-150, 1e280
"""Range of ε in units of the cost: below it rounding alone overflows exponents; above it no number tells ε from infinity."""


@dataclass(frozen=True, eq=False)
class Settings:
    """What an entropic problem is solved with, checked and in solver's terms.

    Attributes
    ----------
    epsilon : Tensor, shape (B,), float64
        In the caller's units.
    rho : Tensor, shape (B,), or None
        Marginal penalty of unbalanced problems, in the caller's units.
    tol : float
    max_iter : int
    backend : str
    deadline : Deadline
    """

    epsilon: Tensor
    rho: Tensor | None
    tol: float
    max_iter: int
    backend: str
    deadline: Deadline = field(default_factory=Deadline)

    @classmethod
    def of(
        cls,
        form: NormalForm,
        *,
        epsilon: Any,
        blur: Any,
        reach: Any,
        tol: float | None,
        max_iter: int | None,
        backend: str,
        time_limit: float | None = None,
    ) -> Settings:
        """Check the keywords of a call; without `epsilon` and `blur`, ε is a twentieth of the mean cost."""
        deadline = Deadline.after(check_time_limit(time_limit))
        check_backend(backend, tuple(BACKENDS))
        strength, rho = resolve_epsilon(epsilon, blur, form.cost.p), resolve_reach(reach, form.cost.p)
        points = form.x.measure.points
        tol = check_tol(tol, form.x.whole.dtype)
        limit = check_max_iter(max_iter, MAX_ITER)
        assert limit is not None
        if strength is None:
            strength = _default_epsilon(form)
        else:
            given = "epsilon" if epsilon is not None else "blur"
            strength = _spread(strength, points, given)
            if bool((strength / form.scale < _LEAST).any()):
                raise OutOfRangeError(
                    f"{given} is less than {_LEAST:.0e} of the costs, which float64 cannot tell from 0: raise it, or "
                    "leave it out of otgan.transport for exact transport"
                )
        rho = None if rho is None else _spread(rho, points, "reach")
        if rho is not None and bool((rho / form.scale < _LEAST).any()):
            raise OutOfRangeError(
                f"p * reach**p is less than {_LEAST:.0e} of the costs, which float64 cannot tell from 0: raise reach"
            )
        return cls(strength, rho, tol, limit, backend, deadline)

    def in_units(self, scale: Tensor) -> Settings:
        """Return the settings of a problem whose costs are divided by `scale`, shape (B,)."""
        epsilon = (self.epsilon / scale).clamp_max(_LARGEST)
        rho = None if self.rho is None else (self.rho / scale).clamp_max(_LARGEST)
        return replace(self, epsilon=epsilon, rho=rho)

    def take(self, keep: Tensor) -> Settings:
        """Return the settings of the problems whose indices are in `keep`."""
        rho = None if self.rho is None else self.rho[keep]
        return replace(self, epsilon=self.epsilon[keep], rho=rho)

    def weights(self, side: Measure) -> Tensor:
        """Weights to solve for: normalized where the problem is balanced, as given where it is not."""
        return side.weights if self.rho is None else side.weights * side.mass[:, None]


def solve_cross(form: NormalForm, settings: Settings, init: Coupling | None = None) -> Coupling:
    """Solve OT_ε(x, y), from the potentials of an earlier solution if one is given."""
    return form.restore(_cross(form, settings.in_units(form.scale), init), settings.epsilon)


def solve_divergence(form: NormalForm, settings: Settings) -> tuple[Coupling, Coupling, Coupling]:
    """Solve x with y, x with itself and y with itself at one ε."""
    inner = settings.in_units(form.scale)
    cross = _cross(form, inner, None)
    own_x, own_y = form.against_itself()
    self_x, self_y = _self(own_x, inner), _self(own_y, inner)
    if form.cost.definite and settings.rho is None:
        divergence = cross.value - 0.5 * (self_x.value + self_y.value)
        below = divergence < 0
        if bool(below.any()):
            # Between nearly equal measures the error of the cross term shows. The potentials of the self
            # terms are nearly optimal there, and by convexity their dual value leaves nothing below 0.
            # At an ε far beyond the costs they would only bring in its rounding.
            near = below & ~is_diffuse(cross.geometry, inner.epsilon)
            cross = cross.raised(self_y.f, settings.tol, near)
    pairs = ((form, cross), (own_x, self_x), (own_y, self_y))
    restored = [own.restore(term, settings.epsilon) for own, term in pairs]
    return restored[0], restored[1], restored[2]


def divergence_of(terms: Sequence[Coupling], values: Sequence[Tensor], problem: Pair, cost: Cost) -> Tensor:
    """Put the values of the three terms, x with y, x with itself and y with itself, together, shape (B,).

    Unbalanced problems add (ε/2) (mass(a) − mass(b))². Balanced ones are nonnegative by theory for definite costs: what
    is below 0 is rounding, or a term that did not converge, and 0 is nearer; the gradient stays that of the terms.
    """
    cross, self_x, self_y = values
    divergence = cross - 0.5 * (self_x + self_y)
    epsilon = terms[0].epsilon
    if not terms[0].balanced and epsilon is not None:
        return divergence + 0.5 * epsilon * (problem.x.mass - problem.y.mass).square()
    if not cost.definite:
        return divergence
    return divergence + (-divergence.detach()).clamp_min(0)


def _cross(form: NormalForm, settings: Settings, init: Coupling | None) -> EntropicCoupling:
    """Solve OT_ε(x, y) in normal form; the settings are in its units."""
    first, second = form.pair.x, form.pair.y
    x, y = first.points.detach(), second.points.detach()
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        a, b = settings.weights(first).detach(), settings.weights(second).detach()
        g = None if init is None else _extended(init, form, settings)
        geometry = _geometry(x, y, form.cost, settings)
        if geometry.skips_padding or (first.sizes is None and second.sizes is None):
            solution = _solve(geometry, a, b, settings, g)
            return EntropicCoupling(geometry, a, b, settings.epsilon, settings.rho, solution, form.pair)
        assembly = Assembly(a, b)
        for members, n, m in groups_of_similar_size(_sizes(first), _sizes(second)):
            k = torch.tensor(members, device=x.device)
            own = settings.take(k)
            part = make_geometry(settings.backend, x[k, :n], y[k, :m], form.cost, geometry.direct)
            start = None if g is None else g[k, :m]
            assembly.add(k, _solve(part, a[k, :n], b[k, :m], own, start))
        return EntropicCoupling(
            geometry, a, b, settings.epsilon, settings.rho, assembly.solution(), form.pair
        )


def _self(form: NormalForm, settings: Settings) -> EntropicCoupling:
    """Solve OT_ε(x, x), a normal form of x with itself; the settings are in its units."""
    side = form.x.measure
    points = side.points.detach()
    if not form.cost.symmetric:
        return _cross(form, settings, None)
    with torch.no_grad(), torch.autocast(points.device.type, enabled=False):
        a = settings.weights(side).detach()
        geometry = _geometry(points, points, form.cost, settings)
        solution = _solve(geometry, a, a, settings, None, symmetric=True)
        return EntropicCoupling(geometry, a, a, settings.epsilon, settings.rho, solution, Pair(side, side))


def _geometry(x: Tensor, y: Tensor, rule: Cost, settings: Settings) -> Geometry:
    """Return the geometry that suits, with costs from differences where an expansion would not be accurate enough."""
    geometry = make_geometry(settings.backend, x, y, rule)
    if not rule.expands:
        return geometry
    # Kernels also round coordinates, once they are taken from a common origin.
    blur = geometry.cost_error.largest() + 8 * rule.p * UNIT * geometry.largest
    blurred = blur > _LEGIBLE * settings.tol * settings.epsilon
    return make_geometry(settings.backend, x, y, rule, direct=True) if bool(blurred.any()) else geometry


def _sizes(side: Measure) -> tuple[int, ...]:
    """The number of points of every problem."""
    batch, n = side.points.shape[:2]
    return (n,) * batch if side.sizes is None else side.sizes


def _solve(
    geometry: Geometry,
    a: Tensor,
    b: Tensor,
    settings: Settings,
    init: Tensor | None,
    *,
    symmetric: bool = False,
) -> Solution:
    """Solve problems of one size by the solver that suits each: balanced where there is no ρ."""
    limits: dict[str, Any] = {
        "tol": settings.tol,
        "max_iter": settings.max_iter,
        "deadline": settings.deadline,
    }
    wide = is_diffuse(geometry, settings.epsilon)
    if bool(wide.all()):
        return solve_diffuse(geometry, a, b, settings.epsilon, settings.rho, **limits)
    if bool(wide.any()):
        assembly = Assembly(a, b)
        for which in (wide, ~wide):
            k = which.nonzero()[:, 0]
            start = None if init is None else init[k]
            part = _solve(geometry.take(k), a[k], b[k], settings.take(k), start, symmetric=symmetric)
            assembly.add(k, part)
        return assembly.solution()
    epsilon, rho = settings.epsilon, settings.rho
    if symmetric and rho is None:
        return solve_symmetric(geometry, a, epsilon, **{**limits, "tol": _SELF * settings.tol})
    # The mean over points, however light: a light point needs its potential annealed like any other.
    start = epsilon if symmetric else _START * geometry.mean_cost((a > 0).double(), (b > 0).double())
    if rho is not None:
        return solve_unbalanced(geometry, a, b, epsilon, rho, start=start, symmetric=symmetric, **limits)
    return solve(geometry, a, b, epsilon, start=start, init=init, **limits)


def _extended(init: Coupling, form: NormalForm, settings: Settings) -> Tensor:
    """Extend the potential f of an earlier solution to points y by one soft minimum over its points x."""
    assert isinstance(init, Restored)
    assert isinstance(init.inner, EntropicCoupling)
    before, old, y = init.form, init.inner, form.pair.y.points
    if before.unit.shape[0] != y.shape[0] or old.geometry.x.shape[2] != y.shape[2]:
        raise WrongValueError(
            f"init must have the batch size and dimension of the problem, {(y.shape[0], y.shape[2])}, "
            f"got {(before.unit.shape[0], old.geometry.x.shape[2])}"
        )
    # From the units of the earlier problem to those of this one.
    unit = (before.unit.to(y.device) / form.unit)[:, None, None]
    moved = (before.x.origin.double().to(y.device) - form.x.origin.double()) / form.unit[:, None, None]
    x = old.geometry.x.double().to(y.device) * unit + moved
    f = old.f.to(y.device) * (before.scale.to(y.device) / form.scale)[:, None]
    between = make_geometry(settings.backend, x.to(y.dtype), y, form.cost)
    scale = settings.epsilon[:, None]
    return between.softmin(settings.epsilon, f + scale * old.a.to(y.device).log(), 0)


def _default_epsilon(form: NormalForm) -> Tensor:
    """ε where none is given: a twentieth of the mean cost, and 1 where that is 0; shape (B,), detached."""
    x, y = form.x.measure, form.y.measure
    with torch.no_grad():
        mean = form.cost.mean(x.points.detach(), y.points.detach(), x.weights.detach(), y.weights.detach())
    return torch.where(mean > 0, RELATIVE_EPSILON * mean * form.scale, 1.0)


def _spread(value: Tensor, x: Tensor, name: str) -> Tensor:
    """Give every problem of the batch its own copy of a number, or check that there is one a problem."""
    value = value.to(x.device)
    if value.ndim == 1 and len(value) != len(x):
        expected = f"one number or one a problem ({len(x)})"
        raise WrongValueError(f"{name} must be {expected}, got {len(value)}")
    return value.expand(len(x)).contiguous()
