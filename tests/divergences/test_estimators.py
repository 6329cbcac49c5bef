"""The public functions: which estimators and options they take, and in which unit they answer."""

import inspect
import math

import numpy as np
import pytest

import otgan
from otgan.distances import METRICS, metric_of
from otgan.divergences import Cells, Neighbors, estimate
from otgan.pair import pair

X, Y = np.arange(8.0), np.arange(4.0, 12.0) + 0.25 * (np.arange(8) % 2)


def test_base_changes_the_unit():
    assert otgan.js([0], [1], base=2) == 1
    for estimator, options in (("atoms", {}), ("histogram", {"bins": 3}), ("knn", {"k": 1})):
        nats, bits = (otgan.js(X, Y, estimator=estimator, base=base, **options) for base in (None, 2))
        assert bits == pytest.approx(nats / math.log(2))
    assert otgan.kl([0], [1], base=10) == math.inf
    assert otgan.kl([0], [0, 1], base=math.e) == pytest.approx(otgan.kl([0], [0, 1]))


@pytest.mark.parametrize("base", [1, 0.5, -2, math.inf, math.nan, "2", True])
def test_a_base_must_exceed_one(base):
    with pytest.raises(ValueError, match="base must be a number above 1"):
        otgan.kl(X, Y, base=base)


def test_total_variation_has_no_base_and_no_neighbors():
    assert not {"base", "k"} & set(inspect.signature(otgan.tv).parameters)
    with pytest.raises(ValueError, match=r"tv has no estimator 'knn': it has 'atoms', 'histogram'$"):
        otgan.tv(X, Y, estimator="knn")


@pytest.mark.parametrize("name", ["kl", "js"])
def test_an_unknown_estimator_is_told_the_known_ones(name):
    with pytest.raises(
        ValueError, match=rf"{name} has no estimator 'kde': it has 'atoms', 'histogram', 'knn'$"
    ):
        getattr(otgan, name)(X, Y, estimator="kde")


@pytest.mark.parametrize(
    ("estimator", "option", "owner"),
    [
        ("atoms", {"bins": 3}, "histogram"),
        ("atoms", {"bin_width": 1.0}, "histogram"),
        ("atoms", {"k": 3}, "knn"),
        ("knn", {"outside": "error"}, "histogram"),
        ("histogram", {"k": 3}, "knn"),
    ],
)
def test_options_of_another_estimator_are_an_error(estimator, option, owner):
    name = next(iter(option))
    with pytest.raises(ValueError, match=f"{name}= is an option of estimator='{owner}', but .*'{estimator}'"):
        otgan.js(X, Y, estimator=estimator, **option)


def test_samples_are_never_binned_unasked():
    x = np.array([0.0, 1e-15])
    assert otgan.js(x, x + 1e-12) == math.log(2)
    with pytest.raises(ValueError, match="needs exactly one of bins= "):
        otgan.js(x, x, estimator="histogram")


def test_an_estimate_serves_every_divergence_that_has_it():
    both = pair(X, Y)
    for name in METRICS:
        for estimator in metric_of(name).estimators:
            options = {"bins": 3} if estimator == "histogram" else {}
            found = estimate(both, estimator, **options)
            assert isinstance(found, Neighbors if estimator == "knn" else Cells)
            expected = getattr(otgan, name)(X, Y, estimator=estimator, **options)
            assert getattr(found, name)().tolist() == [expected]


def test_the_border_is_the_same_as_everywhere():
    with pytest.raises(ValueError, match="x and y must have the same dimension"):
        otgan.kl(np.zeros((3, 2)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="a must be nonnegative"):
        otgan.tv(X, Y, a=-np.ones(8))
    with pytest.raises(ValueError, match="x must be finite"):
        otgan.js([math.nan], [0.0])
