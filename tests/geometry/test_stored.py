"""Geometries that store the costs, of tensors and of arrays: when they do and what they make of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otgan.costs import Euclidean
from otgan.costs.cityblock import Cityblock
from otgan.geometry.compiled import CompiledGeometry
from otgan.geometry.dense import DenseGeometry
from otgan.geometry.stored import SMALL
from otgan.namespace import as_numpy

RNG = np.random.default_rng(0)


def made(kind, n, m, rule, batch=2, d=3):
    """A geometry between random points."""
    x, y = RNG.normal(size=(batch, n, d)), RNG.normal(size=(batch, m, d))
    return kind(x, y, rule) if kind is CompiledGeometry else kind(*map(torch.from_numpy, (x, y)), rule)


@pytest.mark.parametrize("kind", [DenseGeometry, CompiledGeometry])
@pytest.mark.parametrize("rule", [Euclidean(2.0), Cityblock(1.0)])
@pytest.mark.parametrize("n", [5, 60])
def test_the_mean_is_that_of_the_costs_by_moments_and_without(kind, rule, n):
    geometry = made(kind, n, 70, rule)
    a, b = RNG.uniform(1, 2, (2, n)), RNG.uniform(1, 2, (2, 70))
    given = (a, b) if kind is CompiledGeometry else (torch.from_numpy(a), torch.from_numpy(b))
    shares = a / a.sum(1, keepdims=True), b / b.sum(1, keepdims=True)
    mean = np.einsum("ki,kij,kj->k", shares[0], as_numpy(geometry.cost), shares[1])
    np.testing.assert_allclose(geometry.mean_cost(*given), mean, rtol=1e-12)


@pytest.mark.parametrize("kind", [DenseGeometry, CompiledGeometry])
def test_tiles_and_parts_are_those_of_the_costs_which_are_computed_once(kind, monkeypatch):
    geometry = made(kind, 6, 4, Euclidean(2.0))
    whole = as_numpy(geometry.cost).copy()
    monkeypatch.setattr("otgan.geometry.stored.rows_per_tile", lambda batch, columns: 4)
    monkeypatch.setattr(kind, "block", None)  # what is stored is not asked for again
    tiles = [(rows, as_numpy(cost)) for rows, cost in geometry.tiles()]
    assert [rows for rows, _ in tiles] == [slice(0, 4), slice(4, 8)]
    np.testing.assert_array_equal(np.concatenate([cost for _, cost in tiles], 1), whole)
    keep = np.array([1]) if kind is CompiledGeometry else torch.tensor([1])
    np.testing.assert_array_equal(as_numpy(geometry.take(keep).cost), whole[1:])


@pytest.mark.parametrize("kind", [DenseGeometry, CompiledGeometry])
def test_kernels_are_single_where_that_serves_and_saves(kind):
    side = round(SMALL**0.5)
    small, large = made(kind, side, side, Euclidean(2.0), 1), made(kind, side + 1, side, Euclidean(2.0), 1)
    assert [small.is_single(tol) for tol in (1e-9, 1e-3)] == [False, False]
    assert [large.is_single(tol) for tol in (1e-9, 1e-3)] == [False, True]
