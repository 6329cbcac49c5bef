"""Costs given as matrices: the same numbers as from points, in every form, and gradients in the costs."""

import numpy as np
import ot
import pytest
import torch
from scipy.spatial.distance import cdist

import otgan
from otgan.costs import precomputed
from tests.problems import cloud, simplex_weights

X, Y = cloud(12, 3), cloud(9, 3, seed=1) + 0.5
A, B = simplex_weights(12), simplex_weights(9, seed=1)
C = cdist(X, Y)
SELVES = (C, cdist(X, X), cdist(Y, Y))


@pytest.mark.parametrize("backend", ["auto", "simplex", "certified"])
def test_exact_values_plans_and_bounds_are_those_of_the_points(backend):
    named = otgan.transport(X, Y, A, B, p=1)
    t = otgan.transport(C, None, A, B, cost="precomputed", backend=backend)
    assert t.value == pytest.approx(named.value, rel=1e-12)
    assert t.value == pytest.approx(ot.emd2(A, B, C), rel=1e-12)
    assert t.lower <= named.value <= t.upper
    assert t.upper - t.lower <= 1e-11 * t.value
    assert t.distance == t.value
    assert (t.p, t.cost) == (1, "precomputed")
    np.testing.assert_allclose(t.plan.sum(1), A, atol=1e-14)
    assert otgan.emd(C, a=A, b=B, cost="precomputed") == pytest.approx(named.value, rel=1e-12)


@pytest.mark.parametrize("backend", ["dense", "streamed"])
@pytest.mark.parametrize("reach", [None, 0.7])
def test_entropic_values_plans_and_bounds_are_those_of_the_points(backend, reach):
    options = {"epsilon": 0.1, "reach": reach, "tol": 1e-10}
    named = otgan.transport(X, Y, A, B, p=1, **options)
    t = otgan.transport(C, None, A, B, cost="precomputed", backend=backend, **options)
    assert t.value == pytest.approx(named.value, rel=1e-10)
    assert np.abs(t.plan - named.plan).sum() <= 1e-8
    np.testing.assert_allclose(t.f, named.f, atol=1e-8)
    np.testing.assert_allclose(t.apply(Y), named.apply(Y), atol=1e-9)
    if reach is None:
        assert t.lower == pytest.approx(named.lower, rel=1e-8)
        assert t.upper == pytest.approx(named.upper, rel=1e-8)
    value = otgan.sinkhorn(C, None, A, B, cost="precomputed", **options)
    assert value == pytest.approx(named.value, rel=1e-10)


def test_divergences_take_three_matrices():
    for options in ({"epsilon": 0.1}, {"blur": 0.3, "reach": 1.0}, {}):
        named = otgan.sinkhorn_divergence(X, Y, A, B, p=1, tol=1e-10, **options)
        found = otgan.sinkhorn_divergence(SELVES, None, A, B, cost="precomputed", tol=1e-10, **options)
        assert found == pytest.approx(named, rel=1e-9)


def test_batches_and_lists_of_matrices():
    stacked = np.stack([C, 2 * C])
    values = otgan.emd(stacked, cost="precomputed")
    np.testing.assert_allclose(values, [otgan.emd(X, Y), 2 * otgan.emd(X, Y)], rtol=1e-12)
    ragged = [C[:5, :4], C[2:, 1:]]
    a = [np.r_[0.0, A[:4]], A[2:]]
    t = otgan.transport(ragged, None, a, cost="precomputed", epsilon=0.1, tol=1e-11)
    for k, part in enumerate(ragged):
        keep = a[k] > 0
        alone = otgan.transport(part[keep], None, a[k][keep], cost="precomputed", epsilon=0.1, tol=1e-11)
        assert t.value[k] == pytest.approx(alone.value, rel=1e-12)
        assert t.plan[k].shape == part.shape
        np.testing.assert_allclose(t.plan[k][keep], alone.plan, atol=1e-12)
    three = [[C, 2 * C], [cdist(X, X), 2 * cdist(X, X)], [cdist(Y, Y), 2 * cdist(Y, Y)]]
    found = otgan.sinkhorn_divergence(three, cost="precomputed", epsilon=[0.1, 0.2], tol=1e-10)
    one = otgan.sinkhorn_divergence(X, Y, p=1, epsilon=0.1, tol=1e-10)
    np.testing.assert_allclose(found, [one, 2 * one], rtol=1e-8)


def test_a_batch_of_matrices_of_several_sizes_in_a_divergence():
    sets = [(X[:5], Y[:4]), (X[2:], Y[1:])]
    three = [
        [cdist(*both) for both in terms]
        for terms in zip(*[((x, y), (x, x), (y, y)) for x, y in sets], strict=True)
    ]
    found = otgan.sinkhorn_divergence(three, cost="precomputed", epsilon=0.1, tol=1e-10)
    expected = [otgan.sinkhorn_divergence(x, y, p=1, epsilon=0.1, tol=1e-10) for x, y in sets]
    np.testing.assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize("options", [{}, {"epsilon": 0.2, "tol": 1e-11}])
