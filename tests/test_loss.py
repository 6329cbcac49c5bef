"""SinkhornLoss: GeomLoss's number in a module that has no state, takes every precision and names what it cannot take."""

from __future__ import annotations

import copy
import pickle
import threading

import geomloss
import numpy as np
import pytest
import torch

import otgan
from otgan.costs import squares
from tests.problems import cloud, simplex_weights


def tensors(n=30, m=25, d=2):
    return torch.from_numpy(cloud(n, d)), torch.from_numpy(cloud(m, d, seed=1) + 0.5)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("debias", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reach", [None, 1.5])
def test_it_is_p_times_geomlosss_run_to_convergence(p, debias, weighted, reach):
    if reach is not None and not debias:
        pytest.skip("GeomLoss gives its unbalanced value another meaning there; see tests/entropic")
    x, y = tensors()
    options = {"p": p, "blur": 0.4, "reach": reach, "debias": debias}
    theirs = geomloss.SamplesLoss("sinkhorn", scaling=0.995, backend="tensorized", **options)
    ours = otgan.SinkhornLoss(**options)
    mine, other = (x.clone().requires_grad_() for _ in range(2))
    if weighted:
        a, b = torch.from_numpy(simplex_weights(30)), torch.from_numpy(simplex_weights(25, seed=1))
        value, reference = ours(mine, y, a=a, b=b), p * theirs(a, other, b, y)
    else:
        value, reference = ours(mine, y), p * theirs(other, y)
    assert value.item() == pytest.approx(reference.item(), rel=2e-3)
    if reach is None:
        # Neither is its unbalanced gradient that of its value, which finite differences of ours are.
        value.backward()
        reference.backward()
        assert float((mine.grad - other.grad).norm()) < 0.03 * float(other.grad.norm())


@pytest.mark.parametrize("debias", [False, True])
def test_it_is_the_function(debias):
    x, y = tensors()
    function = otgan.sinkhorn_divergence if debias else otgan.sinkhorn
    for options in (
        {"blur": 0.3},
        {"epsilon": 0.5, "tol": 1e-9, "backend": "streamed"},
        {"blur": 0.3, "reach": 1.0},
    ):
        expected = function(x, y, **{"blur": 0.05, **options} if "epsilon" not in options else options)
        assert torch.equal(otgan.SinkhornLoss(debias=debias, **options)(x, y), expected)


def test_images_are_rows_of_numbers():
    x, y = torch.rand(5, 1, 4, 4), torch.rand(6, 1, 4, 4)
    loss = otgan.SinkhornLoss(blur=0.5)
    x.requires_grad_()
    value = loss(x, y)
    assert value.shape == ()
    torch.testing.assert_close(value, loss(x.flatten(1), y.flatten(1)))
    value.backward()
    assert x.grad.shape == x.shape


def test_batches_have_a_loss_each():
    x, y = torch.randn(3, 8, 2, generator=torch.Generator().manual_seed(0)), torch.zeros(3, 5, 2)
    loss = otgan.SinkhornLoss(blur=0.5)
    values = loss(x, y)
    assert values.shape == (3,)
    np.testing.assert_allclose(values, [loss(x[k], y[k]).item() for k in range(3)], rtol=1e-5)


@pytest.mark.parametrize("positional", [1, 2])
def test_more_than_two_positionals_are_an_error_that_names_geomlosss_order(positional):
    x, y = tensors(4, 4)
    a = torch.full((4,), 0.25).double()
    with pytest.raises(TypeError, match=r"GeomLoss's order \(a, x, b, y\) is written loss\(x, y, a=a, b=b\)"):
        otgan.SinkhornLoss()(*(a, x, a, y)[: 2 + positional])


def test_it_has_no_state():
    loss = otgan.SinkhornLoss(blur=0.3)
    x, y = tensors()
    before = {k: v for k, v in vars(loss).items() if not k.startswith("_")}
    value = loss(x, y)
    assert loss.state_dict() == {}
    assert list(loss.parameters()) == []
    assert {k: v for k, v in vars(loss).items() if not k.startswith("_")} == before
    for clone in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(clone(x, y), value)


def test_its_repr_says_what_it_computes():
    assert repr(otgan.SinkhornLoss(p=1, blur=0.1)) == "SinkhornLoss(p=1, blur=0.1, debias=True)"
    assert (
        repr(otgan.SinkhornLoss(epsilon=0.5, debias=False)) == "SinkhornLoss(p=2, epsilon=0.5, debias=False)"
    )
    more = otgan.SinkhornLoss(reach=2.0, tol=1e-3, backend="streamed")
    assert repr(more) == "SinkhornLoss(p=2, blur=0.05, debias=True, reach=2.0, tol=0.001, backend='streamed')"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p": 0.5}, "p must be"),
        ({"blur": 0.0}, "blur must be"),
        ({"blur": -1.0}, "blur must be"),
        ({"epsilon": float("nan")}, "epsilon must be"),
        ({"reach": 0.0}, "reach must be"),
        ({"tol": 0.0}, "tol must be"),
        ({"max_iter": 0}, "max_iter must be"),
        ({"backend": "gpu"}, "'dense'"),
        ({"on_failure": "shout"}, "on_failure must be"),
    ],
)
def test_wrong_options_are_named_at_construction(options, message):
    with pytest.raises(ValueError, match=message):
        otgan.SinkhornLoss(**options)


