"""The level of potentials: shifts that leave the plan as it is."""

import numpy as np
import pytest
import torch

import otgan
from otgan.costs import Euclidean
from otgan.entropic import gauge
from otgan.entropic.gauge import leveled
from otgan.geometry import make_geometry
from tests.problems import cloud


def _clusters(far):
    x = np.concatenate([cloud(5, 2), far + cloud(4, 2, seed=1)])
    return torch.from_numpy(x)[None], torch.from_numpy(x + 0.1)[None]


def test_each_cluster_has_its_own_level():
    x, y = _clusters(1e3)
    geometry = make_geometry("dense", x, y, Euclidean(2.0), direct=True)
    a = torch.full((1, 9), 1 / 9, dtype=torch.float64)
    epsilon = torch.tensor([0.1], dtype=torch.float64)
    t = otgan.transport(x[0], y[0], epsilon=0.1, tol=1e-10)
    f, g = t.f[None].clone(), t.g[None].clone()
    f[:, 5:] += 1e5
    g[:, 5:] -= 1e5
    level_f, level_g = leveled(geometry, a, a, epsilon, f, g)
    for part in (slice(0, 5), slice(5, 9)):
        assert level_f[0, part].sum().item() == pytest.approx(level_g[0, part].sum().item(), abs=1e-8)
    plans = [geometry.plan(epsilon, *each, a, a) for each in ((f, g), (level_f, level_g))]
    torch.testing.assert_close(plans[0], plans[1], rtol=0, atol=1e-9)


def test_one_cluster_is_left_as_it_is():
    x, y = torch.from_numpy(cloud(6, 2))[None], torch.from_numpy(cloud(5, 2, seed=1))[None]
    geometry = make_geometry("dense", x, y, Euclidean(2.0))
    a, b = torch.full((1, 6), 1 / 6).double(), torch.full((1, 5), 0.2).double()
    f, g = torch.ones(1, 6).double(), torch.zeros(1, 5).double()
    found = leveled(geometry, a, b, torch.tensor([2.0]).double(), f, g)
    assert found[0] is f
    assert found[1] is g


def test_each_problem_of_a_batch_has_its_own_clusters():
    (far_x, far_y), (near_x, near_y) = _clusters(1e3), _clusters(1.0)
    x, y = torch.cat([near_x, far_x]), torch.cat([near_y, far_y])
    geometry = make_geometry("dense", x, y, Euclidean(2.0), direct=True)
    a = torch.full((2, 9), 1 / 9, dtype=torch.float64)
    t = otgan.transport(x, y, epsilon=0.1, tol=1e-10)
    f, g = t.f.clone(), t.g.clone()
    f[:, 5:] += 1e-6
    g[:, 5:] -= 1e-6
    level_f, level_g = leveled(geometry, a, a, torch.tensor([0.1, 0.1]).double(), f, g)
    assert torch.equal(level_f[0], f[0])
    assert torch.equal(level_g[0], g[0])
    for part in (slice(0, 5), slice(5, 9)):
        assert level_f[1, part].sum().item() == pytest.approx(level_g[1, part].sum().item(), abs=1e-9)
    assert abs(f[1, 5:].sum() - g[1, 5:].sum()).item() > 1e-6


def test_clusters_are_not_looked_for_among_more_costs_than_that(monkeypatch):
    x, y = _clusters(1e3)
    geometry = make_geometry("dense", x, y, Euclidean(2.0), direct=True)
    a = torch.full((1, 9), 1 / 9, dtype=torch.float64)
    epsilon, zero = torch.tensor([0.1], dtype=torch.float64), torch.zeros(1, 9, dtype=torch.float64)
    f = torch.cat([zero[:, :5], zero[:, 5:] + 1e5], 1)
    for entries, moved in ((81, True), (80, False)):
        monkeypatch.setattr(gauge, "_ENTRIES", entries)
        found = leveled(geometry, a, a, epsilon, f, f - 2 * f)
        assert (found[0] is not f) == moved
        assert (found[0] == f).all() == (not moved)


def test_potentials_of_far_clusters_are_small():
    x, y = _clusters(1e9)
    t = otgan.transport(x[0], y[0], epsilon=0.01)
    assert t.converged
    assert float(t.f.abs().max()) < 100
    assert t.value.item() == pytest.approx(0.02 + 0.01 * np.log(9), abs=1e-3)
