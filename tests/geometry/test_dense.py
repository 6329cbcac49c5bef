"""The dense geometry: the seam, the precision of stored kernels, and the memory that it asks for."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import otgan
import otgan.geometry
from otgan.costs import Euclidean
from otgan.geometry import make_geometry
from otgan.geometry.accuracy import SINGLE
from otgan.geometry.base import rows_per_tile
from otgan.geometry.dense import _CACHED, DenseGeometry
from otgan.geometry.kernel import log_sum_exp
from otgan.geometry.stored import SMALL
from tests.check_geometry import check_geometry, check_kernel, close, make_case
from tests.problems import cloud


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("batch", [1, 2])
def test_the_seam_is_what_its_formulas_say(p, batch):
    case = make_case(p, batch=batch)
    check_geometry(DenseGeometry(case.x, case.y, Euclidean(p)), case)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize(("n", "m", "d"), [(1, 5, 2), (6, 2, 1), (40, 30, 784)])
def test_sizes(p, n, m, d):
    case = make_case(p, n=n, m=max(m, 2), d=d, epsilon=(5.0, 300.0)) if n > 2 else _single(p, m, d)
    check_geometry(DenseGeometry(case.x, case.y, Euclidean(p)), case, rtol=1e-11)


def _single(p, m, d):
    """One point x."""
    case = make_case(p, n=4, m=m, d=d)
    one = slice(0, 1)
    return dataclasses.replace(case, x=case.x[:, one], f=case.f[:, one], a=torch.ones_like(case.a[:, one]))


@pytest.mark.parametrize("p", [1, 2])
def test_float32_points_have_float64_costs(p):
    case = make_case(p, dtype=torch.float32)
    check_geometry(DenseGeometry(case.x, case.y, Euclidean(p)), case)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("batch", [1, 2])
def test_small_kernels_are_float64_at_every_tolerance(p, batch):
    case = make_case(p, batch=batch)
    for tol in (1e-9, 1e-2):
        check_kernel(DenseGeometry(case.x, case.y, Euclidean(p)), case, tol, rtol=1e-12)


@pytest.mark.parametrize("batch", [1, 2])
def test_large_kernels_are_float32_where_the_tolerance_allows_it(batch):
    case = make_case(2, batch=batch, n=300, m=250)
    geometry = DenseGeometry(case.x, case.y, Euclidean(2))
    assert geometry.cost.numel() > SMALL
    assert geometry.kernel(case.epsilon, case.f, case.g, SINGLE).matrix.dtype == torch.float32
    check_kernel(geometry, case, SINGLE, rtol=2e-6)
    assert geometry.kernel(case.epsilon, case.f, case.g, SINGLE / 2).matrix.dtype == torch.float64
    check_kernel(geometry, case, SINGLE / 2, rtol=1e-12)


def test_float32_kernels_are_accurate_however_large_the_exponents():
    # Potentials and costs of 1e6 ε cancel in float64, before anything is rounded.
    case = make_case(2, n=300, m=250, epsilon=(1e-6, 1e-6))
    shifted = dataclasses.replace(case, f=case.cost.amin(2), g=torch.zeros_like(case.g))
    geometry = DenseGeometry(case.x, case.y, Euclidean(2))
    kernel = geometry.kernel(shifted.epsilon, shifted.f, shifted.g, 1e-4)
    assert kernel.matrix.dtype == torch.float32
    exact = (shifted.f[..., None] - shifted.cost).div(1e-6).exp()
    assert float((kernel.matrix - exact).abs().max()) < 1e-6


def test_blocks_of_a_kernel_beyond_the_cache_add_up_to_the_whole():
    case = make_case(2, batch=1, n=1300, m=900, epsilon=(1.0,))
    assert case.cost.numel() > _CACHED
    check_kernel(DenseGeometry(case.x, case.y, Euclidean(2)), case, 1e-9, rtol=1e-11)
    check_kernel(DenseGeometry(case.x, case.y, Euclidean(2)), case, 1e-3, rtol=5e-6)


def test_kernels_follow_one_another_in_the_same_memory():
    case = make_case(2)
    geometry = DenseGeometry(case.x, case.y, Euclidean(2))
    first = geometry.kernel(case.epsilon, case.f, case.g, 1e-9).matrix
    second = geometry.kernel(2 * case.epsilon, case.f, case.g, 1e-9).matrix
    assert first.data_ptr() == second.data_ptr()


def test_log_sum_exp_is_torchs():
    exponent = torch.randn(2, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 1000
    exponent[0, 1] = -torch.inf
    exponent[1, 2, 3] = -torch.inf
    for axis in (1, 2):
        close(log_sum_exp(exponent.clone(), axis)[1], torch.logsumexp(exponent, axis)[1], 1e-14)
    assert float(log_sum_exp(exponent.clone(), 2)[0, 1]) == -torch.inf


def test_tiles_hold_at_least_one_row_and_no_more_than_their_share():
    assert rows_per_tile(1, 2**30) == 1
    assert rows_per_tile(3, 1000) * 3 * 1000 <= 2**18
    assert rows_per_tile(1, 1) == 2**18


# ---- memory, planned before it is taken -----------------------------------------------------------------------------


def _free(monkeypatch, size):
    monkeypatch.setattr(otgan.geometry, "available", lambda need, device: size)


def test_regression_auto_streams_what_would_not_fit(monkeypatch):
    x, y = torch.from_numpy(cloud(30, 2)), torch.from_numpy(cloud(20, 2, seed=1))
    need = 3 * 8 * 30 * 20
    _free(monkeypatch, 3 * need)
    assert otgan.transport(x, y, blur=0.5).backend == "compiled"
    _free(monkeypatch, need)
    streamed = otgan.transport(x, y, blur=0.5)
    assert streamed.backend == "streamed"
    assert streamed.converged


def test_regression_dense_that_cannot_fit_says_how_much_it_needs_and_what_would_fit(monkeypatch):
    x, y = torch.zeros(2, 1000, 3), torch.zeros(2, 500, 3)
    _free(monkeypatch, 5 * 2**20)
    message = r"needs about 22.9 MiB for 2 problem\(s\) of 1000 x 500 points, and 5 MiB are free.*'streamed'"
    with pytest.raises(MemoryError, match=message):
        make_geometry("dense", x, y, Euclidean(2))
    with pytest.raises(MemoryError, match="'streamed'"):
        otgan.sinkhorn(x, y, blur=0.5, backend="dense")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(otgan.geometry, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="flash-sinkhorn"):
        make_geometry("flash", torch.zeros(1, 2, 2), torch.zeros(1, 2, 2), Euclidean(2))
