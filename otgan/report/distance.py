"""One measured distance: the number, how it was found, and what certifies it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otgan.costs import Euclidean
from otgan.coupling import Coupling
from otgan.distances import emd, sinkhorn
from otgan.divergences import Cells, estimate, js, kl, tv
from otgan.entropic.problems import divergence_of, solve_divergence
from otgan.exact.simplex import import_pot
from otgan.measure import Measure, Pair
from otgan.metrics import Request
from otgan.normal_form import NormalForm
from otgan.report.plan import Plan
from otgan.report.uncertainty import NoiseFloor, Null, standard_error
from otgan.result import Status, Transport, statuses
from otgan.solve import transport

__all__ = ["Distance", "Support", "measured", "statistic"]

Value = float | int | str | None


@dataclass(frozen=True)
class Support:
    """How far two sets share their points, or the bins that hold them.

    Attributes
    ----------
    x, y, shared : int
        The number of points or bins with mass of x, of y, and of both.
    """

    x: int
    y: int
    shared: int


@dataclass(frozen=True, eq=False)
class Distance:
    """A distance between two sets of samples, with what is known about it. None where a thing does not apply.

    Attributes
    ----------
    name : str
        As it was asked for, ``"emd"`` or ``"js:histogram"``.
    metric : str
        The function of :mod:`otgan` that computes it.
    value : float
        For ``emd`` W_p, in the units of the samples; for ``sinkhorn`` and ``sinkhorn_divergence`` in those units
        to the power p; for ``js`` and ``kl`` in nats.
    estimator : str
        "exact", "entropic" or "debiased" for transport; "atoms", "histogram" or "knn".
    seconds : float
        Wall time of the measurement, imports and uncertainties excepted.
    p, epsilon : float
        The power of the ground cost, and the regularization.
    status : str
        The name of an :class:`otgan.Status`: how the iteration ended.
    lower, upper : float
        Certified bounds of ``bounded``.
    bounded : str
        What the bounds enclose: "W_p", or "W_p^p", the exact cost, where the value is entropic.
    marginal_error : float
        L1 error of the marginals of the plan.
    iterations : int
        Passes over the kernel.
    backend : str
        The solver or geometry that ran.
    standard_error : float
        By how much fresh samples would move the value, bias excluded: what ± is in a table; see :func:`otgan.report.uncertainty.standard_error`.
    noise_floor : NoiseFloor
        How far random halves of one set are apart; for ``emd`` of samples without weights.
    null : Null
        The result of a permutation test, where one was asked for.
    support : Support
        Where mass was counted.
    transport : Transport
        The solved problem: its plan and potentials.
    """

    name: str
    metric: str
    value: float
    estimator: str
    seconds: float
    p: float | None = None
    epsilon: float | None = None
    status: Status | None = None
    lower: float | None = None
    upper: float | None = None
    bounded: str | None = None
    marginal_error: float | None = None
    iterations: int | None = None
    backend: str | None = None
    standard_error: float | None = None
    noise_floor: NoiseFloor | None = None
    null: Null | None = None
    support: Support | None = None
    transport: Transport | None = field(default=None, repr=False)

    @property
    def gap(self) -> float | None:
        """Width of the certified interval."""
        return None if self.lower is None or self.upper is None else self.upper - self.lower

    @property
    def converged(self) -> bool:
        """Whether the value is what it claims to be: nothing was iterated, or the iteration converged."""
        return self.status in {None, Status.CONVERGED}

    def to_dict(self) -> dict[str, Any]:
        """Everything but the transport, as plain numbers; the same keys for every distance."""
        out: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name in {"name", "transport"}:
                continue
            if isinstance(value, (NoiseFloor, Null, Support)):
                value = {inner.name: getattr(value, inner.name) for inner in fields(value)}
            out[each.name] = str(value) if isinstance(value, Status) else value
            if each.name == "bounded":
                out["gap"] = self.gap
        return out


def measured(request: Request, both: Pair, plan: Plan) -> Distance:
    """Measure one distance between two measures, with its certificate."""
    match request.metric.name:
        case "emd":
            return _emd(request, both, plan)
        case "sinkhorn":
            return _sinkhorn(request, both, plan)
        case "sinkhorn_divergence":
            return _sinkhorn_divergence(request, both, plan)
        case _:
            return _divergence(request, both, plan)


def statistic(request: Request, plan: Plan) -> Callable[[Pair], float]:
    """Return the value alone as a function of two measures, for when it is needed many times."""
    name = request.metric.name
    if request.estimator is not None:
        function = {"js": js, "kl": kl, "tv": tv}[name]
        options = {"estimator": request.estimator, **plan.divergence_options(request.estimator)}
        return lambda both: float(function(both.x, both.y, **options))
    if name == "emd":
        return lambda both: float(emd(both.x, both.y, p=plan.p, time_limit=plan.time_limit))
    if name == "sinkhorn":
        return lambda both: float(sinkhorn(both.x, both.y, on_failure="ignore", **plan.entropic_options()))
    return lambda both: float(
        _debiased(solve_divergence(NormalForm.of(both, Euclidean(plan.p)), plan.settings(both)), both, plan.p)
    )


def _emd(request: Request, both: Pair, plan: Plan) -> Distance:
    if both.x.points.shape[-1] > 1:
        import_pot()  # seconds in a fresh process, which are not the solver's
    start = time.perf_counter()
    solved = transport(both.x, both.y, p=plan.p, time_limit=plan.time_limit, on_failure="ignore")
    lower, upper = solved.lower, solved.upper
    seconds = time.perf_counter() - start
    return Distance(
        request.key,
        request.metric.name,
        solved.distance,
        "exact",
        seconds,
        p=plan.p,
        status=_status(solved),
        lower=max(lower, 0.0) ** (1 / plan.p),
        upper=max(upper, 0.0) ** (1 / plan.p),
        bounded=f"W_{plan.p:g}",
        marginal_error=solved.marginal_error,
        iterations=solved.iterations,
        backend=solved.backend,
        standard_error=_rooted(standard_error(solved.f, solved.g, *_weights(both)), solved.value, plan.p),
        transport=solved,
    )


def _sinkhorn(request: Request, both: Pair, plan: Plan) -> Distance:
    start = time.perf_counter()
    # Without epsilon and blur transport is exact, and sinkhorn chooses an ε: so it is chosen here as well.
    options = plan.entropic_options() | {"epsilon": float(plan.settings(both).epsilon), "blur": None}
    solved = transport(both.x, both.y, on_failure="ignore", **options)
    lower, upper = solved.lower, solved.upper
    seconds = time.perf_counter() - start
    return Distance(
        request.key,
        request.metric.name,
        solved.value,
        "entropic",
        seconds,
        p=plan.p,
        epsilon=solved.epsilon,
        status=_status(solved),
        lower=lower,
        upper=upper,
        bounded="W_1" if plan.p == 1 else f"W_{plan.p:g}^{plan.p:g}",
        marginal_error=solved.marginal_error,
        iterations=solved.iterations,
        backend=solved.backend,
        standard_error=standard_error(solved.f, solved.g, *_weights(both)),
        transport=solved,
    )


def _sinkhorn_divergence(request: Request, both: Pair, plan: Plan) -> Distance:
    start = time.perf_counter()
    settings = plan.settings(both)
    terms = solve_divergence(NormalForm.of(both, Euclidean(plan.p)), settings)
    cross, self_x, self_y = terms
    value = _debiased(terms, both, plan.p)
    error = torch.stack([term.error for term in terms]).amax(0)
    seconds = time.perf_counter() - start
    return Distance(
        request.key,
        request.metric.name,
        float(value),
        "debiased",
        seconds,
        p=plan.p,
        epsilon=float(settings.epsilon),
        status=statuses(terms, settings.tol, settings.deadline)[0],
        marginal_error=float(error),
        iterations=int(sum(term.iterations for term in terms)),
        backend=cross.backend,
        standard_error=standard_error(
            _potential(cross, "f") - _potential(self_x, "f"),
            _potential(cross, "g") - _potential(self_y, "g"),
            *_weights(both),
        ),
    )


def _debiased(terms: Sequence[Coupling], both: Pair, p: float) -> Tensor:
    return divergence_of(terms, [term.value for term in terms], both, Euclidean(p))


def _divergence(request: Request, both: Pair, plan: Plan) -> Distance:
    assert request.estimator is not None
    name = request.metric.name
    start = time.perf_counter()
    estimated = estimate(name, both, request.estimator, **plan.divergence_options(request.estimator))
    value = float(getattr(estimated, name)())
    seconds = time.perf_counter() - start
    support = None
    if isinstance(estimated, Cells):
        support = Support(int(estimated.x_cells), int(estimated.y_cells), int(estimated.shared))
    return Distance(request.key, name, value, request.estimator, seconds, support=support)


def _status(solved: Transport) -> Status:
    assert isinstance(solved.status, Status)
    return solved.status


def _potential(coupling: Coupling, name: str) -> NDArray[np.float64]:
    values: NDArray[np.float64] = getattr(coupling, name)[0].numpy(force=True)
    return values


def _weights(both: Pair) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return _array(both.x), _array(both.y)


def _array(side: Measure) -> NDArray[np.float64]:
    return side.weights[0].numpy(force=True)


def _rooted(error: float, cost: float, p: float) -> float | None:
    """Turn the standard error of a cost into that of its p-th root; None at cost 0, where that has no slope."""
    if p == 1:
        return error
    return error * cost ** (1 / p - 1) / p if cost > 0 else None