def test_the_gradient_in_the_costs_is_the_plan(options):
    costs = torch.from_numpy(C).requires_grad_()
    t = otgan.transport(costs, cost="precomputed", **options)
    (gradient,) = torch.autograd.grad(t.value, costs)
    np.testing.assert_allclose(gradient, t.plan, atol=1e-12)
    distance = otgan.emd(costs, cost="precomputed")
    (gradient,) = torch.autograd.grad(distance, costs)
    np.testing.assert_allclose(gradient, otgan.transport(C, cost="precomputed").plan, atol=1e-12)


def test_gradients_in_all_three_matrices_and_in_weights_are_finite_differences():
    three = [torch.from_numpy(c.copy()).requires_grad_() for c in SELVES]
    a = torch.from_numpy(A).requires_grad_()
    options = {"cost": "precomputed", "epsilon": 0.2, "tol": 1e-11}
    value = otgan.sinkhorn_divergence(three, None, a, torch.from_numpy(B), **options)
    grads = torch.autograd.grad(value, [*three, a])
    for which in range(3):
        ends = []
        for sign in (1, -1):
            moved = [c.copy() for c in SELVES]
            moved[which][2, 1] += sign * 1e-5
            if which:
                moved[which][1, 2] += sign * 1e-5
            ends.append(otgan.sinkhorn_divergence(moved, None, A, B, **options))
        slope = grads[which][2, 1] + (grads[which][1, 2] if which else 0)
        assert float(slope) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-9)
    named = torch.from_numpy(A).requires_grad_()
    points = otgan.sinkhorn_divergence(
        torch.from_numpy(X), torch.from_numpy(Y), named, torch.from_numpy(B), p=1, epsilon=0.2, tol=1e-11
    )
    np.testing.assert_allclose(grads[3], torch.autograd.grad(points, named)[0], atol=1e-6)


def test_costs_in_single_precision_give_results_in_it():
    t = otgan.transport(torch.from_numpy(C).float(), cost="precomputed", epsilon=0.2)
    assert t.value.dtype == t.plan.dtype == torch.float32
    assert float(t.value) == pytest.approx(otgan.sinkhorn(X, Y, p=1, epsilon=0.2), rel=1e-5)
    assert otgan.emd(torch.from_numpy(C).float(), cost="precomputed").dtype == torch.float32


@pytest.mark.parametrize("factor", [1e-290, 1e-30, 1e30, 1e290])
def test_units_do_not_matter(factor):
    assert otgan.emd(C * factor, cost="precomputed") == pytest.approx(factor * otgan.emd(X, Y), rel=1e-12)
    options = {"cost": "precomputed", "epsilon": 0.1 * factor}
    plain = otgan.sinkhorn_divergence(SELVES, cost="precomputed", epsilon=0.1)
    scaled = otgan.sinkhorn_divergence([c * factor for c in SELVES], **options)
    assert scaled / factor == pytest.approx(plain, rel=1e-7)


def test_an_asymmetric_self_term_is_solved_as_it_is():
    bent = SELVES[1] + np.triu(np.ones((12, 12)), 1)
    terms = [otgan.sinkhorn(c, cost="precomputed", epsilon=0.2, tol=1e-10) for c in (C, bent, SELVES[2])]
    found = otgan.sinkhorn_divergence((C, bent, SELVES[2]), cost="precomputed", epsilon=0.2, tol=1e-10)
    assert found == pytest.approx(terms[0] - 0.5 * (terms[1] + terms[2]), rel=1e-8)


