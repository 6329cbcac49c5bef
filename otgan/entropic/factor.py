"""Cholesky factors of a batch of symmetric positive definite systems, in either library."""

from __future__ import annotations

from typing import Any

import numpy as np

from otgan.blas import own_threads
from otgan.namespace import Array, is_tensor, namespace

__all__ = ["factorized", "solved"]


def factorized(matrix: Array) -> Array | None:
    """Return the lower factors L of matrices L Lᵀ, shape (B, m, m); None where one of them is not positive definite."""
    if is_tensor(matrix):
        import torch

        factor, info = torch.linalg.cholesky_ex(matrix)
        return None if bool((info > 0).any()) else factor
    try:
        with own_threads():
            return np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return None


def solved(factor: Array, right: Array) -> Array:
    """Solve L Lᵀ z = r for right-hand sides of shape (B, m)."""
    if is_tensor(factor):
        import torch

        found: Array = torch.cholesky_solve(right[..., None], factor)[..., 0]
        return found
    return namespace(right).stack([_solved(*both) for both in zip(factor, right, strict=True)])


def _solved(factor: Any, right: Any) -> Any:
    from scipy.linalg import cho_solve  # here: most problems need no factor

    return cho_solve((factor, True), right, check_finite=False)
