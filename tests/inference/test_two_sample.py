"""The permutation test of two sets: held to exact counts, to SciPy and to simulations."""

import functools
import json
from math import comb

import numpy as np
import pytest
import torch
from scipy.stats import binom, energy_distance, permutation_test

import otgan
from otgan.distances import METRICS, metric_of
from otgan.distances.spec import MeasurementSpec
from otgan.distances.splits import Pool
from otgan.inference.relabelling import random_sides
from otgan.pair import pair

RNG = np.random.default_rng(0)


def by_energy(*samples, distance="energy", **options):
    return otgan.two_sample_test(*samples, distance=distance, **options)


X, Y = RNG.normal(size=(14, 2)), RNG.normal(0.4, size=(11, 2))


@pytest.mark.parametrize("key", [*METRICS, "js:knn", "tv:histogram"])
@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
def test_all_splits_at_once_are_what_one_after_another_is(key, weighted):
    a, b = (RNG.random(14), RNG.random(11)) if weighted and key != "js:knn" else (None, None)
    if weighted and a is not None:
        a[3] = 0
    spec = MeasurementSpec.of(key, bins=3 if "histogram" in key else None, time_limit=60)
    both = pair(X, Y, a, b)
    spec = spec.fit(both)
    (request,) = spec.requests
    terms, pool = spec.terms(request), Pool.of(both)
    assert pool.sizes == ((13 if a is not None else 14), 11)
    sides = random_sides(pool.sizes, 7, np.random.default_rng(1))
    told = []
    found = request.metric.of_splits(pool, sides, terms, told.append)
    assert (found.shape, sum(told)) == ((7,), 7)
    single = [request.metric.statistic(terms)(pool.split(side[None])) for side in sides]
    np.testing.assert_allclose(found, single, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("options", [{"biased": True}, {"kernel": "imq"}, {"bandwidth": 0.7}, {}])
def test_splits_by_other_kernels(options):
    both, metric = pair(X, Y), metric_of("mmd")
    spec = MeasurementSpec.of("mmd", options={"mmd": options}).fit(both)
    terms, pool = spec.terms(spec.requests[0]), Pool.of(both)
    sides = random_sides(pool.sizes, 5, np.random.default_rng(1))
    found = metric.of_splits(pool, sides, terms, lambda _: None)
    single = [float(otgan.mmd(pool.points[side], pool.points[~side], **options)) for side in sides]
    np.testing.assert_allclose(found, single, rtol=1e-9, atol=1e-12)


def test_a_function_that_is_not_symmetric_is_split_as_it_is_measured():
    def ahead(x, y):
        apart = y[None] - x[:, None]
        return 2 * np.maximum(apart[..., 0], 0) + np.linalg.norm(apart, axis=-1)

    test = by_energy(X, Y, cost=ahead, permutations=3)
    pool = np.concatenate([X, Y])
    sides = random_sides((14, 11), 3, np.random.default_rng(0))
    expected = [otgan.energy(pool[side], pool[~side], cost=ahead) for side in sides]
    np.testing.assert_allclose(test.null, expected, rtol=1e-9)
    assert test.value == pytest.approx(otgan.energy(X, Y, cost=ahead))


def test_the_p_value_is_that_of_all_splits():
    x, y = X[:5, 0], Y[:5, 0] + 0.5
    exact = permutation_test(
        (x, y), lambda u, v: energy_distance(u, v) ** 2, alternative="greater", n_resamples=np.inf
    )
    assert len(exact.null_distribution) == comb(10, 5)
    test = by_energy(x, y, permutations=20_000)
    assert test.p_value == pytest.approx(exact.pvalue, abs=4 * (exact.pvalue / 20_000) ** 0.5)
    np.testing.assert_allclose(np.unique(test.null.round(9)), np.unique(exact.null_distribution.round(9)))


def test_the_p_value_of_pairs_is_that_of_all_exchanges():
    x = X[:11, 0]
    y = x + 0.5 + 0.1 * Y[:, 0]
    exact = permutation_test(
        (x, y),
        lambda u, v: energy_distance(u, v) ** 2,
        alternative="greater",
        permutation_type="samples",
        n_resamples=np.inf,
    )
    test = by_energy(x, y, paired=True, permutations=20_000)
    assert test.p_value == pytest.approx(exact.pvalue, abs=4 * (exact.pvalue / 20_000) ** 0.5)
    assert test.p_value < 0.05 < by_energy(x, y).p_value
    assert "exchanges within pairs" in str(test)


def test_strata_are_not_taken_for_a_difference():
    rng = np.random.default_rng(3)
    labels = np.repeat(["low", "high"], [60, 20]), np.repeat(["low", "high"], [20, 60])
    x, y = ((3.0 * (side == "high") + rng.normal(size=80)) for side in labels)
    assert by_energy(x, y, permutations=99).rejects()
    within = by_energy(x, y, strata=labels, permutations=199)
    assert not within.rejects()
    assert within.design == "random splits of the pool within 2 strata"
    sides = random_sides((80, 80), 50, rng, np.concatenate([side == "high" for side in labels]).astype(int))
    assert (sides[:, :80].sum(1) + sides[:, 80:].sum(1) == 80).all()
    assert (sides[:, np.concatenate(labels) == "high"].sum(1) == 20).all()
    assert by_energy(x, y + 1, strata=labels, permutations=199).rejects()


@pytest.mark.parametrize("distance", ["energy", "emd", "mmd"])
@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
def test_one_population_is_called_two_as_seldom_as_said(distance, weighted):
    rng, runs, rejected = np.random.default_rng(5), 200, 0
    for _ in range(runs):
        x, y = rng.normal(size=(12, 2)), rng.normal(size=(9, 2))
        a, b = (rng.exponential(size=12), rng.exponential(size=9)) if weighted else (None, None)
        rejected += by_energy(x, y, a, b, distance=distance, permutations=19, seed=rng).rejects()
    assert rejected <= binom.ppf(0.9999, runs, 0.05)


def test_weights_go_with_their_samples():
    # The population is the same, but y counts what is large more: only the weights differ.
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 300))
    assert not by_energy(x, y, permutations=99).rejects()
    assert by_energy(x, y, None, np.exp(y), permutations=99).rejects()
    # Totals of weights are of no importance, and a sample of weight 0 is none.
    a = rng.exponential(size=300)
    one = by_energy(x, y, a, permutations=49)
    other = by_energy(np.append(x, 1e3), y, np.append(7 * a, 0), permutations=49)
    np.testing.assert_allclose(one.null, other.null, rtol=1e-9)
    assert one.sizes == other.sizes == (300, 300)


