"""Transport in scikit-learn: its own checks of estimators, and maps that are known."""

import pickle

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import otgan
from otgan.integrations.sklearn import HistogramDistance, TransportMap

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(150, 2)), RNG.normal(size=(120, 2)) @ np.array([[1.5, 0.4], [0.4, 0.7]]) + [4, -1]


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([TransportMap()])
def test_scikit_learn_finds_an_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("cost", ["euclidean", "cityblock"])
@pytest.mark.parametrize("p", [1, 2])
def test_the_samples_go_where_the_plan_sends_them(cost, p):
    fitted = TransportMap(Y, cost=cost, p=p, tol=1e-10).fit(X)
    t = fitted.transport_
    np.testing.assert_allclose(fitted.transform(X), t.barycentric_map(), rtol=1e-6, atol=1e-7)
    back = t.plan.T @ X / t.plan.sum(0)[:, None]
    np.testing.assert_allclose(fitted.inverse_transform(Y), back, rtol=1e-6, atol=1e-7)


def test_new_points_go_where_the_optimal_map_of_gaussians_sends_them():
    rng = np.random.default_rng(1)
    spread = np.array([[2.0, 0.6], [0.6, 0.8]])
    x, y = rng.normal(size=(2, 3000, 2))
    y = y @ np.linalg.cholesky(spread).T + [3, 0]
    values, vectors = np.linalg.eigh(spread)
    root = (
        vectors @ np.diag(values**0.5) @ vectors.T
    )  # the optimal map of N(0, I) to N(m, S) is m + S^(1/2) x
    fitted = TransportMap(y, blur=0.15).fit(x)
    new = rng.normal(size=(50, 2)) * 0.8
    np.testing.assert_allclose(fitted.transform(new), new @ root + [3, 0], atol=0.25)
    np.testing.assert_allclose(fitted.inverse_transform(new @ root + [3, 0]), new, atol=0.3)


def test_named_targets_and_pipelines():
    skewed = RNG.exponential(size=(400, 2))
    mapped = make_pipeline(StandardScaler(), TransportMap("normal", blur=0.05)).fit_transform(skewed)
    same = otgan.two_sample_test(mapped, np.random.default_rng(5).normal(size=(400, 2)), distance="energy")
    assert not same.rejects()
    cube = TransportMap("uniform", random_state=3).fit(skewed)
    assert ((cube.transform(skewed) >= 0) & (cube.transform(skewed) <= 1)).all()
    np.testing.assert_array_equal(TransportMap("uniform", random_state=3).fit(skewed).target_, cube.target_)


def test_a_fitted_map_can_be_sent_to_another_process():
    fitted = pickle.loads(pickle.dumps(TransportMap(Y).fit(X)))
    np.testing.assert_array_equal(fitted.transform(X), TransportMap(Y).fit(X).transform(X))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nromal", "samples, 'normal' or 'uniform'"),
        (np.ones((3, 5)), "the 2 features of X, got 5"),
        ([[np.nan, 1]], "target contains NaN"),
    ],
)
def test_targets_that_are_none(target, message):
    with pytest.raises(ValueError, match=message):
        TransportMap(target).fit(X)


def test_rows_may_be_histograms():
    distance = HistogramDistance(np.arange(6.0))
    u, v = RNG.random(6), RNG.random(6)
    assert distance(u, v) == pytest.approx(otgan.emd(np.arange(6.0), np.arange(6.0), u, v))
    around = HistogramDistance(np.arange(12) * 2 * np.pi / 12, cost="circle")
    assert around(np.eye(12)[0], np.eye(12)[11]) == pytest.approx(2 * np.pi / 12)
    rows = np.concatenate([RNG.dirichlet([5, 3, 1, 1, 1, 1], 30), RNG.dirichlet([1, 1, 1, 1, 3, 5], 30)])
    labels = np.repeat([0, 1], 30)
    fitted = KNeighborsClassifier(3, metric=distance).fit(rows[::2], labels[::2])
    assert fitted.score(rows[1::2], labels[1::2]) > 0.9
