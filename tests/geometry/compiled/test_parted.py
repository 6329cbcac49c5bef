"""Kernels in two parts, held to the whole kernel in float64."""

import numpy as np
import pytest
import torch

from otgan.costs import Euclidean
from otgan.geometry import make_geometry
from otgan.geometry.compiled import parted
from otgan.geometry.kernel import Turn

RULE = Euclidean(2.0)


@pytest.fixture(autouse=True)
def sparse_enough(monkeypatch):
    """Take plans of few points for sparse."""
    monkeypatch.setattr(parted, "_MOST", 0.2)


def case(n=300, m=280, *, decades=0.0, zeros=0, far=0.0, seed=0):
    """Return a geometry, ε, potentials that are nearly right, weights, and the kernel in float64."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((1, n, 2)), rng.standard_normal((1, m, 2))
    x[:, : n // 2] += far
    y[:, : m // 2] += far
    x[:, 1], y[:, 1] = x[:, 0], y[:, 0]  # duplicates
    a, b = (10.0 ** -(decades * rng.random((1, k))) for k in (n, m))
    a[:, :zeros] = 0
    a, b = a / a.sum(), b / b.sum()
    epsilon = np.array([0.005])
    geometry = make_geometry("compiled", x, y, RULE)
    g = np.zeros_like(b)
    for _ in range(20):
        f = geometry.softmin(epsilon, g + epsilon[:, None] * np.log(b), 1)
        g = geometry.softmin(epsilon, f + epsilon[:, None] * np.log(a), 0)
    f = np.where(a == 0, -np.inf, f)
    kernel = np.exp((f[:, :, None] + g[:, None] - geometry.cost) / epsilon)
    return geometry, epsilon, f, g, a, b, kernel


@pytest.fixture(autouse=True)
def _quiet():
    """Keep warnings of floating point off, as every public function does."""
    with np.errstate(all="ignore"):
        yield


CASES = [{}, {"decades": 12}, {"zeros": 7}, {"far": 100.0}, {"n": 301, "m": 500}, {"n": 500, "m": 203}]


@pytest.mark.usefixtures("many_pieces")
@pytest.mark.parametrize("shape", CASES)
def test_products_are_those_of_the_whole_kernel_in_float64(shape):
    geometry, epsilon, f, g, a, b, kernel = case(**shape)
    found = geometry.parted(epsilon, f, g, a, b, 1e-7)
    assert found.dtype == np.float64
    sums, back = found.through(b, Turn(a, divides=True))
    true = (kernel @ b[..., None])[..., 0]
    turned = np.where(a == 0, 0, a / true)
    np.testing.assert_allclose(sums, true, rtol=1e-11, atol=0)
    np.testing.assert_allclose(back, (turned[:, None] @ kernel)[:, 0], rtol=1e-11, atol=0)
    np.testing.assert_allclose(found(b, 1), true, rtol=1e-11, atol=0)
    np.testing.assert_allclose(found(a, 0), (a[:, None] @ kernel)[:, 0], rtol=1e-11, atol=1e-300)
    _, back = found.through(b, Turn(a, divides=False))
    np.testing.assert_allclose(back, ((a * true)[:, None] @ kernel)[:, 0], rtol=1e-11, atol=0)


@pytest.mark.parametrize("shape", CASES)
@pytest.mark.parametrize("least", [1e-9, 1e-5, 1e-2])
def test_the_parts_are_the_heavy_entries_and_the_others(shape, least):
    geometry, epsilon, f, g, a, b, kernel = case(**shape)
    found = geometry.parted(epsilon, f, g, a, b, least)
    share = (kernel * np.maximum(a[:, :, None], b[:, None]))[0]
    rows = np.repeat(np.arange(len(found.rest)), np.diff(found.core.ends))
    heavy = np.zeros(found.rest.shape, bool)
    heavy[rows, found.core.index] = True
    assert (share[heavy] > 0.999 * least).all()
    assert (share[~heavy] < 1.001 * least).all()
    assert (found.rest[heavy] == 0).all()
    np.testing.assert_allclose(found.core.value, kernel[0][heavy], rtol=1e-12)
    tiny = 1e-29
    np.testing.assert_allclose(found.rest[~heavy], kernel[0][~heavy], rtol=1e-6, atol=tiny)


def test_the_mass_left_out_is_bounded():
    geometry, epsilon, f, g, a, b, kernel = case()
    least = 1e-6
    found = geometry.parted(epsilon, f, g, a, b, least)
    plan = a[:, :, None] * kernel * b[:, None]
    system = found.core.system(a[0], b[0], a[0], plan.sum(1)[0])
    light = found.rest * a[0][:, None] * b[0]
    assert system.lost == pytest.approx(light.sum(), rel=1e-6)
    assert system.lost <= least * np.minimum(*np.broadcast_arrays(a[0][:, None], b[0])).sum()


def test_kernels_that_are_not_sparse_or_not_large_stay_whole(monkeypatch):
    geometry, epsilon, f, g, a, b, _ = case()
    assert geometry.parted(epsilon, f, g, a, b, 1e-7) is not None
    assert geometry.parted(1e3 * epsilon, 0 * g[:, :1] + f * 0, 0 * g, a, b, 1e-7) is None
    monkeypatch.setattr(parted, "_MOST", 0.0)
    assert geometry.parted(epsilon, f, g, a, b, 1e-7) is None
    small = case(n=20, m=20)
    assert small[0].parted(*small[1:6], 1e-7) is None


def test_other_geometries_have_no_parts():
    x = np.random.default_rng(0).standard_normal((1, 300, 2))
    a, zero = np.full((1, 300), 1 / 300), np.zeros((1, 300))
    for geometry in (
        make_geometry("streamed", x, x, RULE),
        make_geometry("dense", torch.from_numpy(x), torch.from_numpy(x), RULE),
    ):
        assert geometry.parted(np.ones(1), zero, zero, a, a, 1e-7) is None
