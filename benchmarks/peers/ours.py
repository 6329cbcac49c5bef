"""otgan itself, as one contender among the others."""

from __future__ import annotations

import torch

import otgan
from benchmarks.peers.contender import Attempt, Contender, finite
from benchmarks.problems import Problem, marginal_error, plan_of
from benchmarks.timing import timed

__all__ = ["Otgan"]


class Otgan(Contender):
    """`otgan.transport`, from the samples."""

    name, package = "otgan", "otgan"

    def attempt(self, problem: Problem, tol: float, limit: float) -> Attempt:
        """Solve once; tol is the only knob, and the limit is not used."""
        del limit

        def run() -> otgan.Transport:
            return otgan.transport(
                problem.x, problem.y, epsilon=problem.epsilon, tol=tol, on_failure="ignore"
            )

        seconds, result = timed(run)
        error = finite(marginal_error(problem, plan_of(problem, result.f, result.g)))
        passes = int(torch.as_tensor(result.iterations).max())
        return Attempt(seconds, error, f"tol={tol:g}", run, passes)
