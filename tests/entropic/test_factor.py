"""Cholesky factors, in either library."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otgan.entropic.factor import factorized, solved


@pytest.mark.parametrize("place", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_factor_solves_its_systems(place, dtype):
    rng = np.random.default_rng(0)
    root = rng.normal(size=(3, 6, 6))
    matrix = (root @ root.transpose(0, 2, 1) + np.eye(6)).astype(dtype)
    right = rng.normal(size=(3, 6)).astype(dtype)
    found = solved(factorized(place(matrix)), place(right))
    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(
        found, np.linalg.solve(matrix, right[..., None])[..., 0], rtol=tolerance, atol=tolerance
    )
    assert found.dtype == place(right).dtype


@pytest.mark.parametrize("place", [np.asarray, torch.from_numpy])
def test_one_that_is_not_positive_definite_has_none(place):
    matrices = np.stack([np.eye(2), -np.eye(2)])
    assert factorized(place(matrices)) is None
