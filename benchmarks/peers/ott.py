"""OTT-JAX, compiled and warm, by each of its settings."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import torch

from benchmarks.costs import quickest
from benchmarks.peers.contender import FEW, Attempt, Contender, Deadline, Trial, out_of_reach, scaled, tighten
from benchmarks.problems import Problem, marginal_error, plan_of
from benchmarks.timing import timed

__all__ = ["VARIANTS", "Ott", "has_jax"]

VARIANTS = ("anderson", "scalings", "plain", "momentum")
"""The settings, those first that are often the fastest."""

_ANY = 1e30
"""A threshold that any error is below, after as few iterations as can be."""


class Ott(Contender):
    """OTT-JAX's `Sinkhorn` in float64; the knob is ``threshold``, an L1 error of the columns.

    Its potentials contain ε log a.

    Parameters
    ----------
    variant : {"plain", "anderson", "momentum", "scalings"}
        Log-domain steps; with Anderson acceleration of memory 5; with momentum 1.5; or steps on the kernel itself.

    Attributes
    ----------
    compilations : list of float
        Seconds that each compilation took. They are in no other figure.
    """

    package = "ott-jax"

    def __init__(self, variant: str) -> None:
        self.variant, self.name = variant, f"OTT {variant}"
        self.compilations: list[float] = []
        self._pace: dict[tuple[int, ...], float] = {}
        self._compiled: dict[tuple[Any, ...], Callable[..., Any]] = {}

    def attempt(self, problem: Problem, tol: float, limit: float) -> Attempt:
        """Tighten the threshold from `tol`."""
        jax, costs = _jax(problem.x.device.type), quickest(problem)
        fixed = [jax.numpy.asarray(t.cpu().numpy()) for t in (problem.epsilon, problem.a, problem.b)]

        def arrays() -> list[Any]:
            # The capsule shares the memory of the tensor: the matrix is not copied.
            return [jax.dlpack.from_dlpack(costs(problem)), *fixed]

        shape = tuple(problem.cost.shape)
        if shape not in self._pace:
            expected = scaled(self._pace, shape) or 0.0
            if FEW * expected > limit:
                return out_of_reach(expected)
            given = arrays()
            few = self._solver(given, FEW)
            self._pace[shape] = timed(lambda: jax.block_until_ready(few(*given, 0.0)))[0] / FEW

        def trial(threshold: float, left: float) -> Trial | None:
            deadline, most, done = _Patient(self, left), 0, None
            # The number of iterations is compiled in: a few of them are, rather than each that there is time for.
            while (more := _rounded(deadline.left / self._pace[shape])) > most:
                most, solve = more, self._solver(arrays(), more)
                run = partial(_solved, solve, arrays, threshold)
                seconds, (potentials, count) = timed(run)
                self._pace[shape] = min(self._pace[shape], seconds / count)
                done = Trial(seconds, potentials, run, cut=count >= most)
                if not done.cut:
                    break
            return done

        def error_of(potentials: Any) -> float:
            f, g = (torch.from_numpy(np.array(potential)).to(problem.x.device) for potential in potentials)
            scale = problem.epsilon[..., None]
            f, g = f - scale * problem.a.log(), g - scale * problem.b.log()
            return marginal_error(problem, plan_of(problem, f, g))

        found = tighten(trial, error_of, "threshold", tol, tol, _Patient(self, limit), stop=False)
        return found or out_of_reach(self._pace[shape])

    def _solver(self, arrays: list[Any], most: int) -> Callable[..., Any]:
        key = (*arrays[0].shape, arrays[0].dtype, most)
        if key in self._compiled:
            return self._compiled[key]
        import jax
        from ott.geometry import geometry
        from ott.problems.linear import linear_problem
        from ott.solvers.linear import sinkhorn

        options = self._options()

        def solve(cost: Any, epsilon: Any, a: Any, b: Any, threshold: Any) -> tuple[Any, Any, Any]:
            solver = sinkhorn.Sinkhorn(threshold=threshold, max_iterations=most, **options)
            geom = geometry.Geometry(cost_matrix=cost, epsilon=epsilon)
            out = solver(linear_problem.LinearProblem(geom, a, b))
            return out.f, out.g, out.n_iters

        batched = arrays[0][0].ndim > 1
        compiled = jax.jit(jax.vmap(solve, in_axes=(0, 0, 0, 0, None)) if batched else solve)
        seconds, _ = timed(lambda: jax.block_until_ready(compiled(*arrays, _ANY)))
        self.uncounted += seconds
        self.compilations.append(seconds)
        self._compiled[key] = compiled
        return compiled

    def _options(self) -> dict[str, Any]:
        from ott.solvers.linear import acceleration

        anderson: Any = acceleration.AndersonAcceleration
        momentum: Any = acceleration.Momentum
        options: dict[str, dict[str, Any]] = {
            "plain": {},
            "anderson": {"anderson": anderson(memory=5)},
            "momentum": {"momentum": momentum(value=1.5)},
            "scalings": {"lse_mode": False},
        }
        return options[self.variant]


class _Patient(Deadline):
    """A deadline that compilations do not bring nearer."""

    def __init__(self, peer: Ott, seconds: float) -> None:
        super().__init__(seconds)
        self._peer, self._before = peer, peer.uncounted

    @property
    def left(self) -> float:
        """Seconds left, by the clock in use."""
        return super().left + self._peer.uncounted - self._before


def _solved(
    solve: Callable[..., Any], arrays: Callable[[], list[Any]], threshold: float
) -> tuple[tuple[Any, Any], int]:
    f, g, count = solve(*arrays(), threshold)
    # Of a batch, the iterations of the slowest; they are known when all is done.
    return (f, g), int(count.max())


def _rounded(iterations: float) -> int:
    """Return the nearest smaller of 10, 20, 40, ... iterations; 0 below."""
    return FEW * 2 ** int(math.log2(iterations / FEW)) if iterations >= FEW else 0


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
        import ott  # noqa: F401
    except (ImportError, RuntimeError):  # not installed, or without support for this device
        return False
    return True
