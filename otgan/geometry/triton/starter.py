"""Whole solves of small problems on the chip, one launch for the whole batch: a start that the solver verifies."""

from __future__ import annotations

from torch import Tensor

from otgan.entropic.problem import Limits, Problem
from otgan.entropic.start import Start
from otgan.geometry.triton.geometry import TritonGeometry
from otgan.geometry.triton.points import Points
from otgan.geometry.triton.resident import FITS, solve_resident

__all__ = ["PADDING_IS_FREE", "start", "suits"]

PADDING_IS_FREE = True
"""A problem's block of the launch ends with it."""


def suits(problem: Problem) -> bool:
    """Whether the problems are small enough to stay on the chip."""
    return max(problem.geometry.shape[1:]) <= FITS


def start(problem: Problem, first: Tensor, limits: Limits) -> Start:
    """Solve the problems in float32.

    Parameters
    ----------
    problem : Problem
        Such that it suits.
    first : Tensor, shape (B,)
        ε of the first stage.
    limits : Limits
        Of which the tolerance is what to aim at.
    """
    geometry = problem.geometry
    assert isinstance(geometry, TritonGeometry)
    points = Points.of(*geometry.centered, geometry.rule.p, geometry.single)
    solved = solve_resident(points, problem.a, problem.b, problem.epsilon, start=first, tol=limits.tol)
    # Costs beyond float32 leave no number; such a problem starts like any other.
    return Start(None, solved.g.nan_to_num(0.0, 0.0, 0.0), solved.passes)
