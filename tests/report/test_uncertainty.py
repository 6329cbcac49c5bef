"""What a distance says about populations: held to simulations and to exact counts."""

import numpy as np
import pytest

import otgan
from otgan.pair import pair
from otgan.report.uncertainty import noise_floor, permutation_null


def mean_shift(both):
    return float((both.x.points.mean() - both.y.points.mean()).abs())


def test_the_noise_floor_is_the_distance_between_disjoint_halves():
    both = pair(np.arange(7.0), 100 * np.arange(4.0))
    seen = []

    def record(halves):
        seen.append([sorted(side.points.flatten().tolist()) for side in (halves.x, halves.y)])
        return float(len(seen))

    floor = noise_floor(both, record, np.random.default_rng(0))
    assert (floor.x, floor.y, floor.larger) == (1.0, 2.0, 2.0)
    (first, second), (third, fourth) = seen
    assert len(first) == len(second) == 3
    assert not set(first) & set(second)
    assert set(first) | set(second) < set(range(7))
    assert sorted(third + fourth) == [0, 100, 200, 300]


def test_tiny_and_weighted_sets_have_no_noise_floor():
    rng = np.random.default_rng(0)
    assert noise_floor(pair([0.0, 1.0, 2.0], np.arange(9.0)), mean_shift, rng) is None
    assert noise_floor(pair(np.arange(9.0), np.arange(9.0), np.ones(9)), mean_shift, rng) is None


def test_permutations_split_the_pooled_samples_into_sets_of_the_same_sizes():
    both = pair(np.arange(5.0), 10 + np.arange(3.0))
    ticks, seen = [], set()

    def check(split):
        x, y = (side.points.flatten().tolist() for side in (split.x, split.y))
        assert (len(x), len(y)) == (5, 3)
        assert sorted(x + y) == [0, 1, 2, 3, 4, 10, 11, 12]
        assert np.array_equal(split.x.weights, np.full((1, 5), 0.2))
        seen.add(tuple(sorted(x)))
        return 0.0

    permutation_null(both, check, 0.0, 30, np.random.default_rng(0), lambda: ticks.append(1))
    assert len(ticks) == 30
    assert len(seen) > 10


def test_the_p_value_counts_the_splits_that_are_as_far_apart():
    values = iter([3.0, 1.0, 2.0, 2.0 * (1 - 1e-15), 0.5])
    null = permutation_null(
        pair([0.0, 1.0], [2.0, 3.0]), lambda _: next(values), 2.0, 5, np.random.default_rng(0), lambda: None
    )
    assert null.p_value == pytest.approx((1 + 3) / 6)
    assert (null.mean, null.quantile_95) == (pytest.approx(1.7), 3.0)


def test_infinite_distances_are_as_far_apart_as_each_other():
    null = permutation_null(
        pair([0.0, 1.0], [2.0, 3.0]), lambda _: np.inf, np.inf, 4, np.random.default_rng(0), lambda: None
    )
    assert (null.p_value, null.mean, null.quantile_95) == (1.0, np.inf, np.inf)


def test_p_values_are_small_between_populations_and_uniform_within_one():
    rng = np.random.default_rng(2)
    apart = otgan.compare(rng.normal(size=30), rng.normal(size=30) + 2, metrics="emd", permutations=39)
    assert apart["emd"].null.p_value == pytest.approx(1 / 40)
    within = [
        otgan.compare(rng.normal(size=15), rng.normal(size=10), metrics="emd", permutations=19)[
            "emd"
        ].null.p_value
        for _ in range(60)
    ]
    assert np.mean(within) == pytest.approx(
        0.525, abs=0.12
    )  # mean of {1, ..., 20} / 20, three standard errors
