"""The peers, each at its best: POT, GeomLoss, OTT-JAX, behind one interface, beside otgan itself.

Every contender is given a problem, an L1 error to reach and a number of seconds, and turns its own knob (a threshold, a
number of iterations, a decay of ε) until the error reaches the goal. It answers with what a user would get: a plan or
potentials. The error is never taken from a contender: `benchmarks.problems.marginal_error` recomputes it in
float64. Conventions differ, and are undone here: GeomLoss halves the cost, so its ε is half of ours and its
potentials too; the potentials of OTT-JAX contain ε log a; POT regularizes by the entropy, which has the same plan.
"""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

import otgan
from benchmarks.problems import Problem, marginal_error, plan_of
from benchmarks.timing import LateError, at_most, timed

__all__ = ["Attempt", "Contender", "GeomLoss", "Otgan", "Ott", "Pot", "PotBatch", "field_of_peers", "has_jax"]

_FEW = 10
"""Iterations that no method needs fewer of: a peer which cannot make them in its time is not started."""


@dataclass(frozen=True)
class Attempt:
    """What a contender reached with its knob in one position.

    Attributes
    ----------
    seconds : float
        Wall time of the one warm run.
    error : float
        Recomputed L1 error of both marginals; inf where the answer is not finite or there is none.
    knob : str
        Where the knob stood.
    again : callable
        The run itself, to be timed again.
    passes : int, optional
        Passes over the kernel, where the contender reports them.
    words : str
        What is said where the error is inf.
    """

    seconds: float
    error: float
    knob: str
    again: Callable[[], Any]
    passes: int | None = None
    words: str = "(no finite answer)"


class Contender(ABC):
    """Something that solves an entropic problem."""

    name: str
    package: str

    @abstractmethod
    def attempt(self, problem: Problem, tol: float, limit: float) -> Attempt:
        """Return the fastest run whose error is at most `tol`, or else the best that about `limit` seconds gave."""


class Otgan(Contender):
    """`otgan.transport`, from the points: it computes the costs itself, which the peers are given."""

    name, package = "otgan", "otgan"

    def attempt(self, problem: Problem, tol: float, limit: float) -> Attempt:
        """Solve once; tol is the only knob, and the limit is not used."""

        def run() -> otgan.Transport:
            return otgan.transport(
                problem.x, problem.y, epsilon=problem.epsilon, tol=tol, on_failure="ignore"
            )

        seconds, result = timed(run)
        error = _finite(marginal_error(problem, plan_of(problem, result.f, result.g)))
        passes = int(torch.as_tensor(result.iterations).max())
        return Attempt(seconds, error, f"tol={tol:g}", run, passes)