def test_an_effect_is_in_units_of_its_own():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 300, 3))
    y = y + np.array([1.0, 0, 0])
    for distance in ("energy", "emd", "sinkhorn_divergence"):
        small, large = (
            by_energy(scale * x, scale * y, distance=distance, permutations=49).effect
            for scale in (1.0, 1000.0)
        )
        assert small == pytest.approx(large, rel=1e-6)
        assert 0.05 < small < 1
    null = by_energy(x, rng.normal(size=(300, 3)), permutations=199)
    assert abs(null.effect) < 0.01
    far = by_energy(x, y + 1000, distance="emd", permutations=19)
    assert far.effect == pytest.approx(2, rel=0.05)  # half of all pairs of the pool are that far apart
    same = by_energy(np.ones(5), np.ones(5), permutations=9)
    assert (same.value, same.effect, same.p_value) == (0, 0, 1)


@pytest.mark.parametrize("distance", ["energy", "emd", "sinkhorn_divergence"])
def test_distances_between_all_samples_may_be_given(distance):
    pool = np.concatenate([X, Y])
    matrix = np.linalg.norm(pool[:, None] - pool, axis=2)
    given = by_energy(matrix, distance=distance, cost="precomputed", sizes=(14, 11), permutations=9)
    of_points = by_energy(X, Y, distance=distance, permutations=9)
    np.testing.assert_allclose(given.null, of_points.null, rtol=1e-5)
    assert given.value == pytest.approx(of_points.value, rel=1e-5)
    assert (given.sizes, given.distance.cost) == ((14, 11), "precomputed")


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"sizes": (1, 2)}, ValueError, "pass cost='precomputed' with them"),
        ({"cost": "precomputed", "sizes": (7, 7), "p": 2}, ValueError, "p must be 1"),
        ({"cost": "precomputed"}, TypeError, r"sizes must be the numbers .*\(n, m\), got None"),
        ({"cost": "precomputed", "sizes": (7, 8)}, ValueError, r"of shape \(15, 15\), got \(14, 14\)"),
        ({"cost": "precomputed", "sizes": (7, 7), "y": X}, ValueError, "leave out y"),
        ({"cost": "precomputed", "sizes": (7, 7), "x": -np.eye(14)}, ValueError, "finite and at least 0"),
    ],
)
def test_matrices_that_are_none(given, kind, message):
    given = {"x": np.eye(14), "y": X if "cost" not in given else None, **given}
    with pytest.raises(kind, match=message):
        otgan.two_sample_test(**given)


