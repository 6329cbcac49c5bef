"""Tests of every pair of several sets, with Holm's rule for their number."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import otgan
from otgan.inference.holm import holm

RNG = np.random.default_rng(0)
SETS = {"a": RNG.normal(size=(40, 2)), "b": RNG.normal(size=(30, 2)), "c": RNG.normal(size=(35, 2)) + 1}


def test_holms_rule():
    # The example of Holm's step-down rule by hand: 3 × .01, then 2 × .02, then max with what came before.
    np.testing.assert_allclose(holm(np.array([0.02, 0.01, 0.03])), [0.04, 0.03, 0.04])
    np.testing.assert_allclose(holm(np.array([0.9, 0.4])), [0.9, 0.8])
    assert holm(np.array([])).shape == (0,)
    rng = np.random.default_rng(0)
    for _ in range(20):
        p = rng.random(7)
        by_hand = [max(min(1, (7 - (p < q).sum()) * q) for q in p[p <= each]) for each in p]
        np.testing.assert_allclose(holm(p), by_hand)


def test_every_pair_is_tested():
    found = otgan.pairwise_tests(SETS, distance="energy", permutations=199)
    assert repr(found) == "PairwiseTests(3 sets, 2 of 3 pairs different at level 5 %)"
    different = found.different()
    assert isinstance(different, pd.DataFrame)
    assert different.to_numpy().tolist() == [[False, False, True], [False, False, True], [True, True, False]]
    np.testing.assert_allclose(
        found.distances, otgan.pairwise(list(SETS.values()), distance="energy"), atol=1e-12
    )
    upper = np.triu_indices(3, 1)
    np.testing.assert_allclose(found.adjusted[upper], holm(found.p_values[upper]))
    for matrix in (found.distances, found.p_values, found.adjusted, found.effects):
        np.testing.assert_array_equal(matrix, matrix.T)
    assert found.names == ("a", "b", "c")
    again = otgan.pairwise_tests(list(SETS.values()), distance="energy", permutations=199)
    np.testing.assert_array_equal(again.p_values, found.p_values)
    assert isinstance(again.different(0.01), np.ndarray)


def test_weights_go_with_their_samples():
    weights = {"a": np.exp(SETS["a"][:, 0] * 3)}
    assert (
        otgan.pairwise_tests(SETS, distance="energy", permutations=99, weights=weights)
        .different()
        .loc["a", "b"]
    )


def test_one_population_is_seldom_called_several():
    rng, runs, wrong = np.random.default_rng(1), 60, 0
    for _ in range(runs):
        sets = list(rng.normal(size=(4, 20, 1)))
        found = otgan.pairwise_tests(sets, distance="energy", permutations=199, seed=rng)
        wrong += bool(found.different().any())
    assert wrong <= binom.ppf(0.9999, runs, 0.05)


def test_one_set_has_no_pair():
    with pytest.raises(ValueError, match="at least two, got one"):
        otgan.pairwise_tests([[1.0, 2.0]])
