"""Splits of one set on lines against the two sides of each, measured for themselves."""

import numpy as np
import pytest
import torch

import otgan
from otgan.distances.sliced_transport import METRIC
from otgan.distances.splits_on_lines import costs_of_splits
from tests.problems import cloud, simplex_weights


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", [1, 7, 20])
def test_costs_are_those_of_the_sides(rng, p, weighted, size):
    n = 27
    places, w = cloud(n, 3).T.copy(), simplex_weights(n) ** 4 if weighted else np.ones(n)
    places[0, :9] = places[0, 0]  # ties
    chosen = np.array([np.isin(np.arange(n), rng.choice(n, size, replace=False)) for _ in range(5)])
    found = costs_of_splits(places, chosen, w, slack=0.0, p=p)
    for value, first in zip(found, chosen, strict=True):
        expected = sum(otgan.emd(line[first], line[~first], w[first], w[~first], p=p) ** p for line in places)
        assert value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", [np.float64, torch.float32])
def test_splits_of_a_test_have_the_distances_of_their_sides(scale, weighted, kind):
    x, y = scale * cloud(6, 2), scale * cloud(5, 2, seed=1)
    a, b = (simplex_weights(6), simplex_weights(5)) if weighted else (None, None)
    if kind is torch.float32:
        x, y = (torch.tensor(each / scale, dtype=kind) for each in (x, y))
        a, b = (None if each is None else torch.from_numpy(each) for each in (a, b))
    test = otgan.two_sample_test(x, y, a, b, distance="sliced", permutations=60, seed=3)
    with pytest.MonkeyPatch.context() as patched:
        base = super(type(METRIC), METRIC)
        patched.setattr(type(METRIC), "of_splits", lambda _, *args: base.of_splits(*args))
        other = otgan.two_sample_test(x, y, a, b, distance="sliced", permutations=60, seed=3)
    np.testing.assert_allclose(test.null, other.null, rtol=1e-12)
    assert test.p_value == other.p_value


def test_what_is_no_length_costs_nothing():
    places = np.array([[0.0, 1e-16, 1.0, 1.0 + 1e-15]])
    chosen = np.array([[True, False, True, False]])
    assert costs_of_splits(places, chosen, np.ones(4), slack=1e-14, p=1.0).tolist() == [0.0]
