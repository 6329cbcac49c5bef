import pytest
import torch

import otgan
from otgan.costs import Euclidean
from otgan.geometry import geomloss, make_geometry
from otgan.geometry.dense import DenseGeometry


def clouds(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 17, 3, generator=generator, dtype=torch.float64).to(dtype)
    y = 0.5 + torch.randn(2, 33, 3, generator=generator, dtype=torch.float64).to(dtype)
    y[:, :2] = x[:, :2]
    return x, y


def weights(n):
    w = torch.rand(2, n, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    w[:, 0] = 0
    return w / w.sum(1, keepdim=True)


@pytest.mark.parametrize("p", [1, 2])
def test_soft_minima_and_products_are_ours_in_our_units(p):
    x, y = clouds()
    theirs, ours = make_geometry("geomloss", x, y, Euclidean(p)), DenseGeometry(x, y, Euclidean(p))
    a, b = weights(17), weights(33)
    # A batch whose problems have each their ε.
    epsilon = torch.tensor([0.05, 0.4], dtype=torch.float64) * Euclidean(p).mean(x, y, a, b)
    f = ours.softmin(epsilon, epsilon[:, None] * b.log(), 1)
    torch.testing.assert_close(
        theirs.softmin(epsilon, epsilon[:, None] * b.log(), 1), f, rtol=1e-9, atol=1e-9
    )
    g = ours.softmin(epsilon, f + epsilon[:, None] * a.log(), 0)
    torch.testing.assert_close(
        theirs.softmin(epsilon, f + epsilon[:, None] * a.log(), 0), g, rtol=1e-9, atol=1e-9
    )
    kernel, exact = theirs.kernel(epsilon, f, g, 1e-9), ours.kernel(epsilon, f, g, 0.0)
    for axis, v in ((1, b), (0, a)):
        signed = v * torch.linspace(-1, 1, v.shape[1], dtype=torch.float64)
        for vector in (v, signed):
            torch.testing.assert_close(kernel(vector, axis), exact(vector, axis), rtol=1e-8, atol=1e-12)
    one = kernel.take(torch.tensor([1]))
    torch.testing.assert_close(one(b[1:], 1), kernel(b, 1)[1:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("p", [1, 2])
def test_transport_is_that_of_the_dense_backend(p, dtype):
    x, y = clouds(dtype)
    x.requires_grad_()
    a, b = weights(17), weights(33)
    theirs, ours = (
        otgan.transport(x, y, a, b, p=p, blur=0.5, tol=1e-8, backend=backend)
        for backend in ("geomloss", "dense")
    )
    assert theirs.backend == "geomloss"
    assert theirs.converged.all()
    torch.testing.assert_close(theirs.value, ours.value, rtol=1e-6, atol=0)
    (got,), (expected,) = (torch.autograd.grad(t.value.sum(), x) for t in (theirs, ours))
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("p", [1, 2])
def test_the_online_soft_minimum_is_called_with_geomloss_units(p, monkeypatch):
    # A stand-in for KeOps: it computes what GeomLoss's formula says, its cost being r^p / p.
    def online(temperature, clouds, h, p):
        cost = torch.cdist(*clouds) ** p / p
        return -temperature * torch.logsumexp(h[:, None] - cost / temperature, 2)

    samples = geomloss._module()
    monkeypatch.setattr(samples, "softmin_online_lazytensor", online)
    monkeypatch.setattr(geomloss, "find_spec", lambda name: object())
    monkeypatch.setattr(geomloss, "_TENSORS", 0)
    x, y = clouds()
    epsilon = torch.tensor([0.3, 1.0], dtype=torch.float64)
    h = epsilon[:, None] * weights(33).log()
    expected = DenseGeometry(x, y, Euclidean(p)).softmin(epsilon, h, 1)
    torch.testing.assert_close(
        make_geometry("geomloss", x, y, Euclidean(p)).softmin(epsilon, h, 1), expected, rtol=1e-6, atol=1e-6
    )


def test_a_power_that_geomloss_lacks_is_refused():
    x, y = clouds()
    with pytest.raises(ValueError, match=r"p = 1 and p = 2, got p=1.5"):
        make_geometry("geomloss", x, y, Euclidean(1.5))
