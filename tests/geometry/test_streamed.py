"""The streamed geometry: the seam in blocks, the memory that it never takes, and the precision of its blocks."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import otgan
from otgan.costs import Euclidean
from otgan.costs import base as costs
from otgan.geometry import base, dense, streamed
from otgan.geometry.dense import DenseGeometry
from otgan.geometry.streamed import StreamedGeometry
from tests.check_geometry import check_geometry, check_kernel, make_case
from tests.problems import cloud, simplex_weights

MODULES = (base, dense, streamed)


@pytest.fixture
def small_tiles(monkeypatch):
    """Blocks of at most 40 entries, so that little problems have many, the last one shorter."""
    for module in MODULES:
        monkeypatch.setattr(
            module, "rows_per_tile", lambda batch, columns: max(1, 40 // max(1, batch * columns))
        )


class Largest(TorchDispatchMode):
    """Remember the largest tensor that any operation of torch makes."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for result in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(result, torch.Tensor):
                self.numel = max(self.numel, result.numel())
        return out


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.usefixtures("small_tiles")
def test_the_seam_is_what_its_formulas_say_in_many_blocks(p, batch):
    case = make_case(p, batch=batch, n=19)
    geometry = StreamedGeometry(case.x, case.y, Euclidean(p))
    assert len(list(geometry.tiles())) > 2
    check_geometry(geometry, case)
    check_kernel(geometry, case, 1e-9, rtol=1e-11)


@pytest.mark.parametrize("p", [1, 2])
def test_the_seam_in_one_block_and_in_many_dimensions(p):
    case = make_case(p, n=30, m=20, d=784, epsilon=(30.0, 300.0), dtype=torch.float32)
    check_geometry(StreamedGeometry(case.x, case.y, Euclidean(p)), case, rtol=1e-11)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("p", [1, 2])
def test_dense_tiles_are_the_same(p):
    case = make_case(p, n=19)
    check_geometry(DenseGeometry(case.x, case.y, Euclidean(p)), case)


@pytest.mark.parametrize("p", [1, 1.5, 2])
def test_float32_blocks_serve_where_they_are_accurate_enough(p):
    case = make_case(p, n=30, m=20)
    geometry = StreamedGeometry(case.x, case.y, Euclidean(p))
    kernel = geometry.kernel(case.epsilon, case.f, case.g, 1e-3)
    assert kernel.dtype == torch.float32
    check_kernel(geometry, case, 1e-3, rtol=1e-3)
    small = case.epsilon / 1000
    assert geometry.kernel(small, case.f, case.g, 1e-3).dtype == torch.float64
    assert geometry.kernel(case.epsilon, case.f, case.g, 1e-7).dtype == torch.float64


@pytest.mark.parametrize("p", [1, 2])
def test_the_bound_on_distances_holds(p):
    case = make_case(p, n=30, m=20)
    bound = StreamedGeometry(case.x, case.y, Euclidean(p)).largest
    assert (case.cost.amax((1, 2)) <= bound).all()
    assert (bound <= 4**p * case.cost.amax((1, 2))).all()


@pytest.mark.parametrize("p", [1, 2])
def test_regression_nothing_of_size_n_times_m_is_ever_made(p, monkeypatch):
    n, m, d, tile = 200, 150, 2, 1000
    for module in MODULES:
        monkeypatch.setattr(
            module, "rows_per_tile", lambda batch, columns: max(1, tile // max(1, batch * columns))
        )
    monkeypatch.setattr(costs, "_TILE", tile)
    x, y = (torch.from_numpy(v).requires_grad_() for v in (cloud(n, d), cloud(m, d, seed=1) + 0.5))
    with Largest() as largest:
        t = otgan.transport(x, y, p=p, blur=0.5, tol=1e-3, backend="streamed")
        assert t.backend == "streamed"
        assert t.lower <= t.value_linear
        t.value.backward()
        t.barycentric_map()
        t.apply(torch.ones(m))
        otgan.sinkhorn_divergence(x, y, p=2, epsilon=0.5, tol=1e-3, backend="streamed").backward()
    # Blocks of differences or of coordinates are a few tiles; a matrix would be thirty.
    assert largest.numel <= 2 * tile


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("tol", [1e-3, 1e-9])
@pytest.mark.usefixtures("small_tiles")
def test_streamed_solutions_are_the_dense_ones(p, tol):
    x, y, a, b = cloud(23, 3), cloud(17, 3, seed=1) + 0.5, simplex_weights(23), simplex_weights(17)
    a[:2] = 0
    results = [
        otgan.transport(x, y, a, b, p=p, epsilon=0.2, tol=tol, backend=k) for k in ("dense", "streamed")
    ]
    assert [t.backend for t in results] == ["dense", "streamed"]
    assert all(t.converged for t in results)
    np.testing.assert_allclose(results[1].plan, results[0].plan, atol=2 * tol)
    np.testing.assert_allclose(results[1].value, results[0].value, rtol=max(tol**1.5, 1e-10))
    np.testing.assert_allclose(results[1].lower, results[0].lower, rtol=10 * tol)


def test_streamed_batches_of_float32_are_a_loop():
    xs = [torch.randn(n, 2, generator=torch.Generator().manual_seed(n)) for n in (9, 14)]
    ys = [x[:7] + 1 for x in xs]
    together = otgan.transport(xs, torch.stack(ys), blur=0.3, backend="streamed")
    for k in range(2):
        alone = otgan.transport(xs[k], ys[k], blur=0.3, backend="streamed")
        assert together.value[k].item() == pytest.approx(alone.value.item(), rel=1e-5)


_MEMORY = """
import torch
from benchmarks.peak import peak_memory
from otgan.costs import Euclidean
from otgan.geometry.kernel import Turn
from otgan.geometry.streamed import StreamedGeometry

torch.set_num_threads(1)
n, m = 2500, 60_000
geometry = StreamedGeometry(torch.randn(1, n, 3, dtype=torch.float64), torch.randn(1, m, 3, dtype=torch.float64), Euclidean(2.0))
f, g = torch.zeros(1, n, dtype=torch.float64), torch.zeros(1, m, dtype=torch.float64)
before = peak_memory()
geometry.c_transform(g, 1)
kernel = geometry.kernel(torch.ones(1, dtype=torch.float64), f, g, 1e-2)
kernel.through(torch.ones_like(g), Turn(torch.ones_like(f), divides=True))
print((peak_memory() - before) / 2**20)
"""


def test_regression_memory_does_not_grow_with_the_number_of_tiles():
    # What is kept of every tile, however small, pinned the memory above it: hundreds of MiB here, 18 GB at 50,000 points.
    done = subprocess.run([sys.executable, "-c", _MEMORY], capture_output=True, encoding="utf-8", check=True)
    # Some is always taken, be it the vectors of 60,000 numbers: a figure of 0 would not have been measured.
    assert 1 < float(done.stdout) < 150
