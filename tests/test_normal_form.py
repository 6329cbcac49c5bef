"""The normal form of a problem, and the way back from it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import otgan
from otgan.costs import Euclidean
from otgan.normal_form import NormalForm, Side
from otgan.pair import pair
from tests.problems import cloud, simplex_weights


@pytest.mark.parametrize("power", [-900, -3, 0, 5, 900])
def test_coordinates_are_of_order_one(power):
    x, y = 2.0**power * cloud(5, 3), 2.0**power * cloud(4, 3, seed=1)
    form = NormalForm.of(pair(x, y), Euclidean(1), rooted=True)
    largest = max(float(abs(side.measure.points).max()) for side in (form.x, form.y))
    assert 1 <= largest < 2
    # A power of two: nothing is rounded.
    np.testing.assert_array_equal(form.x.measure.points[0] * form.unit, x)


def test_a_common_offset_is_taken_off_where_that_is_exact():
    x = np.array([[1e8 + 1, 0.5], [1e8 + 2, -0.25]])
    form = NormalForm.of(pair(x, x + 0.125), Euclidean(2))
    points = form.x.measure.points[0] * form.unit.item()
    np.testing.assert_array_equal(points[:, 0], [0, 1])
    np.testing.assert_array_equal(
        points[:, 1], [0.5, -0.25]
    )  # these values do not lie within a factor of two


@pytest.mark.parametrize("library", [np.array, torch.tensor])
def test_points_without_mass_are_left_out_and_put_back(library):
    x, a = library(cloud(4, 2)), library([0.0, 2.0, 0.0, 1.0])
    side = Side.of(pair(x, x, a).x)
    assert side.measure.points.shape == (1, 2, 2)
    assert side.measure.weights.tolist() == [[2 / 3, 1 / 3]]
    assert side.measure.given.tolist() == [[2.0, 1.0]]
    values = library([[5.0, 7.0]])
    assert side.scatter(values, -1.0).tolist() == [[-1.0, 5.0, -1.0, 7.0]]
    assert side.gather(library([[1.0, 2.0, 3.0, 4.0]])).tolist() == [[2.0, 4.0]]


def test_a_batch_with_different_numbers_of_zeros_becomes_ragged():
    x = torch.tensor(np.stack([cloud(4, 2), cloud(4, 2, seed=1)]))
    a = torch.tensor([[1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 2.0]])
    side = Side.of(pair(x, x, a).x)
    assert side.measure.sizes == (3, 2)
    rows = torch.arange(12.0).reshape(2, 3, 2).requires_grad_()
    out = side.scatter(rows)
    assert out[0, 1].tolist() == out[1, 0].tolist() == [0.0, 0.0]
    assert out[1, 2:].tolist() == rows[1, :2].tolist()
    out.sum().backward()
    # What fills the second problem up goes nowhere, and takes no gradient.
    assert rows.grad[1].tolist() == [[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize("epsilon", [None, 0.3])
@pytest.mark.parametrize("form", ["one", "batch", "ragged"])
def test_masking_is_leaving_out(form, epsilon):
    xs, ys = [cloud(n, 2, seed=n) for n in (5, 7)], [cloud(n, 2, seed=9 + n) for n in (6, 4)]
    weights = [simplex_weights(len(x)) for x in xs]
    far = [np.insert(x, 1, 1e30, axis=0) for x in xs]
    masked = [np.insert(a, 1, 0.0) for a in weights]
    options = {"p": 2, "epsilon": epsilon}
    alone = [otgan.transport(x, y, a, **options) for x, y, a in zip(xs, ys, weights, strict=True)]
    if form == "one":
        found = [otgan.transport(x, y, a, **options) for x, y, a in zip(far, ys, masked, strict=True)]
        values, potentials = [t.value for t in found], [t.f for t in found]
        plans = [t.plan for t in found]
    elif form == "batch":
        xs, ys = [xs[0], xs[0]], [ys[0], ys[0]]
        alone = [otgan.transport(xs[0], ys[0], weights[0], **options)] * 2
        t = otgan.transport(np.stack([far[0]] * 2), np.stack(ys), np.stack([masked[0]] * 2), **options)
        values, potentials, plans = t.value, t.f, t.plan
    else:
        both = otgan.transport(xs, ys, weights, **options)
        alone = [SimpleNamespace(value=both.value[k], f=both.f[k], plan=both.plan[k]) for k in range(2)]
        t = otgan.transport(far, ys, masked, **options)
        values, potentials, plans = t.value, t.f, t.plan
    for k, one in enumerate(alone):
        assert values[k] == pytest.approx(one.value, rel=1e-12)
        np.testing.assert_allclose(np.delete(potentials[k], 1), one.f, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(np.delete(plans[k], 1, axis=0), one.plan, atol=1e-9)
        assert (plans[k][1] == 0).all()


def test_potentials_of_points_without_mass_are_those_of_a_new_point():
    x, y, a = cloud(5, 2), cloud(6, 2, seed=1), np.array([1.0, 1, 0, 1, 1])
    t = otgan.transport(x, y, a, epsilon=0.4, tol=1e-12)
    cost = ((x[2] - y) ** 2).sum(1)
    expected = -0.4 * np.log(np.mean(np.exp((t.g - cost) / 0.4)))
    assert t.f[2] == pytest.approx(expected, rel=1e-9)
    exact = otgan.transport(x, y, a)
    assert exact.f[2] == pytest.approx((cost - exact.g).min(), rel=1e-12)


def test_ranges():
    with pytest.raises(OverflowError, match=r"1e200 apart .*\^2 beyond the range of float64: divide"):
        otgan.transport([0.0, 1e200], [1.0, 2e200])
    with pytest.raises(OverflowError, match=r"problem 1"):
        otgan.sinkhorn(np.array([[[0.0]], [[1e200]]]), np.array([[[1.0]], [[1.0]]]))
    assert otgan.emd([0.0, 1e200], [1.0, 2e200], p=3) == pytest.approx(1e200 * 0.5 ** (1 / 3))


def test_a_start_of_another_scale_is_a_start():
    x, y = cloud(30, 2), cloud(25, 2, seed=1)
    epsilon = 0.02
    first = otgan.transport(x, y, epsilon=epsilon)
    moved = otgan.transport(x, y + 1e-4, epsilon=epsilon, init=first)
    far = np.concatenate([y, [[900.0, 900.0]]])
    other = otgan.transport(x, far, epsilon=epsilon, init=first, b=[1.0] * 25 + [0.0])
    assert moved.converged
    assert other.converged
    assert other.value == pytest.approx(first.value, rel=1e-9)
    assert moved.iterations < first.iterations


OPTIONS = [{"epsilon": 0.1, "backend": "streamed"}, {"epsilon": 0.1, "backend": "compiled"}, {}]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("scale", [1.0, 3.0])
@pytest.mark.parametrize("wrap", [np.array, torch.tensor])
def test_results_stay_what_they_are_where_the_samples_are_overwritten(options, scale, wrap):
    # Between 0 and 1 samples are in normal form already.
    x, y = (scale * np.random.default_rng(k).uniform(0, 1, (30, 2)) for k in range(2))
    x[0], x[1], y[0] = 0, scale, 0
    kept, given = (wrap(x), wrap(y)), (wrap(x), wrap(y))
    expected, found = otgan.transport(*kept, **options), otgan.transport(*given, **options)
    for side in given:
        side[:] = 7 * side + 1
    np.testing.assert_array_equal(np.asarray(found.plan), np.asarray(expected.plan))
    assert float(found.lower) == float(expected.lower)
    assert float(found.upper) == float(expected.upper)
