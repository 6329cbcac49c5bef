"""Each sentence is said where it is true and held back where it is not."""

import numpy as np
import pytest

import otgan

RNG = np.random.default_rng(0)
NEAR, FAR = RNG.normal(size=(40, 2)), RNG.normal(size=(40, 2)) + 9


def said(*arguments, **options):
    return otgan.compare(*arguments, **options).warnings


def has(warnings, part):
    return sum(part in sentence for sentence in warnings) == 1


def test_disjoint_supports():
    expected = (
        "the supports are disjoint: JS, KL and TV are at their ceilings and say nothing about how far apart "
        "the sets are"
    )
    assert said(NEAR, FAR, metrics="js,kl,tv")[0] == expected
    assert not has(said(NEAR, FAR), "disjoint")  # by default neighbors are asked where no points are shared
    assert said(NEAR, FAR, metrics="tv") == (
        "the supports are disjoint: TV is at its ceiling and says nothing about how far apart the sets are",
    )
    assert said(NEAR, FAR, metrics="tv,kl", estimator="histogram", bin_width=2.0)[0].startswith(
        "no bin holds samples of both sets: TV and KL are at their ceilings"
    )
    assert not has(said([0, 1, 1], [1, 1, 2], metrics="js,kl,tv"), "disjoint")


def test_nothing_is_said_where_nothing_misleads(rng):
    x = rng.integers(0, 3, (400, 1))
    y = rng.integers(0, 3, (400, 1)) * rng.integers(0, 2, (400, 1))
    assert said(x, y, metrics="emd,js,kl,tv", permutations=19) == ()


def test_identical_sets():
    assert has(said(NEAR, NEAR[::-1]), "x and y are the same set of points")
    assert has(said(NEAR, NEAR, names=("left", "right")), "left and right are the same set of points")
    assert not has(said(NEAR, NEAR, np.arange(40), None, metrics="emd"), "the same set")


def test_infinite_kl_of_sets_that_overlap():
    words = said([0, 0, 1, 2], [0, 5, 5, 5], metrics="kl")
    assert has(words, "KL is infinite because 2 of the 3 points of x are not among those of y")
    assert not has(said([0, 0, 1], [0, 1, 1], metrics="kl"), "infinite")


def test_rows_in_both_sets(rng):
    both = np.concatenate([FAR, NEAR[:3]])
    assert has(said(NEAR, both, metrics="emd,tv"), "3 points are in both sets, of 40 and 43")
    repeated = rng.integers(0, 3, 50)
    assert not has(said(repeated, repeated[:20], metrics="tv"), "in both sets")


def test_weights_of_unequal_totals():
    weights = np.ones(40)
    assert has(
        said(NEAR, FAR, weights, 2 * weights, metrics="emd"), "the weights of x total 40 and those of y 80"
    )
    assert not has(said(NEAR, FAR, weights, weights, metrics="emd"), "total")
    assert not has(said(NEAR, FAR, weights, metrics="emd"), "total")


def test_noise(rng):
    same = rng.normal(size=(40, 2))
    words = said(NEAR, same, metrics="emd,energy")
    assert has(
        words, "EM and Energy distance are no larger than between random halves of one set, the noise floor"
    )
    assert not has(said(NEAR, FAR, metrics="emd"), "noise")
    near = said(NEAR, same + 0.9, metrics="emd")
    assert has(near, "much of EM is noise: the noise floor is more than half as large")
    tested = said(NEAR, same, metrics="emd", permutations=19)
    assert has(tested, "EM by itself does not tell the sets apart: its p-value is")


def test_numbers_at_an_end_of_their_range_are_not_held_against_halves(rng):
    same = rng.normal(size=(40, 2))
    assert not has(said(NEAR, same, metrics="js,tv,kl"), "halves")
    other = next(one for one in rng.normal(size=(99, 40, 2)) if otgan.mmd(NEAR, one) < 0)
    assert not has(said(NEAR, other, metrics="mmd"), "halves")


def test_few_samples_in_many_dimensions(rng):
    x, y = rng.normal(size=(30, 50)), rng.normal(size=(30, 50)) + 1
    for weights in (None, np.ones(30)):
        words = said(x, y, weights, metrics="emd,energy")
        assert has(
            words,
            "30 samples are few in 50 dimensions: the noise in EM is large, and more samples lower it only",
        )
    assert not has(said(NEAR, FAR, np.ones(40), metrics="emd"), "few")
    assert not has(said(x, y, metrics="energy"), "few")


def test_divergences_that_nothing_estimates_are_said_to_be_left_out(rng):
    assert has(said(NEAR, FAR, np.ones(40)), "JS, KL and TV are left out: of weighted samples")
    assert not has(said(NEAR, FAR), "left out")
    assert not has(said(NEAR, FAR, np.ones(40), metrics="emd"), "left out")


