"""NumPy and torch under one set of names."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from otgan import namespace as ns

LIBRARIES = {"numpy": np.array, "torch": torch.tensor}


@pytest.fixture(params=LIBRARIES.values(), ids=LIBRARIES.keys())
def make(request):
    return request.param


def kind(array):
    return type(array)


def test_functions_are_those_of_the_arrays_library(make):
    x = make([[3.0, 1.0, 2.0]])
    xp = ns.namespace(x)
    assert kind(xp.max(x, axis=1)) is kind(x)
    assert xp.argsort(x, axis=1).tolist() == [[1, 2, 0]]
    assert xp.max(x, axis=1, keepdims=True).tolist() == [[3.0]]
    assert ns.namespace(np.float64(2)).square(np.float64(2)) == 4


def test_made_arrays_are_in_the_library_of_another(make):
    x = make([1.0])
    assert (ns.zeros((2, 1), x).tolist(), ns.ones(2, x).tolist()) == ([[0.0], [0.0]], [1.0, 1.0])
    assert ns.full(2, 5.0, x).tolist() == [5.0, 5.0]
    assert ns.arange(3, x).tolist() == [0, 1, 2]
    for made in (ns.zeros(1, x), ns.ones(1, x), ns.arange(1, x)):
        assert kind(made) is kind(x)
    assert ns.is_double(ns.zeros(1, x).dtype)
    single = make([1.0]).astype(np.float32) if make is np.array else make([1.0])
    assert ns.zeros(1, single, single.dtype).dtype == single.dtype
    assert ns.zeros(1, single).dtype.itemsize == 8
    assert ns.double(single).dtype.itemsize == 8


def test_arrays_go_beside_others():
    array, tensor = np.array([1.0, 2.0]), torch.tensor([3.0, 4.0], dtype=torch.float64)
    assert isinstance(ns.beside(array, tensor), torch.Tensor)
    assert isinstance(ns.beside(tensor, array), np.ndarray)
    assert ns.beside(array, array) is array
    assert ns.as_numpy(array) is array
    assert ns.as_tensor(tensor) is tensor
    assert np.shares_memory(ns.as_numpy(tensor), tensor.numpy())
    assert np.shares_memory(ns.as_tensor(array).numpy(), array)


def test_tensors_of_what_may_not_be_written_to_are_copies():
    array = np.arange(3.0)
    array.flags.writeable = False
    for given in (array, array[::-1], np.broadcast_to(np.arange(3.0), (2, 3)), np.float64(5)):
        found = ns.as_tensor(given)
        assert found.tolist() == np.asarray(given).tolist()
        found += 1
    assert array.tolist() == [0, 1, 2]


def test_graphs_end_where_they_are_told_to():
    x = torch.ones(2, requires_grad=True)
    y = np.ones(2)
    assert not ns.detached(x).requires_grad
    assert ns.detached(y) is y
    assert ns.need_gradients(x, y)
    assert not ns.need_gradients(y)
    assert not ns.need_gradients(x.detach())
    with torch.no_grad():
        assert not ns.need_gradients(x)
    assert ns.as_numpy(x).tolist() == [1, 1]


def test_arrays_of_several_sizes_are_stacked(make):
    found = ns.stacked([make([[1.0, 2.0]]), make([[3.0], [4.0]])])
    assert found.tolist() == [[[1.0, 2.0], [0.0, 0.0]], [[3.0, 0.0], [4.0, 0.0]]]


def test_gradients_pass_stacking_and_types_are_promoted():
    x, y = torch.ones(2, requires_grad=True), torch.ones(3, dtype=torch.float64)
    found = ns.stacked([x, y])
    assert found.dtype == torch.float64
    (2 * found).sum().backward()
    assert x.grad.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("single", "double"), [(np.dtype(np.float32), np.dtype(np.float64)), (torch.float32, torch.float64)]
)
def test_limits_of_types(single, double):
    assert (ns.is_double(double), ns.is_double(single)) == (True, False)
    assert ns.epsilon_of(double) == 2.0**-52
    assert ns.epsilon_of(single) == 2.0**-23
    assert ns.least_of(single) == 2.0**-126
    assert ns.largest_of(single) == pytest.approx(3.4e38, rel=1e-2)


WITHOUT_TORCH = """
import sys
import numpy as np
import otgan

x, y = np.random.default_rng(0).standard_normal((2, 40, 3))
otgan.emd(x[:, 0], y[:30, 0]), otgan.emd([0.0, 1.0], [1.0, 3.0], [1, 2])
assert "numba" not in sys.modules  # sorting needs no loops of machine code
otgan.emd(x, y), otgan.emd(x[:, 0], y[:30, 0]), otgan.emd([0.0, 1.0], [1.0, 3.0], [1, 2])
otgan.emd([x[:5], x[:3]], [y[:5], y[:3]], cost="cityblock")
otgan.emd(x, y[:30]), otgan.emd(x, y, np.arange(40)), otgan.transport(x, y[:30], p=2).f
t = otgan.transport(x, y, cost="cosine")
t.value, t.f, t.g, t.plan, t.lower, t.upper, t.marginal_error, t.converged, t.to_dict(), repr(t)
t.apply(np.ones(40)), t.barycentric_map(), t.arcs, t.sparse_plan
for points in (x, np.repeat(x, 3, 1)):  # by trees, and by tiles
    t = otgan.transport(points, points[:30] + 1, backend="certified")
    t.value, t.f, t.lower, t.upper
otgan.kl(x, x), otgan.js(x, y, estimator="histogram", bins=3), otgan.tv(x, y), otgan.kl(x, y, estimator="knn")
otgan.js(x, y, np.arange(40), estimator="atoms")
otgan.Measure.of(x)
for options in ({}, {"reach": 1.0}, {"p": 1.5, "backend": "streamed"}, {"cost": "cosine"}, {"epsilon": 1e9}):
    otgan.sinkhorn(x, y, **options), otgan.sinkhorn_divergence(x, y[:30], **options)
t = otgan.transport(x, y[:30], epsilon=0.01)
t.value, t.f, t.g, t.plan, t.lower, t.upper, t.marginal_error, t.converged, t.to_dict(), repr(t)
t.apply(np.ones(30)), t.barycentric_map(), otgan.transport(x, y[:30], epsilon=0.02, init=t)
otgan.sinkhorn_divergence([x[:5], x[:3]], [y[:5], y[:3]], epsilon=[0.1, 0.2])
x, y = np.random.default_rng(0).standard_normal((2, 1100, 30))  # more than one thread solves whole
otgan.sinkhorn_divergence(x, y, epsilon=0.5)
print(sorted({"torch", "ot", "sklearn"} & sys.modules.keys()))
"""


def test_what_numpy_alone_can_do_is_done_without_torch():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_TORCH],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("[]\n", "", 0)
