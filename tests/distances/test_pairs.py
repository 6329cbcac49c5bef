"""Means over all pairs: values and forces, in few dimensions and in many, where points nearly coincide."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from otgan.distances.pairs import mean_over_pairs, means_of_splits
from tests.problems import cloud, simplex_weights


@pytest.mark.parametrize("d", [1, 3, 8, 9, 60])
@pytest.mark.parametrize("near", [1e-3, 1e-9])
@pytest.mark.parametrize("distinct", [False, True])
def test_forces_are_sums_of_unit_vectors(d, near, distinct):
    x = cloud(9, d) + 1
    y = np.concatenate([x[:3], x[3:6] + near * cloud(3, d, seed=2), cloud(5, d, seed=1)])
    a, b = simplex_weights(9), simplex_weights(11)
    mass = np.outer(a, b) * (1 - np.eye(9, 11) if distinct else 1)
    apart = cdist(x, y)
    unit = (x[:, None] - y) / np.where(apart > 0, apart, 1)[..., None]
    given = [torch.from_numpy(each)[None].requires_grad_() for each in (x, y, a, b)]
    value = mean_over_pairs(*given, lambda distance: distance, distinct=distinct)
    value.sum().backward()
    assert value.item() == pytest.approx((mass * apart).sum(), rel=1e-13)
    force = mass[..., None] * unit
    np.testing.assert_allclose(given[0].grad[0], force.sum(1), atol=1e-8)
    np.testing.assert_allclose(given[1].grad[0], -force.sum(0), atol=1e-8)
    np.testing.assert_allclose(given[2].grad[0], (mass * apart).sum(1) / a, atol=1e-13)
    np.testing.assert_allclose(given[3].grad[0], (mass * apart).sum(0) / b, atol=1e-13)


@pytest.mark.parametrize("orders", [0, 6, 12])
@pytest.mark.parametrize("distinct", [False, True])
def test_means_of_splits_are_those_of_their_sides_whatever_the_weights(rng, monkeypatch, orders, distinct):
    n = 45
    x, w = rng.normal(size=(n, 2)), 10.0 ** -rng.uniform(0, orders, n)
    chosen = rng.random((n, 7)) < 0.4
    kernel = np.exp(-cdist(x, x)) * (1 - np.eye(n) if distinct else 1)
    first, second = chosen * w[:, None], ~chosen * w[:, None]
    expected = [
        ((p * (kernel @ q)).sum(0) / (p.sum(0) * q.sum(0)))
        for p, q in ((first, first), (second, second), (first, second))
    ]
    for tile in (2**20, 400):
        monkeypatch.setattr("otgan.distances.pairs._TILE", tile)
        monkeypatch.setattr("otgan.distances.pairs._TILE_OF_SPLITS", tile)
        found = means_of_splits(
            *(torch.from_numpy(each) for each in (x[None], w, chosen)),
            lambda distance: torch.exp(-distance),
            distinct=distinct,
        )
        np.testing.assert_allclose(found, expected, rtol=1e-11)
