"""The cost that regularized transport moves samples by."""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.cost import cost_matrix

__all__ = ["ground_cost"]


def ground_cost(x: Tensor, y: Tensor, p: float) -> Tensor:
    """Costs ‖xᵢ − yⱼ‖₂^p of shape (n, m), differentiable also where points coincide (with the gradient 0)."""
    x, y = x.flatten(1), y.flatten(1)
    if p == 2:
        return cost_matrix(x[None], y[None], 2)[0]
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist") ** p