def test_too_few_permutations():
    assert has(said(NEAR, FAR, metrics="emd", permutations=9), "cannot give p below 0.1")
    assert not has(said(NEAR, FAR, metrics="emd", permutations=19), "cannot")


def test_solves_that_did_not_converge():
    words = said(NEAR, FAR, metrics="sinkhorn", epsilon=1e-3, max_iter=1)
    assert has(words, "Sinkhorn did not converge: stopped at max_iter")
    assert has(words, "the bounds of W_1 hold all the same")
    assert not has(said(NEAR, FAR, metrics="sinkhorn"), "converge")


def test_bins_that_are_too_fine_or_too_wide(rng):
    x, y = rng.random((50, 1)), rng.random((50, 1))
    fine = said(x, y, metrics="js,tv", estimator="histogram", bin_width=0.01)
    assert has(fine, "JS and TV by them are mostly the noise of nearly empty bins")
    assert has(
        said(x, y, metrics="tv", estimator="histogram", bin_width=5.0), "all samples fall into one bin"
    )
    assert not has(said(x, y, metrics="tv", estimator="histogram", bin_width=0.25), "bin")


def test_nearest_neighbors_in_many_dimensions(rng):
    x, y = rng.normal(size=(30, 20)), rng.normal(size=(30, 20))
    assert has(said(x, y, metrics="kl:knn"), "KL by nearest neighbors is far too small in 20 dimensions")
    assert not has(said(NEAR, FAR, metrics="kl:knn"), "neighbors")


def test_regularization(rng):
    spread = rng.normal(size=(40, 2)) + 1
    assert has(said(NEAR, spread, metrics="sinkhorn", epsilon=50.0), "so large that the plan nearly ignores")
    assert has(
        said(NEAR, spread, metrics="sinkhorn", epsilon=0.5),
        "Sinkhorn is no estimate of W_1, which is at most",
    )
    assert not has(said(NEAR, spread, metrics="sinkhorn", epsilon=0.01), "epsilon")
    assert not has(said(NEAR, spread, metrics="sinkhorn", epsilon=0.01), "no estimate")


def test_one_coordinate_that_outweighs_the_others():
    scale = np.array([1.0, 1000.0])
    assert has(
        said(NEAR * scale, FAR * scale, metrics="emd"), "coordinate 1 (counted from 0) makes up 100 % of"
    )
    assert not has(said(NEAR, FAR, metrics="emd"), "coordinate")
    flat = NEAR * np.array([0.0, 1.0])
    assert not has(said(flat, flat + np.array([5.0, 0.0]), metrics="emd"), "coordinate")


def test_a_negative_sinkhorn_divergence():
    x = np.array([0.0, 1.0, 2.0, 3.0])
    y = np.array([0.5, 1.5, 2.5])
    for epsilon in (1.0, 5.0, 20.0, 100.0):
        report = otgan.compare(x, y, metrics="sinkhorn_divergence", p=4, epsilon=epsilon, tol=1e-9)
        negative = report["sinkhorn_divergence"].value < 0
        assert has(report.warnings, "which happens for cost='euclidean' at p = 4") == negative


@pytest.mark.parametrize("name", ["x", "a set with a long name"])
def test_sentences_are_whole(name):
    for sentence in said(NEAR, NEAR + 0.1, names=(name, "y"), permutations=3, metrics="emd,js,sinkhorn"):
        assert sentence == " ".join(sentence.split())
        assert not sentence.endswith(".")


def test_every_metric_is_held_against_its_noise_floor(rng):
    words = said(
        NEAR, rng.normal(size=(40, 2)), metrics="energy,sliced,bures,sinkhorn,sinkhorn_divergence", seed=3
    )
    for title in ("Energy distance", "Sliced W_1", "Bures W_2", "Sinkhorn", "Sinkhorn divergence"):
        assert sum(title in sentence and "noise floor" in sentence for sentence in words) == 1
    assert not has(words, "few in")


def test_words_of_one_stage_stand_together(rng):
    x, y = rng.normal(size=(30, 20)), rng.normal(size=(30, 20)) + 0.1
    words = said(x, y, np.ones(30), 2 * np.ones(30), metrics="kl,emd,sinkhorn", epsilon=1e-3, max_iter=1)
    order = [
        next(k for k, sentence in enumerate(words) if part in sentence)
        for part in (
            "did not converge",
            "the weights of x total",
            "the supports are disjoint",
            "are few in 20",
        )
    ]
    assert order == sorted(order)


def test_columns_of_places_are_not_to_be_scaled():
    rng = np.random.default_rng(0)
    x, y = (np.c_[rng.uniform(-0.01, 0.01, 20), rng.uniform(-3, 3, 20)] for _ in range(2))
    assert has(otgan.compare(x, y, metrics="emd").warnings, "scale the columns")
    assert not has(otgan.compare(x, y, metrics="emd", cost="haversine").warnings, "scale the columns")
    assert has(otgan.compare(x, y, metrics="emd,sliced", cost="haversine").warnings, "scale the columns")
