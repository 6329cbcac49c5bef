import types
from unittest.mock import call

import pytest
import torch

import otgan
from otgan import geometry as geometries
from otgan.costs import Euclidean
from otgan.entropic.problem import Limits, Problem
from otgan.entropic.starters import start_of
from otgan.geometry import BACKENDS, make_geometry
from otgan.geometry import dense as dense_module
from otgan.geometry.dense import DenseGeometry, DenseKernel

pytest.importorskip("triton", reason="needs triton, which there is for Linux")

from otgan.geometry.kernel import Turn
from otgan.geometry.triton import TritonGeometry, device
from otgan.geometry.triton import geometry as module
from otgan.geometry.triton.geometry import StoredKernel, StreamKernel

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
pytestmark = pytest.mark.skipif(
    DEVICE == "cpu" and not device.INTERPRETED,
    reason="triton was imported without its interpreter, and there is no GPU",
)


def clouds(n, m, d, dtype=torch.float64, batch=2):
    generator = torch.Generator().manual_seed(n + m + d)
    x = torch.randn(batch, n, d, generator=generator, dtype=torch.float64).to(DEVICE, dtype)
    y = 0.5 + 1.3 * torch.randn(batch, m, d, generator=generator, dtype=torch.float64).to(DEVICE, dtype)
    y[:, : min(n, m, 2)] = x[:, : min(n, m, 2)]
    return x, y


def weights(batch, n):
    generator = torch.Generator().manual_seed(n)
    w = torch.rand(batch, n, generator=generator, dtype=torch.float64).to(DEVICE) + 0.1
    w[:, 0] = 0
    return w / w.sum(1, keepdim=True)


def state(x, y, p, share=0.1):
    """A pair of geometries, ε, potentials near a solution, and weights."""
    ours, dense = TritonGeometry(x, y, Euclidean(p)), DenseGeometry(x.double(), y.double(), Euclidean(p))
    a, b = weights(len(x), x.shape[1]), weights(len(x), y.shape[1])
    epsilon = share * Euclidean(p).mean(x, y, a, b)
    f = dense.softmin(epsilon, epsilon[:, None] * b.log(), 1)
    g = dense.softmin(epsilon, f + epsilon[:, None] * a.log(), 0)
    return ours, dense, epsilon, f, g, a, b


@pytest.mark.parametrize(("p", "d"), [(1, 3), (1.5, 1), (2, 2), (2, 70)])
def test_certificates_are_those_of_float64(p, d):
    ours, dense, epsilon, f, g, a, b = state(*clouds(17, 33, d), p)
    close = {"rtol": 1e-9, "atol": 1e-9}
    torch.testing.assert_close(
        ours.marginals(epsilon, f, g, a, b), dense.marginals(epsilon, f, g, a, b), **close
    )
    for axis, h, weight in ((1, g, b), (0, f, a)):
        bias = h + epsilon[:, None] * weight.log()
        torch.testing.assert_close(
            ours.softmin(epsilon, bias, axis), dense.softmin(epsilon, bias, axis), **close
        )
        torch.testing.assert_close(ours.c_transform(h, axis), dense.c_transform(h, axis), **close)
    torch.testing.assert_close(
        torch.cat([cost for _, cost in ours.tiles()], 1),
        torch.cat([cost for _, cost in dense.tiles()], 1),
        rtol=1e-9,
        atol=1e-6 if p < 2 else 1e-9,
    )


@pytest.mark.parametrize("cached", [0, 2**22], ids=["recomputed", "stored"])
@pytest.mark.parametrize(("p", "d"), [(1, 2), (2, 2), (2, 20)])
@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6, 1e-10])
def test_a_kernel_is_as_accurate_as_its_tolerance(p, d, tol, cached, monkeypatch):
    monkeypatch.setattr(module, "_CACHED", cached)
    ours, dense, epsilon, f, g, a, b = state(*clouds(17, 33, d), p, share=0.02)
    exact, kernel = dense.kernel(epsilon, f, g, 0.0), ours.kernel(epsilon, f, g, tol)
    streams = cached == 0 and tol > 1e-6  # below it the products are float64, which are stored
    assert isinstance(kernel, StreamKernel if streams else StoredKernel)
    assert (a * (kernel(b, 1) - exact(b, 1)).abs()).sum(1).amax() <= tol
    assert (b * (kernel(a, 0) - exact(a, 0)).abs()).sum(1).amax() <= tol
    one = kernel.take(torch.tensor([1], device=DEVICE))
    torch.testing.assert_close(one(b[1:], 1), kernel(b, 1)[1:])


