"""Noise floors: distances between halves of one set, held to halves that are drawn by hand."""

import math

import numpy as np
import pytest

import otgan
from otgan.distances import METRICS, metric_of
from otgan.distances.spec import MeasurementSpec
from otgan.distances.splits import Pool
from otgan.inference.noise import noise_floor
from otgan.inference.relabelling import random_sides
from otgan.measure import Measure
from otgan.pair import pair


def floor_of(key, *samples, seed=0):
    both = pair(*samples)
    spec = MeasurementSpec.of(key).fit(both)
    (request,) = spec.requests
    return noise_floor(both, request.metric, spec.terms(request), np.random.default_rng(seed))


def test_it_is_the_mean_distance_between_disjoint_halves(rng):
    x, y = rng.normal(size=(21, 2)), rng.normal(size=(16, 2)) * 3
    found = floor_of("emd", x, y)
    by_hand = np.random.default_rng(0)
    for points, mean, error in ((x, found.x, found.x_error), (y, found.y, found.y_error)):
        sides = random_sides((len(points) // 2, len(points) - len(points) // 2), 8, by_hand)
        values = [otgan.emd(points[side], points[~side]) for side in sides]
        assert mean == pytest.approx(np.mean(values), rel=1e-12)
        assert error == pytest.approx(np.std(values, ddof=1) / math.sqrt(8), rel=1e-9)
    assert (found.larger, found.larger_error, found.draws) == (found.y, found.y_error, 8)


def test_weights_go_with_their_samples(rng):
    x, w = rng.normal(size=30), rng.exponential(size=30)
    w[3] = 0
    found = floor_of("emd", x, x, w, 5 * w)
    held = w > 0
    sides = random_sides((14, 15), 8, np.random.default_rng(0))
    values = [otgan.emd(x[held][side], x[held][~side], w[held][side], w[held][~side]) for side in sides]
    assert found.x == pytest.approx(np.mean(values), rel=1e-12)


@pytest.mark.parametrize("key", [*METRICS, "js:knn"])
def test_every_metric_has_one(key, rng):
    found = floor_of(key, rng.normal(size=(20, 2)), rng.normal(size=(30, 2)))
    assert found.draws == 8
    assert not math.isnan(found.larger)
    assert (found.larger_error == math.inf) == math.isinf(found.larger)


def test_tiny_sets_have_none():
    assert floor_of("emd", [0.0, 1.0, 2.0], np.arange(9.0)) is None
    assert floor_of("js:knn", np.arange(7.0), np.arange(9.0)) is None
    assert floor_of("js:knn", np.arange(8.0) ** 2, np.arange(9.0) ** 2) is not None
    assert floor_of("emd", np.arange(5.0), np.arange(9.0), [0, 0, 1, 1, 1]) is None


def test_dear_halves_are_fewer():
    both = pair(np.zeros(4100), np.zeros(4))
    metric, told = metric_of("tv"), []

    class Counted:
        def least_samples(self, terms):
            return metric.least_samples(terms)

        def of_splits(self, pool, sides, terms, tick):
            told.append(len(sides))
            return np.arange(float(len(sides)))

    spec = MeasurementSpec.of("tv")
    found = noise_floor(both, Counted(), spec.terms(spec.requests[0]), np.random.default_rng(0))
    assert told == [3, 8]
    assert (found.draws, found.x, found.y) == (3, 1.0, 3.5)


def test_a_pool_of_one_set_is_its_own():
    pool = Pool.of_one(Measure.of(np.arange(7.0), np.arange(7.0)))
    assert (len(pool), pool.sizes) == (6, (3, 3))
    assert pool.points[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    assert pool.weights.mean() == pytest.approx(1)
