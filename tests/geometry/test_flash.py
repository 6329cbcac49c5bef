import importlib.util

import pytest
import torch

import otgan
from otgan import geometry as geometries
from otgan.costs import Euclidean
from otgan.geometry import make_geometry
from otgan.geometry.dense import DenseGeometry

INSTALLED = importlib.util.find_spec("flash_sinkhorn") is not None
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def clouds(d=3, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 17, d, generator=generator).to(DEVICE, dtype)
    y = 0.5 + torch.randn(2, 33, d, generator=generator).to(DEVICE, dtype)
    return x, y


def weights(n):
    w = torch.rand(2, n, generator=torch.Generator().manual_seed(n), dtype=torch.float64).to(DEVICE)
    w[:, 0] = 0
    return w / w.sum(1, keepdim=True)


@pytest.fixture
def kernels(monkeypatch):
    """FlashSinkhorn's own kernels; on the CPU, where one of its wrappers refuses to go, launched directly."""
    pytest.importorskip("flash_sinkhorn", reason="needs flash-sinkhorn: the extra `flash`")
    from otgan.geometry.flash import flash
    from otgan.geometry.triton.device import INTERPRETED

    if DEVICE == "cuda":
        return
    if not INTERPRETED:
        pytest.skip("triton was imported without its interpreter, and there is no GPU")

    def launched(x, y, bias, eps, *, allow_tf32):
        out = torch.empty(len(x))
        block = 32
        flash._flashsinkhorn_lse_raw_kernel_impl[((len(x) + block - 1) // block,)](
            *(x, y, bias, out, len(x), len(y), *x.stride(), *y.stride(), 1, 1, 2.0, eps, 1.0, 0, 0),
            D=x.shape[1],
            ALLOW_TF32=allow_tf32,
            DTYPE_ID=2,
            USE_EXP2=True,
            BLOCK_M=block,
            BLOCK_N=block,
            BLOCK_K=16,
        )
        return out

    monkeypatch.setattr(flash, "flashsinkhorn_lse", launched)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("d", [3, 40])
def test_soft_minima_and_products_are_ours_in_our_units(d):
    x, y = clouds(d)
    theirs, ours = (
        make_geometry("flash", x, y, Euclidean(2.0)),
        DenseGeometry(x.double(), y.double(), Euclidean(2.0)),
    )
    a, b = weights(17), weights(33)
    epsilon = torch.tensor([0.1, 0.4], dtype=torch.float64, device=DEVICE) * Euclidean(2.0).mean(x, y, a, b)
    scale = epsilon[:, None]
    close = {"rtol": 1e-4, "atol": 1e-4}
    f = ours.softmin(epsilon, scale * b.log(), 1)
    torch.testing.assert_close(theirs.softmin(epsilon, scale * b.log(), 1), f, **close)
    g = ours.softmin(epsilon, f + scale * a.log(), 0)
    torch.testing.assert_close(theirs.softmin(epsilon, f + scale * a.log(), 0), g, **close)
    exact = ours.kernel(epsilon, f, g, 0.0)
    accurate, rough = theirs.kernels(epsilon, f, g, 1e-3)
    assert accurate is rough
    for axis, v in ((1, b), (0, a)):
        signed = v * torch.linspace(-1, 1, v.shape[1], dtype=torch.float64, device=DEVICE)
        for vector in (v, signed):
            torch.testing.assert_close(rough(vector, axis), exact(vector, axis), **close)
    one = rough.take(torch.tensor([1], device=DEVICE))
    torch.testing.assert_close(one(b[1:], 1), rough(b, 1)[1:])


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(("dtype", "tol"), [(torch.float32, 1e-3), (torch.float64, 1e-8)])
def test_transport_is_that_of_the_dense_backend(dtype, tol):
    x, y = clouds(dtype=dtype)
    theirs, ours = (
        otgan.transport(x, y, weights(17), weights(33), blur=0.7, tol=tol, backend=backend)
        for backend in ("flash", "dense")
    )
    assert theirs.backend == "flash"
    assert theirs.converged.all()
    torch.testing.assert_close(theirs.value, ours.value, rtol=1e-4 if tol > 1e-6 else 1e-8, atol=0)


@pytest.mark.skipif(not INSTALLED, reason="needs flash-sinkhorn: the extra `flash`")
def test_another_power_than_two_is_refused():
    x, y = clouds()
    with pytest.raises(ValueError, match=r"p = 2, got p=1"):
        make_geometry("flash", x, y, Euclidean(1.0))


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(geometries, "find_spec", lambda name: None)
    x, y = clouds()
    with pytest.raises(ImportError, match=r"needs the package flash-sinkhorn.*otgan\[flash\]"):
        make_geometry("flash", x, y, Euclidean(2.0))
