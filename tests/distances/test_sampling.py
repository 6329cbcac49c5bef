"""Standard errors, held to the spread of repeated measurements."""

import math

import numpy as np
import pytest

import otgan
from otgan.distances.sampling import rooted, standard_error


def test_the_standard_error_without_weights_is_that_of_two_means():
    rng = np.random.default_rng(0)
    f, g = rng.normal(size=40), rng.normal(size=70)
    expected = np.sqrt(f.var() / 40 + g.var() / 70)
    assert standard_error(f, g, np.full(40, 1 / 40), np.full(70, 1 / 70)) == pytest.approx(expected)


def test_a_sample_of_no_weight_adds_no_error():
    f, g = np.array([1.0, 3.0, 1e6]), np.array([2.0, 2.0])
    assert standard_error(f, g, np.array([0.5, 0.5, 0]), np.array([0.5, 0.5])) == pytest.approx(np.sqrt(0.5))


@pytest.mark.parametrize("p", [1, 2])
def test_the_standard_error_is_the_spread_of_repeated_measurements(p):
    rng = np.random.default_rng(1)
    names = ("emd", "sinkhorn", "sinkhorn_divergence")
    reports = [
        otgan.compare(rng.normal(size=60), rng.normal(size=90) + 3, metrics=names, p=p, epsilon=0.5, tol=1e-4)
        for _ in range(80)
    ]
    for name in names:
        spread = np.std([report[name].value for report in reports])
        claimed = np.mean([report[name].standard_error for report in reports])
        assert claimed == pytest.approx(spread, rel=0.3)  # 80 repetitions know their own spread to 8 %


def test_the_error_of_a_root_is_that_of_the_cost_over_its_slope():
    assert rooted(0.3, 7.0, 1) == 0.3
    assert rooted(0.3, 9.0, 2) == pytest.approx(math.sqrt(9.3) - 3, rel=0.02)
    assert rooted(0.3, 0.0, 2) is None
