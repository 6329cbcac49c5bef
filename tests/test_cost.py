"""Ground costs against SciPy, accurate where points nearly coincide, and the conventions of scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from otgan.cost import check_power, cost_matrix, mean_cost, resolve_epsilon, resolve_reach, squared_distances
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
    means = mean_cost(torch.from_numpy(x), torch.from_numpy(y), *weights, p)
    np.testing.assert_allclose(means, [a @ cdist(x[k], y[k]) ** p @ b for k in range(2)], rtol=1e-12)


def test_epsilon_blur_and_reach():
    assert resolve_epsilon(None, None, 2) is None
    assert resolve_epsilon(0.3, None, 2) == pytest.approx(0.3)
    for p in (1.0, 1.5, 2.0):
        assert resolve_epsilon(None, 0.3, p).item() == pytest.approx(p * 0.3**p)
        assert resolve_reach(0.3, p).item() == pytest.approx(p * 0.3**p)
    assert resolve_reach(None, 2) is None
    assert resolve_epsilon([0.1, 0.2], None, 2).tolist() == [0.1, 0.2]


@pytest.mark.parametrize("p", [0.99, 0, -1, np.inf, np.nan, True, "2", None])
def test_powers_that_are_none_are_named(p):
    with pytest.raises(ValueError, match="p must be a finite number >= 1"):
        check_power(p)


def test_powers_of_other_types_are_numbers_too():
    assert check_power(1) == 1.0
    assert check_power(np.float64(1.5)) == 1.5
    assert check_power(np.int64(2)) == 2.0
    assert check_power(np.float32(1.5)) == 1.5
