"""Arrays of other libraries: the same numbers as from NumPy, handed back as arrays of the library they came from."""

import importlib
import types

import numpy as np
import pytest

import otgan
from otgan.home import come_in
from tests.problems import cloud, simplex_weights

X, Y, A = cloud(14, 3), cloud(9, 3, seed=1), simplex_weights(14)
LIBRARIES = ["array_api_strict", "jax.numpy"]


@pytest.fixture(params=LIBRARIES)
def xp(request):
    """The functions of a library that follows the array API standard; JAX with float64."""
    if request.param == "array_api_strict":
        yield importlib.import_module("array_api_strict")
        return
    jax = pytest.importorskip("jax", reason="needs JAX: pip install otgan[bench]")
    with jax.enable_x64(True):
        yield jax.numpy


@pytest.fixture
def single():
    """The functions of JAX as it is by itself, without float64."""
    return pytest.importorskip("jax", reason="needs JAX: pip install otgan[bench]").numpy


def test_numbers_are_floats_and_arrays_are_of_the_callers_library(xp):
    x, y, a = map(xp.asarray, (X, Y, A))
    expected = otgan.transport(X, Y, A, epsilon=0.3)
    solved = otgan.transport(x, y, a, epsilon=0.3)
    assert (solved.value, solved.lower) == (expected.value, expected.lower)
    for name in ("f", "g", "plan"):
        assert type(getattr(solved, name)) is type(x)
        np.testing.assert_array_equal(np.asarray(getattr(solved, name)), getattr(expected, name))
    for found, wanted in (
        (solved.barycentric_map(), expected.barycentric_map()),
        (solved.apply(y), expected.apply(Y)),
        (solved.apply(x, axis=0), expected.apply(X, axis=0)),
    ):
        assert type(found) is type(x)
        np.testing.assert_array_equal(np.asarray(found), wanted)
    exact = otgan.transport(x, xp.asarray(X + 1.0), p=1)
    assert type(exact.assignment) is type(exact.arcs.mass) is type(x)
    assert "int" in str(exact.assignment.dtype)
    np.testing.assert_array_equal(np.asarray(exact.assignment), otgan.transport(X, X + 1.0, p=1).assignment)
    with pytest.raises(TypeError, match="moves torch results"):
        solved.to(dtype=None)


@pytest.mark.parametrize(
    "function", [otgan.emd, otgan.sinkhorn, otgan.sinkhorn_divergence, otgan.sliced, otgan.energy]
)
def test_every_function_takes_them_alone_in_batches_in_lists_and_beside_others(xp, function):
    x, y = xp.asarray(X), xp.asarray(Y)
    one = function(X, Y)
    assert function(x, y) == function(x, Y) == function(X.tolist(), y) == one
    several = function(xp.stack([x, x + 1.0]), xp.stack([y, y]))
    assert type(several) is type(x)
    np.testing.assert_array_equal(np.asarray(several), function(np.stack([X, X + 1.0]), np.stack([Y, Y])))
    ragged = function([x, x[:5, :]], [y, y[:6, :]])
    assert type(ragged) is type(x)
    np.testing.assert_array_equal(np.asarray(ragged), function([X, X[:5]], [Y, Y[:6]]))


def test_costs_conclusions_and_tests_take_them_too(xp):
    x, y = xp.asarray(X), xp.asarray(Y)
    costs = np.abs(X[:, None] - Y).sum(-1)
    solved = otgan.transport(xp.asarray(costs), None, xp.asarray(A), cost="precomputed")
    assert type(solved.f) is type(x)
    assert solved.value == pytest.approx(otgan.transport(X, Y, A, cost="cityblock", p=1).value, rel=1e-12)
    assert otgan.emd(x, y, cost=lambda u, v: np.abs(u[:, None] - v).sum(-1)) == pytest.approx(
        otgan.emd(X, Y, cost="cityblock")
    )
    assert otgan.two_sample_test(x, y, seed=0).p_value == otgan.two_sample_test(X, Y, seed=0).p_value
    np.testing.assert_array_equal(otgan.pairwise([x, y]), otgan.pairwise([X, Y]))
    assert otgan.compare(x, y, seed=0)["emd"].value == otgan.compare(X, Y, seed=0)["emd"].value
    held, expected = otgan.Reference(x, seed=0), otgan.Reference(X, seed=0)
    assert held.measure(y).value == expected.measure(Y).value


def test_what_a_library_holds_in_single_precision_stays_certified(single):
    x, y = single.asarray(X), single.asarray(Y)
    solved = otgan.transport(single.stack([x, x]), single.stack([y, y + 1]), p=1)
    assert str(solved.value.dtype) == "float32"
    exact = otgan.emd(np.stack([X, X]), np.stack([Y, Y + 1.0]).astype(np.float32))
    sharp = [otgan.transport(np.asarray(x), np.asarray(y) + one, p=1).value for one in np.float32([0, 1])]
    np.testing.assert_allclose(exact, sharp, rtol=1e-6)
    assert all(np.asarray(solved.lower, dtype=np.float64) <= sharp)
    assert all(np.asarray(solved.upper, dtype=np.float64) >= sharp)


def test_what_single_precision_cannot_hold_is_refused(single):
    x, y = single.asarray([[0.0], [1e20]]), single.asarray([[1e15], [3e20]])
    both = single.stack([x, x]), single.stack([y, y])
    np.testing.assert_allclose(otgan.emd(*both), 1e20, rtol=1e-4)
    with pytest.raises(OverflowError, match="beyond the range of float32, the type of the samples"):
        assert otgan.transport(*both).value


def test_numbers_that_are_not_there_are_refused(single):
    jax = pytest.importorskip("jax")
    with pytest.raises(
        TypeError, match=r"x must hold numbers that are there.*outside of functions that are traced"
    ):
        jax.jit(lambda x: otgan.emd(x, Y))(single.asarray(X))


class Elsewhere:
    """An array of a library whose device is none of NumPy's: torch takes it, and gives it back."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.device = values, values.shape, values.dtype, "elsewhere:0"

    def __array_namespace__(self, api_version=None):
        del api_version
        return types.SimpleNamespace(
            asarray=Elsewhere,
            from_dlpack=lambda tensor: Elsewhere(np.from_dlpack(tensor)),
            __name__="elsewhere",
        )

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return (8, 0)


def test_what_is_on_a_device_goes_through_torch_and_back():
    x, y = Elsewhere(X.copy()), Elsewhere(Y.copy())
    solved = otgan.transport(x, y, Elsewhere(A.copy()), epsilon=0.3)
    expected = otgan.transport(X, Y, A, epsilon=0.3)
    assert isinstance(solved.value, float)
    assert solved.value == pytest.approx(expected.value, rel=1e-9)
    assert isinstance(solved.plan, Elsewhere)
    np.testing.assert_allclose(solved.plan.values, expected.plan, rtol=1e-6)
    with pytest.raises(TypeError, match="x is elsewhere and y is NumPy"):
        otgan.emd(x, Y)


def test_what_has_dlpack_alone_comes_back_as_numpys():
    class Carrier:
        def __dlpack__(self, **options):
            return X.copy().__dlpack__(**options)

        def __dlpack_device__(self):
            return (1, 0)

    assert come_in(Carrier(), "x")[1] is None
    solved = otgan.transport(Carrier(), Y, p=1)
    assert isinstance(solved.f, np.ndarray)
    assert solved.value == otgan.transport(X, Y, p=1).value