def test_an_accurate_arithmetic_is_taken_for_a_small_tolerance_or_a_small_epsilon():
    x, y = clouds(5, 5, 20)
    ours = TritonGeometry(x, y, Euclidean(2))
    mean = Euclidean(2).mean(x, y, weights(2, 5), weights(2, 5))
    taken = [ours._precision(0.05 * mean, tol) for tol in (0.1, 1e-3, 1e-4, 1e-9, 0)]
    assert [precision.dot for precision in taken] == ["tf32", "bf16x3", "tf32x3", "", ""]
    assert taken[-1].dtype == torch.float64
    assert ours._precision(1e-4 * mean, 1e-4).dtype == torch.float64
    assert TritonGeometry(x[..., :2], y[..., :2], Euclidean(1))._precision(mean, 1e-4).dot == ""


def test_large_kernels_are_stored_in_half_the_memory_where_that_is_accurate_enough(monkeypatch):
    monkeypatch.setattr(module, "_CACHED", 0)
    monkeypatch.setattr(module, "_REREAD", dict.fromkeys(module._REREAD, 1))
    ours, dense, epsilon, f, g, a, b = state(*clouds(17, 33, 2), 2)
    rough, fine = ours.kernel(epsilon, f, g, 0.05), ours.kernel(epsilon, f, g, 1e-4)
    assert rough.matrix.dtype == torch.bfloat16
    assert fine.matrix.dtype == torch.float32
    exact = dense.kernel(epsilon, f, g, 0.0)
    assert (a * (rough(b, 1) - exact(b, 1)).abs()).sum(1).amax() <= 0.05
    assert rough(b, 1).dtype == torch.float64
    # There and back is two of these products: nothing is rounded to sixteen bits but K.
    monkeypatch.setattr(dense_module, "_CACHED", 0)
    one = rough.take(torch.tensor([0], device=DEVICE))
    sums, back = one.through(b[:1], Turn(a[:1], divides=False))
    torch.testing.assert_close(sums, one(b[:1], 1))
    torch.testing.assert_close(back, one(sums * a[:1], 0))
    monkeypatch.setattr(module, "free_memory", lambda _: 0)
    assert isinstance(ours.kernel(epsilon, f, g, 0.05), StreamKernel)


def test_the_gram_matrix_of_a_streamed_kernel(monkeypatch):
    monkeypatch.setattr(module, "_CACHED", 0)
    ours, dense, epsilon, f, g, a, _ = state(*clouds(17, 33, 2), 2)
    kernel = ours.kernel(epsilon, f, g, 1e-4)
    expected = dense.kernel(epsilon, f, g, 0.0).gram(a)
    torch.testing.assert_close(kernel.gram(a).double(), expected.double(), rtol=1e-3, atol=1e-4)
    monkeypatch.setattr(module, "free_memory", lambda _: 0)
    assert kernel.gram(a) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("p", "d"), [(1, 2), (1.5, 2), (2, 3), (3, 1), (2, 20)])
def test_the_force_on_the_points_is_that_of_the_reference(p, d, dtype):
    ours, dense, epsilon, f, g, a, b = state(*clouds(17, 33, d, dtype), p)
    for got, expected in zip(
        ours.point_gradients(epsilon, f, g, a, b), dense.point_gradients(epsilon, f, g, a, b), strict=True
    ):
        assert got.dtype == torch.float64
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-5 * float(expected.abs().amax()))


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_transport_is_that_of_the_dense_backend(p, dtype):
    x, y = clouds(17, 33, 2, dtype)
    x.requires_grad_()
    a, b = weights(2, 17), weights(2, 33)
    results = {
        backend: otgan.transport(x, y, a, b, p=p, blur=0.5, backend=backend)
        for backend in ("triton", "dense")
    }
    ours, dense = results["triton"], results["dense"]
    assert ours.backend == "triton"
    assert ours.converged.all()
    assert (ours.marginal_error <= (1e-4 if dtype == torch.float32 else 1e-6)).all()
    tolerance = 1e-4 if dtype == torch.float32 else 1e-6
    torch.testing.assert_close(ours.value, dense.value, rtol=tolerance, atol=0)
    torch.testing.assert_close(ours.lower, dense.lower, rtol=10 * tolerance, atol=tolerance)
    (got,), (expected,) = (torch.autograd.grad(r.value.sum(), x) for r in (ours, dense))
    torch.testing.assert_close(got, expected, rtol=0, atol=20 * tolerance * float(expected.abs().amax()))


