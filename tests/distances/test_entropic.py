"""sinkhorn, and what it shares with its divergence, against POT, GeomLoss and closed forms."""

from __future__ import annotations

import warnings

import geomloss
import numpy as np
import ot
import pytest
import torch

import otgan
from otgan.status import ConvergenceError
from tests.problems import cloud, simplex_weights

TIGHT = {"tol": 1e-10}


@pytest.mark.parametrize("p", [1, 1.5, 2])
def test_sinkhorn_is_pots(p):
    x, y, a, b = cloud(30, 2), cloud(25, 2, seed=1) + 0.5, simplex_weights(30), simplex_weights(25)
    cost = ot.dist(x, y, metric="euclidean") ** p
    reference = ot.solve(cost, a, b, reg=0.3, reg_type="KL", max_iter=20000, tol=1e-12)
    assert otgan.sinkhorn(x, y, a, b, p=p, epsilon=0.3, **TIGHT) == pytest.approx(reference.value, rel=1e-7)
    t = otgan.transport(x, y, a, b, p=p, epsilon=0.3, **TIGHT)
    assert t.value_linear == pytest.approx(reference.value_linear, rel=1e-7)
    np.testing.assert_allclose(t.plan, reference.plan, atol=1e-9)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("debias", [False, True])
def test_values_are_p_times_geomlosss(p, debias):
    # Its cost is C/p, and it has no tolerance: a scaling near 1 brings it to 1e-4.
    x, y = torch.from_numpy(cloud(40, 2)), torch.from_numpy(cloud(30, 2, seed=1) + 0.5)
    blur = 0.5
    loss = geomloss.SamplesLoss(
        "sinkhorn", p=p, blur=blur, scaling=0.995, debias=debias, backend="tensorized"
    )
    function = otgan.sinkhorn_divergence if debias else otgan.sinkhorn
    ours = function(x, y, p=p, blur=blur, **TIGHT)
    assert ours.item() == pytest.approx(p * loss(x, y).item(), rel=1e-3)
    assert otgan.SinkhornLoss(p=p, blur=blur, debias=debias)(x, y).item() == pytest.approx(
        ours.item(), rel=1e-5
    )


def test_gradients_are_geomlosss_legacy():
    x, y = torch.from_numpy(cloud(20, 2)), torch.from_numpy(cloud(15, 2, seed=1) + 0.5)
    loss = geomloss.SamplesLoss("sinkhorn", p=2, blur=0.5, scaling=0.995, backend="tensorized")
    gradients = []
    for value in (lambda v: otgan.sinkhorn_divergence(v, y, blur=0.5, **TIGHT), lambda v: 2 * loss(v, y)):
        variable = x.clone().requires_grad_()
        value(variable).backward()
        gradients.append(variable.grad)
    np.testing.assert_allclose(gradients[0], gradients[1], atol=5e-3)  # it has not converged any further
    assert gradients[0].norm().item() == pytest.approx(gradients[1].norm().item(), rel=1e-2)


def test_one_dirac_pair_has_the_gradient_of_its_cost():
    x = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    otgan.sinkhorn_divergence(x, torch.tensor([[3.0, 4.0]], dtype=torch.float64), p=2, blur=0.1).backward()
    np.testing.assert_allclose(x.grad, [[-6.0, -8.0]], rtol=1e-12)


def test_default_epsilon_is_a_twentieth_of_the_mean_cost():
    x, y, a = cloud(12, 2), cloud(10, 2, seed=1), simplex_weights(12)
    for p in (1, 2):
        cost = ot.dist(x, y, metric="euclidean") ** p
        mean = float(a @ cost @ np.full(10, 0.1))
        explicit = otgan.sinkhorn(x, y, a, p=p, epsilon=0.05 * mean, **TIGHT)
        assert otgan.sinkhorn(x, y, a, p=p, **TIGHT) == pytest.approx(explicit, rel=1e-9)
        debiased = otgan.sinkhorn_divergence(x, y, a, p=p, epsilon=0.05 * mean, **TIGHT)
        assert otgan.sinkhorn_divergence(x, y, a, p=p, **TIGHT) == pytest.approx(debiased, rel=1e-9)


def test_blur_is_a_length():
    x, y = cloud(12, 2), cloud(10, 2, seed=1)
    for p in (1, 1.5, 2):
        by_epsilon = otgan.sinkhorn(x, y, p=p, epsilon=p * 0.3**p, **TIGHT)
        assert otgan.sinkhorn(x, y, p=p, blur=0.3, **TIGHT) == pytest.approx(by_epsilon, rel=1e-9)
        larger = otgan.sinkhorn(10 * x, 10 * y, p=p, blur=3, **TIGHT)
        assert larger == pytest.approx(10**p * by_epsilon, rel=1e-8)


def test_small_epsilon_approaches_the_exact_cost_from_above():
    x, y = cloud(20, 2), cloud(20, 2, seed=1)
    exact = otgan.emd(x, y, p=2) ** 2
    values = [otgan.sinkhorn(x, y, epsilon=e, tol=1e-8) for e in (1.0, 0.1, 0.01)]
    assert values[0] > values[1] > values[2] > exact
    assert values[2] - exact <= 0.01 * np.log(20)


def test_regression_small_epsilon_converges_or_says_so():
    x, y = 5 * cloud(30, 2), 5 * cloud(30, 2, seed=1) + 2
    t = otgan.transport(x, y, epsilon=1e-3, on_failure="ignore")
    exact = otgan.transport(x, y).value
    assert t.lower <= exact * (1 + 1e-12)
    assert exact <= t.upper * (1 + 1e-12)
    assert t.converged == (t.marginal_error <= 1e-6)
    assert np.isfinite(t.value)
    if t.converged:
        assert abs(t.value - exact) <= 1e-3 * np.log(900) + 1e-6 * np.abs(t.f).max()
    with pytest.warns(otgan.ConvergenceWarning, match="max_iter"):
        otgan.sinkhorn(x, y, epsilon=1e-3, max_iter=3)


@pytest.mark.parametrize("function", [otgan.sinkhorn, otgan.sinkhorn_divergence])
def test_failures_warn_once_a_call_or_raise(function):
    x, y = cloud(60, 2).reshape(2, 30, 2), cloud(60, 2, seed=1).reshape(2, 30, 2)
    options = {"epsilon": 1e-3, "max_iter": 2}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(x, y, **options)
    assert [w.category for w in caught] == [otgan.ConvergenceWarning]
    assert caught[0].filename == __file__
    with pytest.raises(ConvergenceError, match="2 of 2"):
        function(x, y, on_failure="raise", **options)
    values = function(x, y, on_failure="ignore", **options)
    assert np.isfinite(values).all()


@pytest.mark.parametrize("function", [otgan.sinkhorn, otgan.sinkhorn_divergence])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p": 0.5}, "p must be"),
        ({"epsilon": 1, "blur": 1}, "not both"),
        ({"tol": -1}, "tol must be"),
        ({"max_iter": 0}, "max_iter must be"),
        ({"backend": "gpu"}, "'dense'"),
        ({"on_failure": "shout"}, "on_failure must be"),
    ],
)
def test_wrong_options_are_named(function, options, message):
    with pytest.raises(ValueError, match=message):
        function(cloud(4, 2), cloud(5, 2), **options)
