"""GeomLoss, on stored costs that it computes from the samples."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from benchmarks.peers.contender import FEW, Attempt, Contender, Deadline, finite, out_of_reach, scaled
from benchmarks.problems import Problem, marginal_error, plan_of
from benchmarks.timing import timed

__all__ = ["GeomLoss"]

_LAG = 0.5
"""1 − scaling of the first run: the number of steps goes as its inverse."""

_SLOWER = math.sqrt(10)
"""By how much the decay of ε is slowed down from one run to the next, and that run with it."""


@dataclass
class GeomLoss(Contender):
    """`geomloss.SamplesLoss`; it has no tolerance: the knob is ``scaling``, the decay of ε.

    It halves the cost, so its ε is half of ours, and its potentials too.
    """

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

        # Of its time, the number of pairs tells more than the dimension.
        shape = tuple(problem.cost.shape)
        if shape not in self._least:
            expected = scaled(self._least, shape) or 0.0
            if expected > limit:
                return out_of_reach(expected / FEW)
            solve(_LAG)  # what a first call takes is not what it takes
            self._least[shape] = timed(partial(solve, _LAG))[0]
        deadline = Deadline(limit)
        if self._least[shape] > limit:
            return out_of_reach(self._least[shape] / FEW)
        best: Attempt | None = None
        lag = _LAG
        while best is None or (best.error > tol and _SLOWER * best.seconds < deadline.left):
            run = partial(solve, 1 - lag)
            seconds, potentials = timed(run)
            best = Attempt(seconds, finite(error_of(potentials)), f"scaling={1 - lag:g}", run)
            lag /= _SLOWER
        return best
