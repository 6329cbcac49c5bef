"""The schedule of ε, shared by the balanced and the unbalanced solver."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["FACTOR", "levels"]

FACTOR = 4.0
"""ε falls by this factor from stage to stage."""


def levels(start: Tensor, epsilon: Tensor) -> Iterator[Tensor]:
    """Yield the ε of every stage before the last one, shape (B,): from max(start, ε) down, never below ε.

    All problems of a batch go through the stages together; one that needs fewer waits at its own ε.
    """
    level = torch.maximum(start, epsilon)
    while not bool((level <= epsilon).all()):
        yield level
        level = torch.maximum(level / FACTOR, epsilon)
