"""Starters: kernels that solve whole problems at once, and whose result the solver verifies and finishes."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from otgan.entropic.problem import Limits, Problem
from otgan.entropic.start import Start
from otgan.geometry.base import Geometry
from otgan.namespace import Array

__all__ = ["STARTERS", "padding_is_free", "start_of", "start_of_self"]

STARTERS = {
    "compiled": "otgan.geometry.compiled.starter",
    "triton": "otgan.geometry.triton.starter",
}
"""Modules by the geometry that they belong to, imported when used.

Each has ``suits(problem)``, ``start(problem, first, limits)``, ``PADDING_IS_FREE``, and it may have
``start_of_self(problem, limits)``.
"""


def padding_is_free(problem: Problem) -> bool:
    """Whether problems of all sizes may go together: each lasts as long as it lasts, and its padding costs nothing."""
    starter = _starter(problem.geometry)
    return starter is not None and starter.PADDING_IS_FREE and bool(starter.suits(problem))


def start_of(problem: Problem, first: Array, limits: Limits) -> Start | None:
    """Solve the problems as well as a kernel can on its own.

    Parameters
    ----------
    problem : Problem
    first : Array, shape (B,)
        ε of the first stage.
    limits : Limits
        Where to stop. What was reached, the solver measures.

    Returns
    -------
    Start or None
        None where no kernel suits.
    """
    starter = _starter(problem.geometry)
    if starter is None or not starter.suits(problem):
        return None
    found: Start = starter.start(problem, first, limits)
    return found


def start_of_self(problem: Problem, limits: Limits) -> Start | None:
    """Do as :func:`start_of` for problems between measures and themselves."""
    starter = _starter(problem.geometry)
    if starter is None or not hasattr(starter, "start_of_self") or not starter.suits(problem):
        return None
    found: Start = starter.start_of_self(problem, limits)
    return found


def _starter(geometry: Geometry) -> Any:
    return import_module(STARTERS[geometry.name]) if geometry.name in STARTERS else None