def test_the_result_shows_itself(tmp_path):
    test = by_energy(X, Y + 2, permutations=19, names=("before", "after"), seed=3)
    assert str(test).startswith("before (14 samples) and after (11) are different: Energy distance")
    assert str(by_energy(X, X)).startswith("No difference found between x (14 samples) and y (14)")
    assert repr(test).startswith("TwoSampleTest(energy=")
    assert (test.permutations, test.seed, len(test.null)) == (19, 3, 19)
    kept = json.loads(json.dumps(test.to_dict()))
    assert kept["p_value"] == test.p_value == 0.05
    assert kept["null"] == test.null.tolist()
    figure = test.plot()
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words[0].startswith("19 random splits")
    figure.savefig(tmp_path / "test.png")
    assert test.distance.null.values is test.null


def test_tensors_and_one_seed_give_one_result():
    torches = by_energy(torch.tensor(X), torch.tensor(Y), permutations=19)
    np.testing.assert_allclose(torches.null, by_energy(X, Y, permutations=19).null, rtol=1e-9)
    assert by_energy(X, Y, seed=np.random.default_rng(0)).seed is None


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"distance": "emd,js"}, ValueError, "one distance, got 2: 'emd,js'"),
        ({"distance": ["emd"]}, TypeError, "distance must be the name of one distance"),
        ({"distance": "emdd"}, ValueError, "did you mean 'emd'"),
        ({"permutations": 0}, ValueError, "permutations must be a whole number >= 1"),
        ({"paired": True}, ValueError, "as many of x as of y, got 14 and 11"),
        ({"strata": "ab"}, TypeError, "strata must be two lists of labels, 14 of the samples of x and 11"),
        ({"strata": ([1], [2])}, ValueError, r"got shapes \(1,\) and \(1,\)"),
        ({"distance": "js:knn", "a": np.ones(14)}, ValueError, "takes samples without weights"),
        ({"options": {"kernel": "imq"}}, ValueError, "energy has no option 'kernel'"),
        ({"permutatoins": 3}, TypeError, "permutations"),
    ],
)
def test_what_cannot_be_by_energy(options, kind, message):
    with pytest.raises(kind, match=message):
        by_energy(X, Y, **options)


def test_pairs_and_strata_exclude_each_other():
    with pytest.raises(ValueError, match="a pair is a stratum of its own"):
        by_energy(X, X, paired=True, strata=(np.zeros(14), np.zeros(14)))
    with pytest.raises(ValueError, match="got a weight of 0"):
        by_energy(X, X, np.arange(14), paired=True)
    with pytest.raises(ValueError, match="two_sample_test is of one pair of sets, got a batch of 2"):
        by_energy(np.stack([X, X]), np.stack([X, X]))


def test_a_matrix_is_for_distances_that_look_at_it():
    given = {
        "x": np.abs(np.subtract.outer(np.arange(14.0), np.arange(14.0))),
        "cost": "precomputed",
        "sizes": (7, 7),
    }
    for distance in ("mmd", "sliced", "js:knn", "tv"):
        with pytest.raises(ValueError, match="looks at their coordinates: use 'energy'"):
            otgan.two_sample_test(**given, distance=distance)
    for x in (np.arange(196.0).reshape(14, 14), given["x"] + 1):
        with pytest.raises(ValueError, match="symmetric, and 0 on the diagonal"):
            otgan.two_sample_test(**{**given, "x": x})


def test_strata_that_hold_one_set_alone_exchange_nothing():
    with pytest.raises(ValueError, match="none can be exchanged"):
        by_energy(X, Y, strata=(["a"] * 14, ["b"] * 11))


def test_a_level_is_a_probability():
    test = by_energy(X, Y, permutations=9)
    for level in (0, 1, 5):
        with pytest.raises(ValueError, match="above 0 and below 1"):
            test.rejects(level)


def test_infinite_distances_go_into_json():
    test = otgan.two_sample_test([0.0, 1, 1], [0.0, 2, 2], distance="kl", permutations=9)
    kept = json.loads(json.dumps(test.to_dict(), allow_nan=False))
    assert kept["distance"]["value"] == "inf"
    assert kept["effect"] == "nan"


def test_a_distance_that_did_not_converge_is_said_to_be_so(monkeypatch):
    test = otgan.two_sample_test(X, Y, epsilon=1e-3, max_iter=1, permutations=9)
    assert "is MAX_ITER: stopped at max_iter" in str(test)
    assert "MAX_ITER" not in str(by_energy(X, Y, permutations=9))
    by_one_pass = functools.partial(otgan.two_sample_test, epsilon=1e-3, max_iter=1)
    monkeypatch.setattr("otgan.inference.groups.two_sample_test", by_one_pass)
    with pytest.warns(otgan.ConvergenceWarning, match="1 of 1 distances did not converge; their tests hold"):
        otgan.pairwise_tests([X, Y], permutations=3)