def test_a_solution_starts_the_next_one_between_as_many_points():
    first = otgan.transport(C, cost="precomputed", epsilon=0.05)
    again = otgan.transport(C * 1.01, cost="precomputed", epsilon=0.05, init=first)
    assert again.converged
    assert again.value == pytest.approx(otgan.sinkhorn(C * 1.01, cost="precomputed", epsilon=0.05), rel=1e-6)
    with pytest.raises(ValueError, match="as many points"):
        otgan.transport(C[:5], cost="precomputed", epsilon=0.05, init=first)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: otgan.emd(C, Y, cost="precomputed"), "y must be left out"),
        (lambda: otgan.emd(C, cost="precomputed", p=2), "p must be 1 for cost='precomputed'"),
        (lambda: otgan.emd(C[0], cost="precomputed"), r"matrix of costs.*got shape \(9,\)"),
        (lambda: otgan.emd(C[:0], cost="precomputed"), "at least one cost"),
        (lambda: otgan.emd(-C, cost="precomputed"), "costs >= 0, got -.*subtract"),
        (lambda: otgan.emd(np.where(C > 1, np.inf, C), cost="precomputed"), "finite costs, got an infinite"),
        (lambda: otgan.emd(np.where(C > 1, np.nan, C), cost="precomputed"), "finite costs, got NaN"),
        (lambda: otgan.emd("C", cost="precomputed"), "x must be numbers"),
        (lambda: otgan.sinkhorn_divergence(C, cost="precomputed"), r"three matrices \(Cxy, Cxx, Cyy\)"),
        (lambda: otgan.sinkhorn_divergence((C, C), cost="precomputed"), "three matrices.*got 2"),
        (lambda: otgan.sinkhorn_divergence((C, C, C), cost="precomputed"), r"shapes \(n, m\), \(n, n\)"),
        (lambda: otgan.emd(C, a=B, cost="precomputed"), r"a must have one weight a sample, shape \(12,\)"),
        (lambda: otgan.transport(C, cost="precomputed").barycentric_map(), "needs points.*apply"),
        (lambda: otgan.emd(X), "y must be numbers"),
    ],
)
def test_mistakes_are_explained(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_costs_of_points_without_weight_have_no_say(size):
    few = size * C
    far = np.pad(few, ((0, 1), (0, 1)), constant_values=1e299)
    a, b = np.append(A, 0), np.append(B, 0)
    for options in ({}, {"epsilon": 0.1 * size}):
        t = otgan.transport(few, None, A, B, cost="precomputed", **options)
        masked = otgan.transport(far, None, a, b, cost="precomputed", **options)
        assert masked.value == pytest.approx(t.value, rel=1e-12)
        assert (masked.lower, masked.upper) == pytest.approx((t.lower, t.upper), rel=1e-12)
        np.testing.assert_allclose(masked.f[:-1], t.f, rtol=1e-12, atol=1e-12 * size)
        assert not np.isnan([masked.f[-1], masked.g[-1]]).any()
    # The far costs stand on the diagonals too, so that the way there may be another: both are to go far.
    how = {"cost": "precomputed", "epsilon": 0.1 * size, "tol": 1e-11}
    whole = otgan.sinkhorn_divergence(tuple(size * part for part in SELVES), a=A, b=B, **how)
    own = (np.pad(size * part, ((0, 1), (0, 1)), constant_values=1e299) for part in SELVES[1:])
    assert otgan.sinkhorn_divergence((far, *own), a=a, b=b, **how) == pytest.approx(whole, rel=1e-9)


def test_points_start_no_matrix_and_a_matrix_no_points():
    of_points = otgan.transport([-40.0, 0.5], [1.0, 2.0], p=1, epsilon=0.5)
    of_costs = otgan.transport(C[:2, :2], cost="precomputed", epsilon=0.5)
    with pytest.raises(ValueError, match="init must be between points where the problem is"):
        otgan.transport(C[:2, :2], cost="precomputed", epsilon=0.5, init=of_points)
    with pytest.raises(ValueError, match="init must be between points where the problem is"):
        otgan.transport([-40.0, 0.5], [1.0, 2.0], p=1, epsilon=0.5, init=of_costs)


def test_matrices_and_weights_of_several_libraries_go_where_the_tensors_are():
    C = [np.arange(6.0).reshape(2, 3), np.ones((3, 3))]
    expected = otgan.emd(C, cost="precomputed").tolist()
    for mixed in ([torch.from_numpy(C[0]), C[1]], [C[0], torch.from_numpy(C[1])]):
        assert otgan.emd(mixed, cost="precomputed").tolist() == expected
    x, y = (torch.from_numpy(cloud(n, 2, seed=n)) for n in (4, 3))
    weights = [[1.0, 2, 3, 4], torch.ones(3)]
    found = otgan.emd([x, x[:3]], [y, y], weights)
    assert found[0].item() == pytest.approx(otgan.emd(x, y, weights[0]).item(), rel=1e-12)
    again = otgan.emd([x, x[:3]], [y, y], [np.array(weights[0]), torch.ones(3)])
    assert again.tolist() == found.tolist()


def test_a_read_only_matrix_is_copied_once(monkeypatch):
    C = np.abs(cloud(40, 30))
    C.flags.writeable = False
    copies = []
    real = precomputed.beside
    monkeypatch.setattr(precomputed, "beside", lambda *both: copies.append(1) or real(*both))
    assert otgan.transport(C, cost="precomputed", epsilon=0.5, backend="streamed").converged
    assert len(copies) < 8


def test_the_gradient_in_a_matrix_cannot_be_differentiated_in_the_weights_in_silence():
    C, a = torch.rand(4, 3, dtype=torch.float64), torch.full((4,), 0.25, dtype=torch.float64)
    C.requires_grad_()
    a.requires_grad_()
    value = otgan.sinkhorn(C, a=a, cost="precomputed", epsilon=0.5)
    (slope,) = torch.autograd.grad(value, C, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiable once"):
        torch.autograd.grad(slope.square().sum(), a)
