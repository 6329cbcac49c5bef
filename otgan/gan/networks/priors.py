"""The laws that latent vectors are drawn from."""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor

__all__ = ["Prior", "draw_noise"]


class Prior(StrEnum):
    """The law of each coordinate of a latent vector: N(0, 1), or uniform on [0, 1]."""

    NORMAL = "normal"
    UNIFORM = "uniform"

    @property
    def mean(self) -> float:
        """The mean of a coordinate."""
        return 0.0 if self is Prior.NORMAL else 0.5

    @property
    def variance(self) -> float:
        """The variance of a coordinate."""
        return 1.0 if self is Prior.NORMAL else 1 / 12


def draw_noise(n: int, latent: int, prior: Prior, rng: torch.Generator) -> Tensor:
    """Draw latent vectors of shape (n, latent)."""
    draw = torch.randn if prior == Prior.NORMAL else torch.rand
    return draw(n, latent, generator=rng, device=rng.device)
