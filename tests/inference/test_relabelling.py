"""The splits of permutation tests: as many samples on either side, every split as likely."""

from collections import Counter

import numpy as np
import pytest

from otgan.distances.splits import Pool
from otgan.inference.relabelling import paired_sides, random_sides, strata_of
from otgan.pair import pair


def test_every_split_is_as_likely():
    sides = random_sides((2, 3), 20_000, np.random.default_rng(0))
    assert (sides.sum(1) == 2).all()
    seen = Counter(map(tuple, sides.tolist()))
    assert len(seen) == 10
    assert max(abs(count - 2000) for count in seen.values()) < 5 * np.sqrt(2000)


def test_exchanges_within_pairs():
    sides = paired_sides(3, 8000, np.random.default_rng(0))
    assert (sides[:, :3] != sides[:, 3:]).all()
    seen = Counter(map(tuple, sides[:, :3].tolist()))
    assert len(seen) == 8
    assert max(abs(count - 1000) for count in seen.values()) < 5 * np.sqrt(1000)


def test_strata_keep_their_numbers():
    strata = np.array([0, 0, 1, 1, 1, 0, 1, 2])
    sides = random_sides((4, 4), 500, np.random.default_rng(0), strata)
    for stratum, count in ((0, 2), (1, 2), (2, 0)):
        assert (sides[:, strata == stratum].sum(1) == count).all()
    assert len({tuple(side) for side in sides.tolist()}) == 3 * 6


@pytest.mark.parametrize(
    "labels",
    [(["a", "b"], ["b", "a", "c"]), ([1, 2], [2, 1, 3]), ([1, None], [None, 1, "x"])],
    ids=["words", "numbers", "anything"],
)
def test_labels_of_any_kind(labels):
    found = strata_of(labels, Pool.of(pair([0.0, 1.0], [2.0, 3.0, 4.0])))
    first, second, third = found[0], found[1], found[4]
    assert found.tolist() == [first, second, second, first, third]
    assert strata_of(None, Pool.of(pair([0.0], [1.0]))) is None


def test_strata_of_samples_without_mass_are_left_out():
    pool = Pool.of(pair([0.0, 1.0, 2.0], [2.0, 3.0], [1, 0, 1]))
    assert strata_of((["a", "b", "c"], ["a", "c"]), pool).tolist() == [0, 1, 0, 1]


def test_thinned_pools_keep_who_is_who():
    pool = Pool.of(pair(np.arange(50.0), 100 + np.arange(7.0), np.arange(1.0, 51)))
    thin = pool.thinned(10, np.random.default_rng(0))
    assert thin.sizes == (10, 7)
    points = thin.points[:, 0]
    assert (points[:10] < 50).all()
    assert (points[10:] >= 100).all()
    np.testing.assert_allclose(thin.weights[:10] / thin.weights[0], (points[:10] + 1) / (points[0] + 1))
    assert pool.thinned(50, np.random.default_rng(0)) is pool