# ---- precisions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precisions_are_computed_in_float32(dtype):
    x, y = (v.to(dtype) for v in tensors())
    leaf = x.clone().requires_grad_()
    value = otgan.SinkhornLoss(blur=0.3)(leaf, y)
    assert value.dtype == torch.float32
    expected = otgan.SinkhornLoss(blur=0.3, tol=1e-9)(x.double(), y.double())
    assert value.item() == pytest.approx(expected.item(), rel=1e-4)
    value.backward()
    assert leaf.grad.dtype == dtype
    assert torch.isfinite(leaf.grad).all()


@pytest.mark.parametrize("backend", ["dense", "streamed"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("create_graph", [False, True])
def test_autocast_changes_nothing(backend, dtype, create_graph):
    # Four dimensions, so that costs come from a matrix product, which autocast would round to eight bits.
    x, y = (v.to(dtype) for v in tensors(20, 15, 4))
    loss = otgan.SinkhornLoss(blur=0.3, tol=1e-4, backend=backend)

    def run():
        leaf = x.clone().requires_grad_()
        value = loss(leaf, y)
        (gradient,) = torch.autograd.grad(value, leaf, create_graph=create_graph)
        if create_graph:
            (gradient,) = torch.autograd.grad(gradient.square().sum(), leaf)
        t = otgan.transport(leaf, y, epsilon=0.5, tol=1e-4, backend=backend)
        return [value, gradient, t.value, t.value_linear, t.lower, t.upper, t.f, t.barycentric_map()]

    plain = run()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = run()
        assert torch.is_autocast_enabled("cpu")
    for one, other in zip(plain, cast, strict=True):
        assert one.dtype == other.dtype == dtype
        assert torch.equal(one, other)


def test_outputs_of_autocast_layers_are_taken():
    layer = torch.nn.Linear(3, 2)
    x, y = torch.randn(16, 3, generator=torch.Generator().manual_seed(0)), torch.randn(12, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = layer(x)
        assert hidden.dtype == torch.bfloat16
        value = otgan.SinkhornLoss(blur=0.3)(hidden, y)
    value.backward()
    assert value.dtype == torch.float32
    assert torch.isfinite(layer.weight.grad).all()


def _tf32(x):
    """Round to the ten bits of TF32."""
    return ((x.view(torch.int32) + 0x1000) & -8192).view(torch.float32)


def test_products_survive_tf32(monkeypatch):
    # What CUDA does with float32 products where TF32 is allowed: operands lose thirteen bits.
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(2, 40, 64, generator=generator) + 3 for _ in range(2))
    exact = x.double() @ y.double().mT

    class Rounding(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            if function in {torch.Tensor.matmul, torch.Tensor.__matmul__, torch.matmul}:
                args = tuple(_tf32(v) for v in args)
            return function(*args, **(kwargs or {}))

    class Cuda(torch.Tensor):
        """Say that it is on CUDA, which is all that `_inner` asks."""

        device = torch.device("cuda")

    with Rounding():
        rounded = x @ y.mT
        high_x, high_y = squares._high_bits(x), squares._high_bits(y)
        monkeypatch.setattr(
            squares, "_high_bits", lambda v: high_x if v.shape is x.shape or v is x else high_y
        )
        split = high_x @ high_y.mT + (high_x @ (y - high_y).mT + (x - high_x) @ y.mT)
    relative = [float((v - exact).abs().max() / exact.abs().max()) for v in (rounded, split)]
    assert relative[0] > 1e-5
    assert relative[1] < 1e-6
    assert torch.equal(_tf32(high_x), high_x)


def test_threads_do_not_disturb_one_another():
    problems = [
        (torch.from_numpy(cloud(20 + k, 2)), torch.from_numpy(cloud(15, 2, seed=k) + 0.5)) for k in range(6)
    ]
    expected = [otgan.SinkhornLoss(blur=0.3)(x, y) for x, y in problems]
    got = [None] * len(problems)

    def work(k):
        x, y = problems[k]
        got[k] = otgan.SinkhornLoss(blur=0.3)(x, y)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(problems))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(got, expected, strict=True):
        assert torch.equal(one, other)


# ---- training --------------------------------------------------------------------------------------------------------


def test_descending_it_brings_the_samples_over():
    x, y = (v.float() for v in tensors(40, 40))
    x = x.clone().requires_grad_()
    loss, start = otgan.SinkhornLoss(blur=0.2), None
    for _ in range(15):
        value = loss(x, y)
        start = value.item() if start is None else start
        (gradient,) = torch.autograd.grad(value, x)
        with torch.no_grad():
            x -= 0.5 * len(x) * 0.5 * gradient
    assert loss(x, y).item() < 0.02 * start
