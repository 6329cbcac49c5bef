"""Where a solver begins: potentials that something else has found."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

__all__ = ["Start"]


@dataclass(frozen=True, eq=False)
class Start:
    """Potentials of a batch of problems that a solver is to verify and finish.

    Attributes
    ----------
    f : Tensor, shape (B, n), or None
        Where nothing is known but g.
    g : Tensor, shape (B, m)
    passes : Tensor, shape (B,)
        Passes over a kernel that they took.
    """

    f: Tensor | None
    g: Tensor
    passes: Tensor
