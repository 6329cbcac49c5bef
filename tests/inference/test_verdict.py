"""The verdict of a report: what it rules out, and how seldom it is wrong."""

import numpy as np
import pytest
from scipy.stats import binom

import otgan
from otgan.inference.verdict import LEVEL, _resolvable


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize(("n", "m", "d"), [(50, 50, 1), (30, 80, 8)])
def test_one_population_is_seldom_called_two(n, m, d, weighted):
    rng, runs, wrong = np.random.default_rng(1), 150, 0
    for _ in range(runs):
        x, y = rng.normal(size=(n, d)), rng.normal(size=(m, d))
        weights = (rng.exponential(size=n), rng.exponential(size=m)) if weighted else ()
        wrong += otgan.compare(x, y, *weights, metrics="bures", seed=rng).verdict.different
    assert wrong <= binom.ppf(0.9999, runs, LEVEL)


def test_differences_are_found():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    for y in (
        rng.normal(size=(200, 3)) + 0.5,
        2 * rng.normal(size=(200, 3)),
        rng.exponential(size=(200, 3)) - 1,
    ):
        assert otgan.compare(x, y, metrics="bures").verdict.different


@pytest.mark.parametrize(
    ("n", "m", "enough"),
    [
        (1, 1, False),
        (1, 18, False),
        (1, 19, True),
        (3, 3, False),
        (3, 4, True),
        (4, 4, True),
        (5000, 5000, True),
    ],
)
def test_few_samples_cannot_differ(n, m, enough):
    assert _resolvable(n, m) == enough


def test_the_verdict_does_not_depend_on_what_else_is_measured():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 2)), rng.normal(size=(40, 2))
    first, second = (otgan.compare(x, y, metrics=metrics).verdict for metrics in ("tv", "emd,js:knn"))
    assert first == second
