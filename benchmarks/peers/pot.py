"""POT: `ot.sinkhorn` by each of its methods, in a loop over a batch, and its functions of whole batches."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.costs import quickest
from benchmarks.peers.contender import (
    FEW,
    Attempt,
    Contender,
    Deadline,
    iterated,
    out_of_reach,
    scaled,
    tighten,
)
from benchmarks.problems import Problem, marginal_error
from benchmarks.timing import LateError, at_most, timed

__all__ = ["Pot", "PotBatch", "PotLoop"]

_PROBE = 20
"""Iterations that show how long one of a batch takes."""

_LEAST = 1e-7
"""Seconds below which an iteration cannot be timed."""


@dataclass
class Pot(Contender):
    """`ot.sinkhorn` by one of its methods; the knob is ``stopThr``, an L2 error of the columns."""

    method: str
    name: str = field(init=False)
    package: str = "pot"
    _pace: dict[tuple[int, ...], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = f"POT {self.method}"

    def attempt(self, problem: Problem, tol: float, limit: float) -> Attempt:
        """Tighten stopThr from what guarantees the L1 error of the columns."""
        native, costs = _native(problem), quickest(problem)
        a, b, epsilon = native(problem.a), native(problem.b), float(problem.epsilon)

        def solve(threshold: float, most: int) -> Any:
            return _sinkhorn(a, b, native(costs(problem)), epsilon, self.method, most, threshold)

        # Greenkhorn changes one row or column at a time: what compares to an iteration is to change all.
        unit = sum(problem.shape) if self.method == "greenkhorn" else 1
        if problem.shape not in self._pace:
            expected = scaled(self._pace, problem.shape) or 0.0
            if FEW * expected > limit:
                return out_of_reach(expected)
            try:
                with at_most(limit):
                    cost = native(problem.cost)
                    _sinkhorn(a, b, cost, epsilon, self.method, 1, 0.0)  # imports, and starts threads
                    few, more = (
                        timed(partial(_sinkhorn, a, b, cost, epsilon, self.method, most * unit, 0.0))[0]
                        for most in (1, 1 + FEW)
                    )
                self._pace[problem.shape] = max((more - few) / FEW, _LEAST)
            except LateError:
                # How long it takes is not known; with more time it is tried anew.
                return out_of_reach(limit / FEW)
        pace = self._pace[problem.shape]
        found = tighten(
            lambda threshold, left: iterated(solve, pace / unit, threshold, left, unit),
            lambda plan: marginal_error(problem, torch.as_tensor(plan)),
            "stopThr",
            tol / math.sqrt(problem.shape[1]),
            tol,
            Deadline(limit),
        )
        return found or out_of_reach(pace)


class PotLoop(Contender):
    """A loop of `ot.sinkhorn` over the problems of a batch, all with one ``stopThr``."""

    package = "pot"

    def __init__(self, method: str) -> None:
        self.method, self.name = method, f"POT {method}, in a loop"

    def attempt(self, problem: Problem, tol: float, limit: float) -> Attempt:
        """Tighten stopThr from what guarantees the L1 error of the columns of every problem."""
        native, costs = _native(problem), quickest(problem)
        deadline = Deadline(limit)
        a, b = native(problem.a), native(problem.b)
        epsilon = [float(e) for e in problem.epsilon]

        def solve(threshold: float, most: int) -> list[Any]:
            return [
                _sinkhorn(a[k], b[k], cost, epsilon[k], self.method, most, threshold)
                for k, cost in enumerate(native(costs(problem)))
            ]

        pace = timed(lambda: solve(0.0, _PROBE))[0] / _PROBE
        found = tighten(
            lambda threshold, left: iterated(solve, pace, threshold, left),
            lambda plans: marginal_error(problem, torch.as_tensor(np.stack(plans))),
            "stopThr",
            tol / math.sqrt(problem.shape[1]),
            tol,
            deadline,
        )
        return found or out_of_reach(pace)


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

        native, costs = _native(problem), quickest(problem)
        deadline = Deadline(limit)
        a, b, scale = native(problem.a), native(problem.b), problem.epsilon[:, None, None]

        def solve(threshold: float, most: int) -> Any:
            with np.errstate(all="ignore"):
                options = {"method": self.method, "max_iter": most, "tol": threshold, "grad": "detach"}
                return ot.solve_batch(native(costs(problem).div_(scale)), 1.0, a, b, **options).plan

        pace = timed(lambda: solve(0.0, _PROBE))[0] / _PROBE
        found = tighten(
            lambda threshold, left: iterated(solve, pace, threshold, left),
            lambda plan: marginal_error(problem, torch.as_tensor(plan)),
            "tol",
            tol / math.sqrt(problem.shape[0]),
            tol,
            deadline,
        )
        return found or out_of_reach(pace)


def _native(problem: Problem) -> Any:
    """Return what makes of a tensor the array that POT is fastest on: NumPy's on the CPU."""
    on_cpu = problem.x.device.type == "cpu"

    def native(tensor: Tensor) -> Any:
        return tensor.numpy() if on_cpu else tensor

    return native


def _sinkhorn(a: Any, b: Any, cost: Any, epsilon: float, method: str, most: int, threshold: float) -> Any:
    import ot

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ot.sinkhorn(a, b, cost, epsilon, method=method, numItermax=most, stopThr=threshold, warn=False)
