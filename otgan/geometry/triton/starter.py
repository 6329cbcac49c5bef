"""Whole solves of small problems on the chip, one launch for the whole batch: a start that the solver verifies."""

from __future__ import annotations

from torch import Tensor

from otgan.geometry.triton.geometry import TritonGeometry
from otgan.geometry.triton.points import Points
from otgan.geometry.triton.resident import FITS, solve_resident

__all__ = ["start", "suits"]


def suits(geometry: TritonGeometry) -> bool:
    """Whether the problems are small enough to stay on the chip."""
    return max(geometry.shape[1:]) <= FITS


def start(
    geometry: TritonGeometry, a: Tensor, b: Tensor, epsilon: Tensor, first: Tensor, tol: float
) -> tuple[Tensor, Tensor]:
    """Solve the problems in float32.

    Parameters
    ----------
    geometry : TritonGeometry
        Of problems that suit.
    a, b : Tensor, shapes (B, n) and (B, m), float64
    epsilon, first : Tensor, shape (B,)
        ε to reach, and that of the first stage.
    tol : float
        L1 marginal error to aim at.

    Returns
    -------
    tuple of Tensor
        Potentials g, shape (B, m), float64, to start from at ε itself, and the passes taken, shape (B,).
    """
    points = Points.of(*geometry.centered, geometry.rule.p, geometry.single)
    solved = solve_resident(points, a, b, epsilon, start=first, tol=tol)
    # Costs beyond float32 leave no number; such a problem starts like any other.
    return solved.g.nan_to_num(0.0, 0.0, 0.0), solved.passes
