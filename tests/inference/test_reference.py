"""Batches against a reference: the values of the functions, alarms as rare as said, what is found once."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binom

import otgan
from otgan.distances import METRICS

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 2))


@pytest.mark.parametrize("name", METRICS)
def test_the_value_is_that_of_the_function(name):
    y, b = RNG.normal(size=(20, 2)) + 0.5, RNG.random(20)
    reference = otgan.Reference(X, distance=name, draws=9)
    options = {"p": 1} if name in {"emd", "sinkhorn", "sliced"} else {}
    if name == "sinkhorn_divergence":
        options = {"p": 1, "epsilon": reference._terms.epsilon}
    if name == "mmd":
        options = {"bandwidth": reference._terms.options["bandwidth"]}
    if name == "sinkhorn":
        options = {"p": 1, "epsilon": 0.1}
        reference = otgan.Reference(X, distance=name, draws=9, epsilon=0.1)
    for weights in (None, b):
        found = reference.measure(y, weights)
        assert found.value == pytest.approx(getattr(otgan, name)(X, y, None, weights, **options), rel=1e-5)
        assert 0 < found.p_value <= 1
        assert found.size == 20


@pytest.mark.parametrize("distance", ["energy", "emd", "sinkhorn_divergence"])
def test_alarms_without_a_drift_are_as_rare_as_said(distance):
    rng, runs, alarms = np.random.default_rng(1), 300, 0
    for _ in range(10):
        reference = otgan.Reference(rng.normal(size=(400, 1)), distance=distance, draws=99)
        alarms += sum(reference.measure(rng.normal(size=(20, 1))).drifted() for _ in range(runs // 10))
    assert alarms <= binom.ppf(0.9999, runs, 0.08)  # of one reference all batches share its chance


def test_drifts_are_found():
    reference = otgan.Reference(X, draws=99)
    assert reference.measure(RNG.normal(size=(30, 2)) + 1).drifted()
    assert not reference.measure(X[:30]).drifted(0.01)
    shown = repr(reference.measure(X[:10] + 9))
    assert shown.startswith("Reading(energy=")
    assert "p_value=0.01" in shown
    assert repr(reference) == "Reference(energy, n=80, d=2, draws=99)"


def test_draws_of_one_size_are_drawn_once():
    reference = otgan.Reference(X, draws=19)
    first = reference.null(10)
    assert first.shape == (19,)
    reference.measure(X[:10])
    assert reference.null(10) is first
    assert reference.null(11) is not first
    np.testing.assert_array_equal(otgan.Reference(X, draws=19).null(10), first)


def test_weights_tensors_and_names():
    weighted = otgan.Reference(X, np.r_[np.ones(40), np.zeros(40)], draws=9)
    assert weighted.measure(X[:10]).value == pytest.approx(otgan.energy(X[:40], X[:10]))
    assert weighted.measure(np.r_[X[:10], [[1e9, 0]]], np.r_[np.ones(10), 0]).size == 10
    tensors = otgan.Reference(torch.tensor(X), draws=9)
    assert tensors.measure(torch.tensor(X[:10])).value == pytest.approx(otgan.energy(X, X[:10]))
    named = otgan.Reference(pd.DataFrame(X, columns=["u", "v"]), draws=9)
    turned = pd.DataFrame(X[:10, ::-1], columns=["v", "u"])
    assert named.measure(turned).value == pytest.approx(otgan.energy(X, X[:10]))


def test_what_cannot_be_held_against_it():
    reference = otgan.Reference(X, draws=9)
    for y, message in (
        (np.zeros((3, 3)), "same dimension"),
        (np.zeros((2, 3, 2)), "two sets of samples or two equal batches"),
    ):
        with pytest.raises(ValueError, match=message):
            reference.measure(y)
    with pytest.raises(ValueError, match="1 to 79 samples of its 80, got 80"):
        reference.null(80)
    with pytest.raises(ValueError, match="got a batch of 2"):
        otgan.Reference(np.zeros((2, 3, 2)))
    with pytest.raises(ValueError, match="one distance, got 2"):
        otgan.Reference(X, distance="emd,js")
    with pytest.raises(ValueError, match="takes samples without weights"):
        otgan.Reference(X, np.ones(80), distance="js:knn")


def test_large_and_weighted_batches_have_splits_of_their_own():
    rng, found, alarms = np.random.default_rng(2), 0, 0
    for _ in range(20):
        reference = otgan.Reference(rng.normal(size=100), draws=99)
        found += reference.measure(rng.normal(size=95) + 0.6).drifted()
        alarms += reference.measure(rng.normal(size=40), rng.exponential(size=40)).drifted()
    assert found >= 15
    assert alarms <= 9  # weights on one side are a difference, too


def test_a_cost_of_tensors_is_given_tensors():
    def far(x, y):
        return torch.cdist(x, y)

    reference = otgan.Reference(torch.tensor(X), cost=far, distance="emd", draws=3)
    assert reference.measure(torch.tensor(X[:5])).value == pytest.approx(otgan.emd(X, X[:5]), rel=1e-6)


def test_what_does_not_converge_is_said():
    with pytest.warns(otgan.ConvergenceWarning, match="max_iter"):
        otgan.Reference(X, distance="sinkhorn_divergence", epsilon=1e-3, max_iter=1, draws=3).measure(X[:5])


def test_draws_do_not_depend_on_what_was_asked_before():
    first, other = (otgan.Reference(X, draws=19) for _ in range(2))
    first.measure(X[:30], np.ones(30))
    first.null(5)
    np.testing.assert_array_equal(first.null(7), other.null(7))
    assert first.measure(X[:30]).p_value == other.measure(X[:30]).p_value