@dataclass
class Pot(Contender):
    """`ot.sinkhorn` by one of its methods; the knob is ``stopThr``, an L2 error of the columns."""

    method: str
    name: str = field(init=False)
    package: str = "pot"
    _pace: dict[tuple[int, int], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = f"POT {self.method}"

    def attempt(self, problem: Problem, tol: float, limit: float) -> Attempt:
        """Tighten stopThr from what guarantees the L1 error of the columns."""
        import ot

        native = (lambda t: t.numpy()) if problem.x.device.type == "cpu" else (lambda t: t)
        a, b, cost = (native(t) for t in (problem.a, problem.b, problem.cost))
        epsilon = float(problem.epsilon)

        def solve(threshold: float, most: int) -> Any:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ot.sinkhorn(
                    a, b, cost, epsilon, method=self.method, numItermax=most, stopThr=threshold, warn=False
                )

        def error_of(plan: Any) -> float:
            return marginal_error(problem, torch.as_tensor(plan))

        # Greenkhorn changes one row or column at a time: what compares to an iteration is to change all.
        unit = sum(problem.shape) if self.method == "greenkhorn" else 1
        if problem.shape not in self._pace:
            try:
                with at_most(limit):
                    solve(0.0, 1)  # the first call of all imports and starts threads
                    few, more = (timed(partial(solve, 0.0, most * unit))[0] for most in (1, 1 + _FEW))
                self._pace[problem.shape] = max((more - few) / (_FEW * unit), 1e-6)
            except LateError:
                self._pace[problem.shape] = limit / unit
        most = int(limit / self._pace[problem.shape])
        if most < _FEW * unit:
            return _out_of_reach(unit * self._pace[problem.shape])
        first = tol / math.sqrt(problem.shape[1])
        return _tighten(lambda threshold: solve(threshold, most), error_of, "stopThr", first, tol, limit)


class PotBatch(Contender):
    """`ot.solve_batch` by one of its methods; the knob is ``tol``, the largest L2 error of the rows.

    The batch shares one ε, so every cost matrix is divided by its own.
    """

    package = "pot"

    def __init__(self, method: str) -> None:
        self.method, self.name = method, f"POT solve_batch, {method}"

    def attempt(self, problem: Problem, tol: float, limit: float) -> Attempt:
        """Tighten the tolerance from what guarantees the L1 error of the rows."""
        import ot

        cost = problem.cost / problem.epsilon[:, None, None]
        native = (lambda t: t.numpy()) if cost.device.type == "cpu" else (lambda t: t)
        cost_, a, b = (native(t) for t in (cost, problem.a, problem.b))

        def solve(threshold: float, most: int) -> Any:
            with np.errstate(all="ignore"):
                options = {"method": self.method, "max_iter": most, "tol": threshold, "grad": "detach"}
                return ot.solve_batch(cost_, 1.0, a, b, **options).plan

        pace = timed(lambda: solve(0.0, 20))[0] / 20
        most = max(_FEW, int(limit / pace))
        return _tighten(
            lambda threshold: solve(threshold, most),
            lambda plan: marginal_error(problem, torch.as_tensor(plan)),
            "tol",
            tol / math.sqrt(problem.shape[0]),
            tol,
            limit,
        )


@dataclass
class GeomLoss(Contender):
    """`geomloss.SamplesLoss` on stored costs; it has no tolerance: the knob is ``scaling``, the decay of ε."""

    name: str = "GeomLoss"
    package: str = "geomloss"
    _least: dict[tuple[int, ...], float] = field(default_factory=dict)

    def attempt(self, problem: Problem, tol: float, limit: float) -> Attempt:
        """Let ε decay ever more slowly until the error is small enough or the time is used up."""
        from geomloss import SamplesLoss

        epsilon = problem.epsilon
        if problem.batched:
            # One blur serves the whole batch: each problem is scaled so that ε is 2, which leaves its plan as it is.
            length = (epsilon / 2).sqrt()[:, None, None]
            x, y, blur = problem.x / length, problem.y / length, 1.0
        else:
            x, y, blur = problem.x, problem.y, math.sqrt(float(epsilon) / 2)

        def solve(scaling: float) -> tuple[Tensor, Tensor]:
            loss = SamplesLoss(
                "sinkhorn",
                p=2,
                blur=blur,
                scaling=scaling,
                debias=False,
                potentials=True,
                backend="tensorized",
            )
            with torch.no_grad():
                return loss(x, y)

        def error_of(potentials: tuple[Tensor, Tensor]) -> float:
            unit = 2 * epsilon[..., None] / (2 * blur**2)  # cost and ε of the loss, in units of ours
            f, g = (unit * potential.reshape(problem.x.shape[:-1]) for potential in potentials)
            return marginal_error(problem, plan_of(problem, f, g))

        shape = tuple(problem.cost.shape)
        if self._least.get(shape, 0.0) > limit:
            return _out_of_reach(self._least[shape] / _FEW)
        best: Attempt | None = None
        lag = 0.5  # 1 − scaling: the number of steps goes as its inverse
        while best is None or (best.error > tol and 3.2 * best.seconds < limit):
            run = partial(solve, 1 - lag)
            seconds, potentials = timed(run)
            best = Attempt(seconds, _finite(error_of(potentials)), f"scaling={1 - lag:g}", run)
            self._least.setdefault(shape, seconds)
            lag /= math.sqrt(10)
        return best


class Ott(Contender):
    """OTT-JAX's `Sinkhorn`, float64, compiled and warm; the knob is ``threshold``, an L1 error of the columns.

    Parameters
    ----------
    variant : {"plain", "anderson", "momentum", "scalings"}
        Log-domain steps; with Anderson acceleration of memory 5; with momentum 1.5; or steps on the kernel itself.
    cell_limit : float
        The largest limit that any attempt will be given.

    Attributes
    ----------
    compilations : list of float
        Seconds that each compilation took. They are in no other figure.
    """

    package = "ott-jax"

    def __init__(self, variant: str, cell_limit: float) -> None:
        self.variant, self.cell_limit, self.name = variant, cell_limit, f"OTT {variant}"
        self.compilations: list[float] = []
        self._pace: dict[tuple[int, ...], float] = {}
        self._compiled: dict[tuple[Any, ...], Callable[..., Any]] = {}

    def attempt(self, problem: Problem, tol: float, limit: float) -> Attempt:
        """Tighten the threshold from `tol`."""
        jax = _jax(problem.x.device.type)
        arrays = [
            jax.numpy.asarray(t.cpu().numpy()) for t in (problem.cost, problem.epsilon, problem.a, problem.b)
        ]
        shape = tuple(problem.cost.shape)
        if shape not in self._pace:
            few = self._solver(arrays, _FEW)
            self._pace[shape] = (
                min(timed(lambda: jax.block_until_ready(few(*arrays, 0.0)))[0] for _ in range(3)) / _FEW
            )
        most = int(limit / self._pace[shape])
        if most < _FEW:
            return _out_of_reach(self._pace[shape])
        # The number of iterations is compiled in: the whole of the cell's, or, in a race, a power of four.
        whole = max(_FEW, int(self.cell_limit / self._pace[shape]))
        solve = self._solver(arrays, min(_FEW * 4 ** math.ceil(math.log(most / _FEW, 4)), whole))

        def error_of(potentials: Any) -> float:
            f, g = (torch.from_numpy(np.array(potential)).to(problem.x.device) for potential in potentials)
            scale = problem.epsilon[..., None]
            f, g = f - scale * problem.a.log(), g - scale * problem.b.log()
            return marginal_error(problem, plan_of(problem, f, g))

        return _tighten(
            lambda threshold: jax.block_until_ready(solve(*arrays, threshold)),
            error_of,
            "threshold",
            tol,
            tol,
            limit,
        )

    def _solver(self, arrays: list[Any], most: int) -> Callable[..., Any]:
        key = (*arrays[0].shape, most)
        if key in self._compiled:
            return self._compiled[key]
        import jax
        from ott.geometry import geometry
        from ott.problems.linear import linear_problem
        from ott.solvers.linear import acceleration, sinkhorn

        anderson: Any = acceleration.AndersonAcceleration
        momentum: Any = acceleration.Momentum
        options: dict[str, Any] = {}
        if self.variant == "anderson":
            options["anderson"] = anderson(memory=5)
        elif self.variant == "momentum":
            options["momentum"] = momentum(value=1.5)
        elif self.variant == "scalings":
            options["lse_mode"] = False

        def solve(cost: Any, epsilon: Any, a: Any, b: Any, threshold: Any) -> tuple[Any, Any]:
            solver = sinkhorn.Sinkhorn(threshold=threshold, max_iterations=most, **options)
            geom = geometry.Geometry(cost_matrix=cost, epsilon=epsilon)
            out = solver(linear_problem.LinearProblem(geom, a, b))
            return out.f, out.g

        batched = arrays[0][0].ndim > 1
        compiled = jax.jit(jax.vmap(solve, in_axes=(0, 0, 0, 0, None)) if batched else solve)
        # Any threshold is passed after as few iterations as can be.
        seconds, _ = timed(lambda: jax.block_until_ready(compiled(*arrays, 1e30)))
        self.compilations.append(seconds)
        self._compiled[key] = compiled
        return compiled


def field_of_peers(device: str, cell_limit: float) -> list[Contender]:
    """Return the peers that can run here, those first that are often the fastest."""
    variants = ("anderson", "scalings", "plain", "momentum") if has_jax(device) else ()
    ott = [Ott(variant, cell_limit) for variant in variants]
    pot = ["sinkhorn", "sinkhorn_log", "sinkhorn_stabilized", "sinkhorn_epsilon_scaling", "greenkhorn"]
    return [*ott[:1], Pot(pot[0]), *ott[1:], GeomLoss(), *(Pot(method) for method in pot[1:])]


def _tighten(
    solve: Callable[[float], Any],
    error_of: Callable[[Any], float],
    knob: str,
    threshold: float,
    tol: float,
    limit: float,
) -> Attempt:
    """Look for the loosest threshold whose answer has an error of at most `tol`, in a few runs."""
    best: Attempt | None = None
    for _ in range(4):
        run = partial(solve, threshold)
        try:
            # Methods whose iterations differ in length can outlast every estimate.
            with at_most(2 * limit):
                seconds, answer = timed(run)
        except LateError:
            late = Attempt(2 * limit, math.inf, f"{knob}={threshold:.3g}", run, words="(stopped)")
            return late if best is None else best
        attempt = Attempt(seconds, _finite(error_of(answer)), f"{knob}={threshold:.3g}", run)
        if attempt.error <= tol:
            best = attempt if best is None or attempt.seconds < best.seconds else best
            if attempt.error > 0.4 * tol:
                break
            # Far better than asked for, which costs time; an error of exactly 0 says nothing about how much.
            threshold *= min(0.8 * tol / max(attempt.error, 1e-3 * tol), 50.0)
        elif best is not None:
            break
        else:
            best_so_far = attempt
            if seconds > 0.5 * limit or not math.isfinite(attempt.error):
                return best_so_far
            threshold *= 0.7 * tol / attempt.error
    return attempt if best is None else best


def _out_of_reach(pace: float) -> Attempt:
    def never() -> None:
        raise RuntimeError("a peer that cannot make ten iterations in its time was to be timed")

    return Attempt(_FEW * pace, math.inf, "", never, words=f"for {_FEW} iterations")


def _finite(error: float) -> float:
    return error if math.isfinite(error) else math.inf


@cache
def _jax(device: str) -> Any:
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_default_device", jax.devices("gpu" if device == "cuda" else "cpu")[0])
    return jax


def has_jax(device: str) -> bool:
    """Whether OTT-JAX can run on a device here."""
    try:
        _jax(device)
    except (ImportError, RuntimeError):  # not installed, or without support for this device
        return False
    return True
