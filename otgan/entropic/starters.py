"""Starters: kernels that solve whole problems at once, and whose result the solver verifies and finishes."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from torch import Tensor

from otgan.entropic.problem import Problem
from otgan.geometry.base import Geometry

__all__ = ["STARTERS", "is_started_whole", "start_of"]

STARTERS = {"triton": "otgan.geometry.triton.starter"}
"""Modules with a `start` and a `suits`, by the geometry that they belong to, imported when used."""

Start = Callable[[Geometry, Tensor, Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor]]


def is_started_whole(geometry: Geometry) -> bool:
    """Whether one launch starts all problems of a batch, each for as long as it lasts: then padding costs nothing."""
    if geometry.name not in STARTERS:
        return False
    suits: Callable[[Geometry], bool] = import_module(STARTERS[geometry.name]).suits
    return suits(geometry)


def start_of(problem: Problem, first: Tensor, tol: float) -> tuple[Tensor, Tensor] | None:
    """Solve the problems as well as a kernel can on its own.

    Parameters
    ----------
    problem : Problem
    first : Tensor, shape (B,)
        ε of the first stage.
    tol : float
        L1 marginal error to aim at. What was reached, the solver measures.

    Returns
    -------
    tuple of Tensor, shapes (B, m) and (B,), or None
        Potentials g and the passes that they took; None where no kernel suits.
    """
    if not is_started_whole(problem.geometry):
        return None
    start: Start = import_module(STARTERS[problem.geometry.name]).start
    return start(problem.geometry, problem.a, problem.b, problem.epsilon, first, tol)
