"""Intervals for populations: how often they hold distances that are known, and what has none."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import binom, norm

import otgan
from otgan.distances import METRICS, metric_of
from otgan.status import ConvergenceError

P, Q = np.array([0.3, 0.3, 0.2, 0.1, 0.1]), np.array([0.1, 0.2, 0.3, 0.2, 0.2])


def shifted(d, by):
    return lambda rng, n: (rng.normal(size=(n, d)), rng.normal(size=(n, d)) + np.r_[by, np.zeros(d - 1)])


def folded(mean, deviation):
    """E |Z| of a normal variable."""
    inside = -mean / deviation
    return deviation * math.sqrt(2 / math.pi) * math.exp(-(inside**2) / 2) + mean * (1 - 2 * norm.cdf(inside))


def kernel_mean(by):
    """E exp(−(X − Y)²/2) of two normal variables that are so far apart."""
    return math.exp(-(by**2) / 6) / math.sqrt(3)


ENERGY = 2 * folded(1, math.sqrt(2)) - 4 / math.sqrt(math.pi)
CASES = {
    "bracket, on the line": (shifted(1, 1), 1.0, {}),
    "bracket, in five dimensions": (shifted(5, 1), 1.0, {}),
    "bracket, of one population": (shifted(1, 0), 0.0, {}),
    "bracket, sliced": (shifted(1, 1), 1.0, {"distance": "sliced"}),
    "subsampling, on the line": (shifted(1, 1), 1.0, {"method": "subsampling", "draws": 60}),
    "Sinkhorn divergence": (shifted(1, 1), 1.0, {"distance": "sinkhorn_divergence", "p": 2, "epsilon": 0.5}),
    "Sinkhorn divergence, of few samples": (
        shifted(5, 1),
        1.0,
        {"distance": "sinkhorn_divergence", "p": 2, "epsilon": 1.0},
    ),
    "energy": (shifted(1, 1), ENERGY, {"distance": "energy"}),
    "energy, of one population": (shifted(1, 0), 0.0, {"distance": "energy"}),
    "mmd": (
        shifted(1, 1),
        2 * kernel_mean(0) - 2 * kernel_mean(1),
        {"distance": "mmd", "options": {"bandwidth": 1.0}},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_they_hold_what_they_are_for_as_often_as_said(case):
    draw, truth, options = CASES[case]
    rng, runs, held = np.random.default_rng(0), 60, 0
    for _ in range(runs):
        found = otgan.confidence_interval(*draw(rng, 120), level=0.9, seed=rng, **options)
        assert found.lower <= found.upper
        held += found.lower <= truth <= found.upper
    assert held >= binom.ppf(0.001, runs, 0.88)


def test_intervals_shrink_with_more_samples():
    rng = np.random.default_rng(0)
    widths = []
    for n in (100, 1600):
        found = otgan.confidence_interval(*shifted(1, 1)(rng, n), distance="energy")
        widths.append(found.upper - found.lower)
    assert 2.5 < widths[0] / widths[1] < 6
    x, y = shifted(2, 4)(rng, 100)
    narrow, wide = (otgan.confidence_interval(x, y, level=level) for level in (0.5, 0.99))
    assert wide.lower < narrow.lower < narrow.upper < wide.upper


def test_finitely_many_points_are_subsampled():
    rng = np.random.default_rng(1)
    x, y = rng.choice(5, (2, 600), p=P)[:, :, None] * np.ones(2)
    y = np.where(rng.random(600) < 0.5, y[:, 0], 4 - y[:, 0])[:, None] * np.ones(2)
    found = otgan.confidence_interval(x, y, method="subsampling", draws=50)
    assert found.method == "subsampling"
    assert 0 <= found.lower < found.upper
    weights = (
        np.bincount(rng.choice(5, 600, p=P), minlength=5),
        np.bincount(rng.choice(5, 600, p=Q), minlength=5),
    )
    with pytest.raises(ValueError, match="four samples"):
        otgan.confidence_interval(np.arange(3.0), np.arange(5.0))
    weighted = otgan.confidence_interval(
        np.arange(5.0), np.arange(5.0), *weights, method="subsampling", draws=20
    )
    assert weighted.value == pytest.approx(otgan.emd(np.arange(5.0), np.arange(5.0), *weights))


def test_what_has_no_interval_says_so():
    rng = np.random.default_rng(0)
    x, y = shifted(3, 1)(rng, 30)
    for name in METRICS:
        if not metric_of(name).intervals:
            with pytest.raises(ValueError, match="must be one with a valid interval"):
                otgan.confidence_interval(x, y, distance=name)
    for options, message in (
        ({"method": "subsampling"}, "on the line, or of finitely many points"),
        ({"method": "normal"}, "method must be"),
        ({"p": 2}, "p must be 1 for method='bracket'"),
        ({"level": 1.0}, "above 0 and below 1"),
        ({"level": 0}, "above 0 and below 1"),
        ({"draws": 0}, "draws"),
    ):
        with pytest.raises(ValueError, match=message):
            otgan.confidence_interval(x, y, **options)


def test_it_shows_itself_and_takes_tensors():
    rng = np.random.default_rng(0)
    x, y = shifted(2, 1)(rng, 50)
    found = otgan.confidence_interval(x, y, seed=3)
    assert repr(found).startswith("Interval(")
    assert f"emd={found.value:.6g}" in repr(found)
    same = otgan.confidence_interval(torch.tensor(x), torch.tensor(y), seed=3)
    assert (same.lower, same.upper) == pytest.approx((found.lower, found.upper), rel=1e-9)


def test_weights_widen_what_is_subsampled():
    rng, held = np.random.default_rng(1), 0
    for k in range(40):
        x, y, a = rng.normal(size=200), rng.normal(size=200) + 1, rng.exponential(size=200) ** 2
        found = otgan.confidence_interval(x, y, a, method="subsampling", draws=60, seed=k)
        held += found.lower <= 1 <= found.upper
    assert held >= 31
    with pytest.raises(ValueError, match="four samples"):
        otgan.confidence_interval([0.0], [1.0], method="subsampling")


def test_a_value_that_did_not_converge_has_no_interval():
    x, y = shifted(2, 1)(np.random.default_rng(0), 20)
    with pytest.raises(
        ConvergenceError, match="Sinkhorn divergence did not converge, so that no interval holds"
    ):
        otgan.confidence_interval(x, y, distance="sinkhorn_divergence", epsilon=1e-3, max_iter=1)


def test_a_cost_of_tensors_is_given_tensors():
    x, y = shifted(1, 1)(np.random.default_rng(0), 30)
    for method in ("bracket", "subsampling"):
        found, plain = (
            otgan.confidence_interval(*sets, cost=cost, method=method, draws=9)
            for sets, cost in (((torch.tensor(x), torch.tensor(y)), torch.cdist), ((x, y), "euclidean"))
        )
        assert (found.lower, found.upper) == pytest.approx((plain.lower, plain.upper), rel=1e-5)
