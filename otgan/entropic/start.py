"""Where a solver begins: potentials that something else has found."""

from __future__ import annotations

from dataclasses import dataclass

from otgan.namespace import Array

__all__ = ["Start"]


@dataclass(frozen=True, eq=False)
class Start:
    """Potentials of a batch of problems that a solver is to verify and finish.

    Attributes
    ----------
    f : Array, shape (B, n), or None
        Where nothing is known but g.
    g : Array, shape (B, m)
    passes : Array, shape (B,)
        Passes over a kernel that they took.
    """

    f: Array | None
    g: Array
    passes: Array
