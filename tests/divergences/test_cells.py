"""Divergences of empirical measures: exact, whatever the dimension, the weights or the batch."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

import otgan
from otgan.divergences import atoms
from otgan.pair import pair

NAMES = ("kl", "js", "tv")
DIVERGENCES = (otgan.kl, otgan.js, otgan.tv)


def outside_references(x, y, a=None, b=None):
    """KL, JS and TV by SciPy from the masses that np.unique finds."""
    points, labels = np.unique(np.concatenate([x, y]), axis=0, return_inverse=True)
    labels = labels.ravel()
    p = np.bincount(labels[: len(x)], a, minlength=len(points))
    q = np.bincount(labels[len(x) :], b, minlength=len(points))
    p, q = p / p.sum(), q / q.sum()
    return scipy.stats.entropy(p, q), jensenshannon(p, q) ** 2, 0.5 * np.abs(p - q).sum()


@st.composite
def sets(draw, weighted=True):
    """Two small sets on a coarse grid, so that points repeat and are shared, some of them of weight 0."""
    d = draw(st.integers(1, 3))
    coordinate = st.integers(0, 2).map(float)

    def points():
        return np.array(draw(st.lists(st.lists(coordinate, min_size=d, max_size=d), min_size=1, max_size=12)))

    def weights(n):
        values = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=n, max_size=n))
        return np.array(values) if any(values) else np.ones(n)

    x, y = points(), points()
    return (x, y, weights(len(x)), weights(len(y))) if weighted else (x, y)


@settings(max_examples=50)
@given(sets())
def test_agrees_with_scipy(problem):
    assert [f(*problem) for f in DIVERGENCES] == pytest.approx(outside_references(*problem), abs=1e-14)


@settings(max_examples=50)
@given(sets())
def test_bounds_and_inequalities(problem):
    kl, js, tv = (f(*problem) for f in DIVERGENCES)
    assert kl >= 0
    assert 0 <= js <= math.log(2)
    assert 0 <= tv <= 1
    assert tv**2 <= kl / 2 + 1e-12  # Pinsker
    assert js <= math.log(2) * tv + 1e-12
    assert js >= tv**2 / 2 - 1e-12


@settings(max_examples=50)
@given(sets())
def test_js_and_tv_are_symmetric(problem):
    x, y, a, b = problem
    assert otgan.js(y, x, b, a) == pytest.approx(otgan.js(x, y, a, b), abs=1e-15)
    assert otgan.tv(y, x, b, a) == pytest.approx(otgan.tv(x, y, a, b), abs=1e-15)


@settings(max_examples=50)
@given(sets(), st.randoms(use_true_random=False))
def test_order_is_irrelevant(problem, random):
    x, y, a, b = problem
    order = random.sample(range(len(x)), len(x))
    for f in DIVERGENCES:
        assert f(x[order], y, a[order], b) == pytest.approx(f(x, y, a, b), abs=1e-15)


@settings(max_examples=50)
@given(sets(weighted=False), st.data())
def test_weights_are_repeated_points(problem, data):
    x, y = problem
    counts = data.draw(st.lists(st.integers(1, 4), min_size=len(x), max_size=len(x)))
    for f in DIVERGENCES:
        assert f(x, y, counts) == pytest.approx(f(np.repeat(x, counts, axis=0), y), abs=1e-14)


@settings(max_examples=50)
@given(sets())
def test_zero_weights_are_as_if_absent(problem):
    x, y, a, b = problem
    for f in DIVERGENCES:
        assert f(x, y, a, b) == pytest.approx(f(x[a > 0], y[b > 0], a[a > 0], b[b > 0]), abs=1e-15)


def test_equal_multisets_are_at_distance_zero_exactly():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(97, 3))
    again = np.repeat(x, 3, axis=0)[rng.permutation(291)]
    assert [f(x, again) for f in DIVERGENCES] == [0, 0, 0]


def test_disjoint_supports_are_at_the_ceiling_exactly():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(91, 2)), rng.normal(size=(73, 2))
    assert [f(x, y) for f in DIVERGENCES] == [math.inf, math.log(2), 1]
    weights = rng.random(91), rng.random(73)
    assert [f(x, y, *weights) for f in DIVERGENCES] == [math.inf, math.log(2), 1]


def test_support_decides_whether_kl_is_finite():
    assert otgan.kl([0], [0, 1]) == pytest.approx(math.log(2))
    assert otgan.kl([0, 1], [0]) == math.inf
    assert otgan.kl([0, 1], [0], a=[1, 0]) == 0
    assert otgan.kl([0, 1], [0, 1], b=[1, 0]) == math.inf


def test_signed_zeros_are_one_atom():
    assert [f([[0.0, -0.0]], [[-0.0, 0.0]]) for f in DIVERGENCES] == [0, 0, 0]


def test_masses_may_differ_by_hundreds_of_orders_of_magnitude():
    a, b = [1.0, 1e-300], [1e-300, 1.0]
    assert otgan.kl([0, 1], [0, 1], a, b) == pytest.approx(300 * math.log(10))
    assert otgan.js([0, 1], [0, 1], a, b) == pytest.approx(math.log(2))
    assert otgan.kl([0, 1], [0, 1], [1e308, 1e308], [1e-308, 1e-308]) == 0


def test_near_zero_the_divergences_keep_their_relative_accuracy():
    h = 1e-6
    p, q = [0.5 + h, 0.5 - h], [0.5, 0.5]
    assert otgan.kl([0, 1], [0, 1], p, q) == pytest.approx(2 * h * h, rel=1e-3)
    assert otgan.js([0, 1], [0, 1], p, q) == pytest.approx(h * h / 2, rel=1e-3)
    assert otgan.tv([0, 1], [0, 1], p, q) == pytest.approx(h, rel=1e-9)


@settings(max_examples=25)
@given(st.lists(sets(), min_size=1, max_size=4))
def test_a_ragged_batch_is_a_loop(problems):
    d = problems[0][0].shape[1]
    problems = [problem for problem in problems if problem[0].shape[1] == d]
    columns = [list(column) for column in zip(*problems, strict=True)]
    for f in DIVERGENCES:
        together = f(*columns)
        assert together.shape == (len(problems),)
        assert together == pytest.approx([f(*problem) for problem in problems], abs=1e-15)
        without = f(columns[0], columns[1])
        assert without == pytest.approx([f(x, y) for x, y, _, _ in problems], abs=1e-15)


def test_a_stacked_batch_is_a_loop_and_its_problems_do_not_mix():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 3, (5, 20, 2)).astype(float), rng.integers(0, 3, (5, 30, 2)).astype(float)
    x[4] += 10  # disjoint from its own y, not from nothing
    y[3] += 10
    for f in DIVERGENCES:
        assert f(x, y) == pytest.approx([f(u, v) for u, v in zip(x, y, strict=True)], abs=1e-15)
    shared_weights = rng.random(20)
    assert otgan.tv(x, y, shared_weights) == pytest.approx(
        [otgan.tv(u, v, shared_weights) for u, v in zip(x, y, strict=True)]
    )


@pytest.mark.parametrize("f", DIVERGENCES, ids=NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torch_in_torch_out(f, dtype):
    x = torch.tensor([[0.1], [0.2], [0.2]], dtype=dtype)
    y = torch.tensor([[0.2], [0.1], [0.1]], dtype=dtype)
    single, batch = f(x, y), f(x.expand(4, 3, 1), y.expand(4, 3, 1))
    assert (single.shape, single.dtype) == ((), dtype)
    assert (batch.shape, batch.dtype) == ((4,), dtype)
    assert single.item() == pytest.approx(f(x.numpy(), y.numpy()), rel=1e-6)
    assert not single.requires_grad


def test_half_precisions_compare_the_values_that_they_hold():
    x = torch.tensor([[0.1], [0.2]], dtype=torch.bfloat16)
    assert otgan.tv(x, x.float()).item() == 0
    assert otgan.tv(x, torch.tensor([[0.1], [0.2]])).item() == 1


def normalized(weights):
    return weights / weights.sum()


@pytest.mark.parametrize("f", DIVERGENCES, ids=NAMES)
def test_gradients_in_weights_are_finite_differences(f):
    x = torch.tensor([[0.0], [1.0], [2.0], [2.0]], dtype=torch.float64)
    y = torch.tensor([[0.0], [1.0], [2.0], [5.0]], dtype=torch.float64)
    a = torch.tensor([0.3, 0.4, 0.1, 0.4], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([0.2, 0.7, 0.3, 0.6], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: f(x, y, a, b), (a, b))
    batch = (torch.stack([a.detach(), b.detach()]), torch.stack([b.detach(), a.detach()]))
    leaves = tuple(w.requires_grad_() for w in batch)
    assert torch.autograd.gradcheck(lambda a, b: f(x.expand(2, 4, 1), y.expand(2, 4, 1), a, b), leaves)


@pytest.mark.parametrize("f", DIVERGENCES, ids=NAMES)
def test_gradients_stay_finite_at_zero_weights_and_disjoint_supports(f):
    x = torch.tensor([[0.0], [1.0], [2.0]])
    for y in (x, x + 10, torch.tensor([[0.0], [1.0], [9.0]])):
        a = torch.tensor([0.0, 1.0, 2.0], requires_grad=True)
        b = torch.tensor([1.0, 0.0, 1.0], requires_grad=True)
        f(x, y, a, b).backward()
        assert torch.isfinite(a.grad).all()
        assert torch.isfinite(b.grad).all()


def test_an_infinite_value_has_gradient_zero():
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    value = otgan.kl(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0]]), a)
    value.backward()
    assert value.item() == math.inf
    assert a.grad.tolist() == [0, 0]


def test_the_cells_say_what_is_shared():
    x = [np.array([[0.0], [1.0], [1.0], [2.0]]), np.array([[5.0]])]
    y = [np.array([[1.0], [2.0], [3.0]]), np.array([[6.0], [7.0]])]
    cells = atoms(pair(x, y))
    assert cells.x_cells.tolist() == [3, 1]
    assert cells.y_cells.tolist() == [3, 2]
    assert cells.shared.tolist() == [2, 0]
    assert cells.disjoint.tolist() == [False, True]
    # A point that weighs nothing is shared with nobody.
    weighed = atoms(pair(x[0], y[0], None, [0, 1, 1]))
    assert (weighed.shared.item(), weighed.y_cells.item()) == (1, 2)


def test_wide_rows_are_merged_across_blocks():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (1500, 300)).astype(float)
    y = np.concatenate([x[::-1], rng.random((1500, 300))])
    assert otgan.tv(x, y) == pytest.approx(0.5, abs=1e-15)
    cells = atoms(pair(x, y))
    assert (cells.x_cells.item(), cells.shared.item(), cells.y_cells.item()) == (1500, 1500, 3000)
