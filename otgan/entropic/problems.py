"""From two measures to a solved entropic problem: the settings, the cross term and the self terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from otgan.cost import RELATIVE_EPSILON, mean_cost, resolve_epsilon, resolve_reach
from otgan.entropic.coupling import EntropicCoupling
from otgan.entropic.ragged import Assembly, groups_of_similar_size
from otgan.entropic.solver import Solution, solve
from otgan.entropic.symmetric import solve_symmetric
from otgan.entropic.unbalanced import solve_unbalanced
from otgan.geometry import BACKENDS, Geometry, make_geometry
from otgan.measure import Measure, Pair

__all__ = ["Settings", "check_backend", "check_max_iter", "check_tol", "solve_cross", "solve_self"]

MAX_ITER = 5000
"""Passes over the kernel after which an entropic solve stops, unless told otherwise."""

_START = 0.25
"""ε of the first stage, as a share of the mean cost."""


_SELF = 0.25
"""Tolerance of a self term as a share of that asked for: halving its error costs one pass, and the potentials of the
self terms may stand in for those of the cross term."""


@dataclass(frozen=True, eq=False)
class Settings:
    """What an entropic problem is solved with, checked and in solver's terms.

    Attributes
    ----------
    p : float
    epsilon : Tensor, shape (B,), float64
    rho : Tensor, shape (B,), or None
        Marginal penalty of unbalanced problems.
    tol : float
    max_iter : int
    backend : str
    """

    p: float
    epsilon: Tensor
    rho: Tensor | None
    tol: float
    max_iter: int
    backend: str

    @classmethod
    def of(
        cls,
        problem: Pair,
        p: float,
        *,
        epsilon: Any,
        blur: Any,
        reach: Any,
        tol: float | None,
        max_iter: int | None,
        backend: str,
    ) -> Settings:
        """Check the keywords of a call; without `epsilon` and `blur`, ε is a twentieth of the mean cost."""
        check_backend(backend, tuple(BACKENDS))
        strength, rho = resolve_epsilon(epsilon, blur, p), resolve_reach(reach, p)
        points = problem.x.points
        return cls(
            p,
            _default_epsilon(problem, p) if strength is None else _spread(strength, points, "epsilon"),
            None if rho is None else _spread(rho, points, "reach"),
            check_tol(tol, points.dtype),
            MAX_ITER if max_iter is None else check_max_iter(max_iter),
            backend,
        )

    def weights(self, side: Measure) -> Tensor:
        """Weights to solve for: normalized where the problem is balanced, as given where it is not."""
        return side.weights if self.rho is None else side.weights * side.mass[:, None]


def solve_cross(problem: Pair, settings: Settings, init: EntropicCoupling | None = None) -> EntropicCoupling:
    """Solve OT_ε(x, y), from the potentials of an earlier solution if one is given."""
    x, y = problem.x.points.detach(), problem.y.points.detach()
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        a, b = settings.weights(problem.x).detach(), settings.weights(problem.y).detach()
        g = None if init is None else _extended(init, y, settings)
        geometry = make_geometry(settings.backend, x, y, settings.p)
        if geometry.skips_padding or (problem.x.sizes is None and problem.y.sizes is None):
            solution = _solve(geometry, a, b, settings, settings.epsilon, settings.rho, g)
            return EntropicCoupling(geometry, a, b, settings.epsilon, settings.rho, solution)
        assembly = Assembly(a, b)
        for members, n, m in groups_of_similar_size(_sizes(problem.x), _sizes(problem.y)):
            k = torch.tensor(members, device=x.device)
            part = make_geometry(settings.backend, x[k, :n], y[k, :m], settings.p)
            rho = None if settings.rho is None else settings.rho[k]
            start = None if g is None else g[k, :m]
            assembly.add(k, _solve(part, a[k, :n], b[k, :m], settings, settings.epsilon[k], rho, start))
        return EntropicCoupling(geometry, a, b, settings.epsilon, settings.rho, assembly.solution())


def _sizes(side: Measure) -> tuple[int, ...]:
    """The number of points of every problem."""
    batch, n = side.points.shape[:2]
    return (n,) * batch if side.sizes is None else side.sizes


def _solve(
    geometry: Geometry,
    a: Tensor,
    b: Tensor,
    settings: Settings,
    epsilon: Tensor,
    rho: Tensor | None,
    init: Tensor | None,
) -> Solution:
    """Solve problems of one size, balanced where there is no ρ."""
    limits: dict[str, Any] = {"tol": settings.tol, "max_iter": settings.max_iter}
    # The mean over points, however light: a light point needs its potential annealed like any other.
    start = _START * geometry.mean_cost((a > 0).double(), (b > 0).double())
    if rho is not None:
        return solve_unbalanced(geometry, a, b, epsilon, rho, start=start, **limits)
    return solve(geometry, a, b, epsilon, start=start, init=init, **limits)


def solve_self(side: Measure, settings: Settings) -> EntropicCoupling:
    """Solve OT_ε(x, x)."""
    points = side.points.detach()
    with torch.no_grad(), torch.autocast(points.device.type, enabled=False):
        a = settings.weights(side).detach()
        geometry = make_geometry(settings.backend, points, points, settings.p)
        if settings.rho is None:
            solution = solve_symmetric(
                geometry, a, settings.epsilon, tol=_SELF * settings.tol, max_iter=settings.max_iter
            )
        else:
            solution = solve_unbalanced(
                geometry,
                a,
                a,
                settings.epsilon,
                settings.rho,
                start=settings.epsilon,
                tol=settings.tol,
                max_iter=settings.max_iter,
                symmetric=True,
            )
        return EntropicCoupling(geometry, a, a, settings.epsilon, settings.rho, solution)


def _extended(init: EntropicCoupling, y: Tensor, settings: Settings) -> Tensor:
    """Extend the potential f of an earlier solution to points y by one soft minimum over its points x."""
    old = init.geometry.x
    if old.shape[0] != y.shape[0] or old.shape[2] != y.shape[2]:
        raise ValueError(
            f"init must have the batch size and dimension of the problem, {(y.shape[0], y.shape[2])}, "
            f"got {(old.shape[0], old.shape[2])}"
        )
    between = make_geometry(settings.backend, old.to(y), y, settings.p)
    scale = settings.epsilon[:, None]
    return between.softmin(settings.epsilon, init.f + scale * init.a.log(), 0)


def _default_epsilon(problem: Pair, p: float) -> Tensor:
    """ε where none is given: a twentieth of the mean cost, and 1 where that is 0; shape (B,), detached."""
    x, y = problem.x, problem.y
    with torch.no_grad():
        mean = mean_cost(x.points.detach(), y.points.detach(), x.weights.detach(), y.weights.detach(), p)
    return torch.where(mean > 0, RELATIVE_EPSILON * mean, 1.0)


def _spread(value: Tensor, x: Tensor, name: str) -> Tensor:
    """Give every problem of the batch its own copy of a number, or check that there is one a problem."""
    value = value.to(x.device)
    if value.ndim == 1 and len(value) != len(x):
        raise ValueError(f"{name} must be one number or one a problem ({len(x)}), got {len(value)}")
    return value.expand(len(x)).contiguous()


def check_tol(tol: float | None, dtype: torch.dtype) -> float:
    """Return the tolerance on the L1 marginal error, by default 1e-6 in float64 and 1e-4 in float32."""
    if tol is None:
        return 1e-6 if dtype == torch.float64 else 1e-4
    if not 0 < tol < float("inf"):
        raise ValueError(f"tol must be a positive number (the L1 error of the marginals), got {tol!r}")
    return float(tol)


def check_max_iter(max_iter: int) -> int:
    """Return max_iter, or raise where it is no positive number."""
    if isinstance(max_iter, bool) or int(max_iter) != max_iter or max_iter < 1:
        raise ValueError(f"max_iter must be a whole number >= 1, got {max_iter!r}")
    return int(max_iter)


def check_backend(backend: str, known: tuple[str, ...]) -> None:
    """Raise unless the backend is "auto" or among those known."""
    if backend != "auto" and backend not in known:
        raise ValueError(
            f"backend must be 'auto' or one of {', '.join(map(repr, known))} here, got {backend!r}"
        )