def test_ragged_batches_are_solved_as_each_alone():
    x, y = clouds(20, 30, 2)
    ragged = otgan.transport([x[0], x[1, :7]], [y[0, :11], y[1]], epsilon=0.5, backend="triton", tol=1e-8)
    alone = [
        otgan.transport(x[0], y[0, :11], epsilon=0.5, tol=1e-8).value,
        otgan.transport(x[1, :7], y[1], epsilon=0.5, tol=1e-8).value,
    ]
    torch.testing.assert_close(ragged.value, torch.stack(alone), rtol=1e-7, atol=0)
    assert ragged.converged.all()


def test_the_starter_ends_near_the_solution():
    x, y = clouds(17, 33, 20)
    ours, dense, epsilon, *_, a, b = state(x, y, 2)
    start = start_of(Problem(ours, a, b, epsilon), 10 * epsilon, Limits(1e-4, 1000))
    f = dense.softmin(epsilon, start.g + epsilon[:, None] * b.log(), 1)
    _, columns = dense.marginals(epsilon, f, start.g, a, b)
    assert (columns - b).abs().sum(1).amax() <= 1e-4
    assert (start.passes > 0).all()


@pytest.mark.filterwarnings(
    "ignore::RuntimeWarning"
)  # the interpreter's NumPy tells of the overflow that is meant
def test_a_start_at_costs_beyond_float32_is_one_like_any_other():
    x, y = clouds(17, 33, 2)
    one = torch.ones(2, dtype=torch.float64, device=DEVICE)
    far = TritonGeometry(1e25 * x, y, Euclidean(2))
    start = start_of(Problem(far, weights(2, 17), weights(2, 33), one), one, Limits(1e-4, 1000))
    assert start.g.isfinite().all()


def test_large_problems_are_not_started_whole():
    x, y = clouds(513, 2, 1)
    ours, _, epsilon, *_, a, b = state(x, y, 2)
    assert start_of(Problem(ours, a, b, epsilon), epsilon, Limits(1e-4, 1000)) is None


def test_samples_on_the_cpu_need_the_interpreter(monkeypatch):
    monkeypatch.setattr(device, "INTERPRETED", False)
    cpu = torch.zeros(1, 2, 1)
    with pytest.raises(
        ValueError, match=r"backend 'triton' needs samples on a CUDA device, got cpu.*TRITON_INTERPRET"
    ):
        make_geometry("triton", cpu, cpu, Euclidean(2.0))


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(geometries, "find_spec", lambda name: None)
    x, y = clouds(2, 2, 1)
    with pytest.raises(ImportError, match=r"needs the package triton.*otgan\[triton\]"):
        make_geometry("triton", x, y, Euclidean(2.0))


@pytest.mark.parametrize(
    ("kind", "installed", "chosen"), [("cuda", True, True), ("cuda", False, False), ("cpu", True, False)]
)
def test_auto_takes_triton_on_cuda_where_it_is_installed(kind, installed, chosen, monkeypatch):
    monkeypatch.setattr(geometries, "find_spec", lambda name: object() if installed else None)
    monkeypatch.setattr(geometries, "available", lambda need, device: 2**30)
    monkeypatch.setitem(BACKENDS, "triton", "unittest.mock:call")
    monkeypatch.setitem(BACKENDS, "dense", "builtins:complex")
    monkeypatch.setattr(geometries, "is_tensor", lambda points: True)
    # What is passed on is all that a stand-in for a class can tell.
    points = types.SimpleNamespace(device=torch.device(kind), is_cuda=kind == "cuda", shape=(1, 2, 3))
    if chosen:
        suited = call.suited(points, Euclidean(2.0))
        assert make_geometry("auto", points, points, Euclidean(2.0)) == suited(
            points, points, Euclidean(2.0), False
        )
    else:
        with pytest.raises(AttributeError, match="complex"):
            make_geometry("auto", points, points, Euclidean(2.0))


def test_kernels_are_dense_kernels_where_they_are_stored():
    ours, _, epsilon, f, g, _, _ = state(*clouds(5, 5, 2), 2)
    assert isinstance(ours.kernel(epsilon, f, g, 1e-4), DenseKernel)
