"""transport(): one verb over exact and entropic problems."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otgan.coupling import Coupling
from otgan.deadline import Progress
from otgan.exact.solver import EXACT_BACKENDS, solve_exact
from otgan.form import Form
from otgan.mistakes import WrongValueError
from otgan.namespace import Array, detached, namespace
from otgan.options import (
    WrongKindError,
    check_backend,
    check_max_iter,
    check_on_failure,
    check_time_limit,
    check_tol,
    shown,
)
from otgan.problem import Problem
from otgan.quiet import quiet
from otgan.result import Transport
from otgan.rounding import in_type
from otgan.spelling import answer_misspelt
from otgan.status import Status, report_failures

__all__ = ["transport"]


@quiet
@answer_misspelt
def transport(
    x: Any,
    y: Any = None,
    a: Any = None,
    b: Any = None,
    *,
    cost: Any = "euclidean",
    p: float | None = None,
    epsilon: Any = None,
    blur: Any = None,
    reach: Any = None,
    init: Transport | None = None,
    tol: float | None = None,
    max_iter: int | None = None,
    time_limit: float | None = None,
    backend: str = "auto",
    on_failure: str = "warn",
    progress: Callable[[float, float, float], object] | None = None,
    group: Any = None,
) -> Transport:
    r"""Solve min ⟨P, C⟩ + ε KL(P | a⊗b) over plans P with marginals a and b, where C = d(x, y)^p.

    The cost is never halved. Without `epsilon` and `blur` the problem is exact, ε = 0.

    Parameters
    ----------
    x, y : array-like
        Samples of shape (n, d) and (m, d), or (n,) on the line; a batch is (B, n, d) and (B, m, d), or two lists
        of B arrays of two dimensions. See :meth:`otgan.Measure.of`.
    a, b : array-like, optional
        Nonnegative weights, one a sample; uniform if omitted. Each side is normalized to total 1 (not with
        `reach`), and the totals are kept in ``mass``.
    cost : str or callable, default "euclidean"
        The distance d: "euclidean"; "cityblock" ‖x − y‖₁; "chebyshev" ‖x − y‖_∞; "cosine" 1 − cos ∠(x, y);
        "haversine", the angle between places (latitude, longitude) in radians; "circle", the shorter way around between
        angles in radians, or ``otgan.costs.Circle(p, period)`` between numbers of another period; a function of blocks of
        points of shapes (k, d) and (l, d), of the caller's kind of array, that returns distances >= 0 of shape (k, l). Or
        "precomputed": x is then the matrix of costs itself, shape (n, m), (B, n, m) or a list of matrices, and y is
        left out.
    p : float, optional
        Power of the distance, p >= 1; by default 2, and 1 for "cosine", a function and "precomputed", which takes no
        other.
    epsilon : float or (B,), optional
        Regularization in units of the cost.
    blur : float or (B,), optional
        Regularization in units of the distance d: ε = p · blur^p. Give `epsilon` or `blur`, not both.
    reach : float, optional
        Length beyond which mass is rather made and destroyed than moved: the marginals become penalties
        ρ KL(P1 | a) + ρ KL(Pᵀ1 | b) with ρ = p · reach^p.
    init : Transport, optional
        An entropic solution to start from, of the same or of other points of the same dimension.
    tol : float, optional
        L1 error of the marginals to reach; 1e-6, or 1e-4 for float32 samples. Exact solvers end at the optimum and
        ignore it.
    max_iter : int, optional
        Passes over the kernel after which to stop; a step that has begun adds about ten. Of the exact solvers
        "simplex" and "pot" alone have such a limit, on their pivots, beyond which they raise a SimplexError.
    time_limit : float, optional
        Seconds after which to stop. The result then has the status TIME_LIMIT and the best interval so far; exact
        problems fall back to a feasible plan. What has begun is finished: a pass over the costs, a factorization.
    backend : str, default "auto"
        Entropic: "compiled", "dense", "streamed", "geomloss", and with optional packages "triton", "flash". Exact: "line", "circle",
        "assignment", "simplex", "certified", and "pot", the network simplex of POT.
    on_failure : {"warn", "raise", "ignore"}
        What happens where the solve stops before `tol`, or an exact one before the optimum at `time_limit`.
    progress : callable, optional
        Called between steps while one exact problem is solved, at most five times a second, and at its end, with (lower, upper,
        seconds): the bounds of its cost that are known so far, 0 and infinity at first. What it raises ends the solve.
    group : ProcessGroup, True or "world", optional
        Processes of torch.distributed, called ranks, that solve one problem together. Each gives rows of x and of
        y, as many as it has, with their weights, and gets the value of the whole, and potentials, products and gradients of its rows. All ranks
        must make the same calls. See the page on many processes.

    Returns
    -------
    Transport
        Its status is CONVERGED where an entropic solve is within `tol`, and where an exact one ended at an optimum
        that its own potentials prove: an exact solver that does not get there for another reason than `time_limit`
        raises.

    Raises
    ------
    TypeError, ValueError
        If the input is not what is expected; the message says what to do.
    OverflowError
        If the costs, or the value in the type of the samples, are beyond floating-point numbers.
    MemoryError
        If the problem cannot fit in memory with the backend asked for.
    SimplexError
        If an exact solver ends without an optimum, or beyond `max_iter` pivots.
    ImportError
        If the backend asked for needs a package that is not installed.
    ConvergenceError
        If the solve stops before `tol`, or an exact one at `time_limit`, under ``on_failure="raise"``.
    RankError
        If a process of the group ends, does not answer in the group's timeout, or makes another call.

    See Also
    --------
    otgan.Transport : What the solver returns.
    otgan.emd : Exact transport, as a length.
    otgan.sinkhorn : The entropic cost.
    otgan.SinkhornLoss : The same as a module of torch.

    Notes
    -----
    .. math::

        \min_{P \ge 0}\ \langle P, C \rangle + \varepsilon\, \mathrm{KL}(P \mid a \otimes b)
        \quad \text{with} \quad P \mathbf 1 = a,\ P^\top \mathbf 1 = b

    Examples
    --------
    >>> import otgan
    >>> t = otgan.transport([0.0, 1.0], [1.0, 3.0], p=1)
    >>> t.value, str(t.status)
    (1.5, 'CONVERGED')
    >>> t.assignment.tolist(), t.plan.tolist()
    ([0, 1], [[0.5, 0.0], [0.0, 0.5]])
    """
    if epsilon is None and blur is None:
        _refuse(reach=reach, init=init)
        options: dict[str, Any] = {"tol": tol, "max_iter": max_iter, "time_limit": time_limit}
        options |= {"backend": backend, "on_failure": on_failure}
        problem = Problem.posed(x, y, a, b, cost=cost, p=p, power=2, group=group, **options)
        with problem.together():
            result, status = _solve_exactly(problem, progress, **options)
        report_failures(status, result._coupling.error, 0.0, on_failure)
        return result
    if _told(progress) is not None:
        raise WrongValueError("progress belongs to exact problems: leave it out with epsilon or blur")
    from otgan.entropic.posed import EntropicProblem  # which works with tensors
    from otgan.entropic.terms import solve_cross

    start = _entropic(init, reach)
    posed = EntropicProblem.posed(
        x,
        y,
        a,
        b,
        cost=cost,
        p=p,
        epsilon=epsilon,
        blur=blur,
        reach=reach,
        tol=tol,
        max_iter=max_iter,
        time_limit=time_limit,
        backend=backend,
        on_failure=on_failure,
        group=group,
        init=start is not None,
    )
    with posed.together():
        coupling = posed.known(solve_cross(posed.form, posed.settings, start))
        # The result is made first: a value that cannot be handed back is a worse failure than one that did not converge.
        result = _result(coupling, posed, posed.statuses(coupling), posed.handed(coupling))
    posed.report(coupling)
    return result


def _solve_exactly(
    problem: Problem, tell: Any, *, tol: Any, max_iter: Any, time_limit: Any, backend: Any, on_failure: Any
) -> tuple[Transport, tuple[Status, ...]]:
    check_on_failure(on_failure)
    progress = _progress(tell, problem)
    deadline = problem.deadline(check_time_limit(time_limit), progress)
    check_backend(backend, EXACT_BACKENDS)
    check_tol(tol, problem.pair.x.dtype)
    form = problem.form
    if progress is not None:
        progress.scale = float(form.scale[0])
    exact = solve_exact(
        form.pair,
        form.cost,
        backend=backend,
        max_iter=check_max_iter(max_iter),
        deadline=deadline,
        processes=problem.processes,
    )
    wanting = problem.processes.told(lambda: list(map(bool, exact.lost | exact.unproved)))
    status = tuple(
        Status.TIME_LIMIT if not arcs.optimal else Status.UNCERTIFIED if uncertain else Status.CONVERGED
        for arcs, uncertain in zip(exact.arcs, wanting, strict=True)
    )
    coupling = problem.known(form.restore(exact))
    result = _result(coupling, problem, status, problem.handed(coupling))
    if progress is not None:
        progress.know(*map(float, exact.interval(0)))
        progress.report(now=True)
    return result, status


def _refuse(**entropic: Any) -> None:
    """Raise where something is asked for that exact problems do not have."""
    for name, given in entropic.items():
        if given is not None:
            raise WrongValueError(f"{name} belongs to entropic problems: give epsilon or blur with it")


def _told(progress: Any) -> Any:
    """Return a function that is told of progress, or None, or raise where it is neither."""
    if progress is not None and not callable(progress):
        raise WrongKindError(f"progress must be a function of (lower, upper, seconds), got {shown(progress)}")
    return progress


def _progress(progress: Any, problem: Problem) -> Progress | None:
    """Return what reports to a function, or raise where that is none or there are several problems."""
    if _told(progress) is None:
        return None
    if problem.pair.batched:
        raise WrongValueError(
            f"progress is of one problem, got a batch of {problem.pair.count}: solve them one by one, or leave it out"
        )
    return Progress(progress)


def _entropic(init: Transport | None, reach: Any) -> Coupling | None:
    """Return the coupling of a solution to start from."""
    if init is None:
        return None
    if not isinstance(init, Transport) or init._coupling.epsilon is None:
        raise WrongKindError(
            f"init must be an entropic solution returned by otgan.transport, got {shown(init)}: solve with epsilon first"
        )
    if reach is not None or not init._coupling.balanced:
        raise WrongValueError("init starts balanced problems from balanced ones: leave out init or reach")
    return init._coupling.entire


def _result(
    coupling: Coupling, problem: Problem, status: tuple[Status, ...], handed: Coupling | None = None
) -> Transport:
    """Return the result, whose coupling is the part of it that is handed back here, or the whole."""
    pair = problem.pair
    in_type(
        coupling.value, pair.x.dtype
    )  # a value that cannot be handed back is an error now, not when it is read
    return Transport(
        p=problem.cost.p,
        cost=problem.cost.name,
        status=status if pair.batched else status[0],
        _coupling=coupling if handed is None else handed,
        _form=Form.of(pair),
        _value=problem.value(coupling),
        _mass=(_copy(pair.x.mass), _copy(pair.y.mass)),
    )


def _copy(mass: Array) -> Array:
    """The totals as they are now, whatever becomes of the measure."""
    return namespace(mass).asarray(detached(mass), copy=True)
