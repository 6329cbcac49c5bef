"""The start from a sample of the points: it saves passes and changes no result."""

from __future__ import annotations

import pytest
import torch

import otgan
from otgan.entropic import coarse


@pytest.fixture
def clouds():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(600, 2, generator=generator, dtype=torch.float64)
    return x, 1.3 * torch.randn(500, 2, generator=generator, dtype=torch.float64) + 0.5


@pytest.fixture
def small_is_large(monkeypatch):
    monkeypatch.setattr(coarse, "_LARGE", 1)
    monkeypatch.setattr(coarse, "_POINTS", 200)


@pytest.mark.usefixtures("small_is_large")
@pytest.mark.parametrize("backend", ["dense", "streamed"])
def test_a_sample_gives_the_same_solution(clouds, backend, monkeypatch):
    x, y = clouds
    started = otgan.transport(x, y, epsilon=0.05, backend=backend)
    monkeypatch.setattr(coarse, "_LARGE", 2**62)
    annealed = otgan.transport(x, y, epsilon=0.05, backend=backend)
    assert started.converged
    assert annealed.converged
    assert started.value.item() == pytest.approx(annealed.value.item(), rel=1e-9)


@pytest.mark.usefixtures("small_is_large")
def test_a_sample_saves_passes(clouds, monkeypatch):
    x, y = clouds
    started = otgan.transport(x, y, epsilon=0.3, tol=1e-2)
    monkeypatch.setattr(coarse, "_LARGE", 2**62)
    annealed = otgan.transport(x, y, epsilon=0.3, tol=1e-2)
    assert started.iterations < annealed.iterations


@pytest.mark.usefixtures("small_is_large")
def test_a_misleading_sample_is_dropped(clouds):
    x, y = clouds
    # Nearly all the weight is on points that the sample is unlikely to hold.
    a = torch.full((len(x),), 1e-9, dtype=torch.float64)
    a[:3] = 1.0
    solved = otgan.transport(x, y, a, epsilon=0.01)
    assert solved.converged
    assert solved.lower <= otgan.emd(x, y, a, p=2) ** 2 + 1e-9 <= solved.upper + 2e-9


@pytest.mark.usefixtures("small_is_large")
def test_samples_leave_the_global_random_state_alone(clouds):
    state = torch.get_rng_state()
    otgan.transport(*clouds, epsilon=0.05)
    assert torch.equal(state, torch.get_rng_state())
