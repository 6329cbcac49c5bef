"""Ground costs against SciPy, accurate where points nearly coincide, with an error that is bounded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from otgan.costs import Euclidean
from otgan.costs.squares import cost_matrix, squared_distances
from tests.problems import cloud, simplex_weights


def _batch(array):
    return torch.from_numpy(array)[None]


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("d", [1, 2, 3, 4, 784])
@pytest.mark.parametrize("exact", [False, True])
def test_costs_are_scipys(p, d, exact):
    x, y = cloud(9, d), cloud(7, d, seed=1)
    cost = cost_matrix(_batch(x), _batch(y), p, exact=exact)
    # Without `exact` the error is relative to the size of the clouds.
    size = float(max((x**2).sum(1).max(), (y**2).sum(1).max()))
    np.testing.assert_allclose(cost[0], cdist(x, y) ** p, rtol=1e-11, atol=0 if exact else 1e-14 * size)


@pytest.mark.parametrize("d", [2, 5, 100])
@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exact_costs_keep_coincident_and_near_points_apart(d, offset, dtype):
    # The expansion of the square alone would leave 1e-7 of the clouds' size here, or a negative square.
    x = torch.from_numpy(cloud(8, d) + offset)[None].to(dtype)
    y = x.clone()
    y[:, 4:, 0] += 0.5 if offset and dtype == torch.float32 else 1e-3
    truth = (x.double() - y.double()).square().sum(-1)[0]
    near = squared_distances(x, y, exact=True)[0].diagonal()
    assert (near[:4] == 0).all()
    np.testing.assert_allclose(near, truth, rtol=1e-3 if dtype == torch.float32 else 1e-10)


def test_exact_costs_of_many_near_points_are_corrected_in_parts():
    x = torch.zeros(1, 240, 100, dtype=torch.float64)
    x[0, :, 0] = 1e-4 * torch.arange(240) + 1e3
    far = torch.cat([x, -x], 1)  # a second cluster, so that the origin is near neither
    square = squared_distances(far, far, exact=True)[0, :240, :240]
    np.testing.assert_allclose(square, cdist(x[0, :, :1], x[0, :, :1], "sqeuclidean"), rtol=1e-9)


def test_costs_are_batched():
    x, y = (
        torch.from_numpy(cloud(12, 5)).reshape(3, 4, 5),
        torch.from_numpy(cloud(9, 5, seed=1)).reshape(3, 3, 5),
    )
    cost = cost_matrix(x, y, 1)
    assert cost.shape == (3, 4, 3)
    for k in range(3):
        np.testing.assert_allclose(cost[k], cdist(x[k], y[k]), rtol=1e-12)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_mean_cost_is_that_of_independent_draws(p):
    x, y = np.stack([cloud(8, 2), cloud(8, 2, seed=2)]), np.stack([cloud(6, 2, seed=1)] * 2) + 1e3
    a, b = simplex_weights(8), simplex_weights(6)
    weights = (torch.from_numpy(np.stack([w, w])) for w in (a, 5 * b))
    means = Euclidean(p).mean(torch.from_numpy(x), torch.from_numpy(y), *weights)
    np.testing.assert_allclose(means, [a @ cdist(x[k], y[k]) ** p @ b for k in range(2)], rtol=1e-12)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_near_pairs_pull_with_all_their_digits(p):
    x = torch.tensor([[[-0.4, 1.9], [0.3, -1.2]]], dtype=torch.float64)
    step = torch.tensor([3e-16, -4e-16], dtype=torch.float64)
    y = x + torch.stack([step, 1e7 * step])
    mass = torch.tensor([[[0.5, 0.0], [0.0, 0.5]]], dtype=torch.float64)
    cost = Euclidean(p)
    in_x, in_y = cost.gradients(x, y, mass.clone(), cost.block(x, y, direct=True))
    difference = x - y
    force = 0.5 * p * torch.linalg.vector_norm(difference, dim=2, keepdim=True) ** (p - 2)
    torch.testing.assert_close(in_x, force * difference, rtol=1e-12 if p < 2 else 1e-6, atol=1e-15)
    torch.testing.assert_close(in_y, -in_x, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("d", [2, 5, 80])
@pytest.mark.parametrize(("exact", "direct"), [(False, False), (True, False), (False, True)])
def test_errors_of_costs_are_within_their_bounds(p, d, exact, direct):
    far = np.concatenate([cloud(20, d), 1e8 + cloud(5, d, seed=2)])
    x, y = _batch(far), _batch(far + 1e-3 * cloud(25, d, seed=1))
    cost = cost_matrix(x, y, p, exact=exact, direct=direct)[0].numpy().astype(np.longdouble)
    error = Euclidean(p).error(x, y, direct=direct, exact=exact)
    wide = x[0].numpy().astype(np.longdouble)[:, None] - y[0].numpy().astype(np.longdouble)
    true = (wide**2).sum(2) ** (np.longdouble(p) / 2)
    bound = error.relative * true + error.x[0].numpy()[:, None] + error.y[0].numpy()
    assert (np.abs(cost - true) <= bound * (1 + 1e-6)).all()
