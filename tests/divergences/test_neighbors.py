"""Nearest-neighbor estimates against divergences of Gaussians, in closed form or integrated numerically."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_classif
from sklearn.neighbors import NearestNeighbors

import otgan
from otgan.divergences import knn
from otgan.pair import pair


def draw(seed, n, m, d, shift, scale):
    """Samples of N(0, I) and of the same with another mean and deviation along the first axis."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    y[:, 0] = y[:, 0] * scale + shift
    return x, y


def true_kl(shift, scale):
    return math.log(scale) + (1 + shift**2) / (2 * scale**2) - 0.5


def true_js(shift, scale):
    p, q = stats.norm(0, 1).pdf, stats.norm(shift, scale).pdf

    def integrand(t):
        m = 0.5 * (p(t) + q(t))
        return 0.5 * p(t) * np.log(p(t) / m) + 0.5 * q(t) * np.log(q(t) / m)

    return integrate.quad(integrand, -12, 15, limit=400)[0]


@pytest.mark.parametrize("d", [1, 2, 4])
@pytest.mark.parametrize(("n", "m"), [(2000, 2000), (1500, 3000), (3000, 1500)])
def test_kl_of_gaussians(d, n, m):
    for shift, scale, tolerance in ((0.0, 1.0, 0.08), (0.0, 2.0, 0.12), (1.0, 1.5, 0.12)):
        x, y = draw(0, n, m, d, shift, scale)
        assert otgan.kl(x, y, estimator="knn") == pytest.approx(true_kl(shift, scale), abs=tolerance)


@pytest.mark.parametrize(
    ("n", "m", "d"), [(1500, 1500, 1), (1500, 1500, 4), (400, 2000, 2), (2000, 400, 4), (900, 600, 14)]
)
def test_js_of_gaussians(n, m, d):
    for shift, scale in ((0.0, 1.0), (0.0, 2.0), (1.0, 1.5), (3.0, 1.0)):
        x, y = draw(0, n, m, d, shift, scale)
        assert otgan.js(x, y, estimator="knn") == pytest.approx(true_js(shift, scale), abs=0.05)


def test_the_bias_of_js_is_small_over_many_draws():
    values = [otgan.js(*draw(seed, 500, 800, 2, 1.0, 1.5), estimator="knn") for seed in range(20)]
    assert np.mean(values) == pytest.approx(true_js(1.0, 1.5), abs=0.015)


@pytest.mark.parametrize("k", [1, 4])
def test_kl_is_the_formula_of_the_paper(k):
    x, y = draw(3, 40, 60, 3, 0.5, 1.2)
    rho = NearestNeighbors().fit(x).kneighbors(x, k + 1)[0][:, -1]
    nu = NearestNeighbors().fit(y).kneighbors(x, k)[0][:, -1]
    expected = 3 / 40 * np.log(nu / rho).sum() + math.log(60 / 39)
    assert otgan.kl(x, y, estimator="knn", k=k) == pytest.approx(expected, rel=1e-12)
    assert otgan.kl(x, y, estimator="knn", k=k, base=2) == pytest.approx(expected / math.log(2), rel=1e-12)


def test_js_between_sets_of_one_size_is_the_mutual_information_with_the_label():
    x, y = draw(4, 300, 300, 1, 1.0, 1.5)
    pooled, label = np.concatenate([x, y]), np.repeat([0, 1], 300)
    # Ross's estimate counts the sample itself in ψ(N) − ψ(n), which is log 2 + 1/(4n) + O(1/n²).
    ross = mutual_info_classif(pooled, label, n_neighbors=3, random_state=0)[0]
    offset = digamma(600) - digamma(300) - math.log(2)
    assert otgan.js(x, y, estimator="knn", k=3) == pytest.approx(ross - offset, abs=1e-5)


def test_js_is_symmetric():
    x, y = draw(5, 70, 200, 2, 1.0, 1.0)
    assert otgan.js(x, y, estimator="knn") == pytest.approx(otgan.js(y, x, estimator="knn"), abs=1e-14)


@pytest.mark.parametrize("d", [2, 20])
def test_the_ends_of_the_range_of_js(d):
    x, y = draw(6, 100, 150, d, 0.0, 1.0)
    assert otgan.js(x, y + 1000, estimator="knn") == pytest.approx(math.log(2), abs=1e-12)
    assert otgan.js(x, x, estimator="knn") == 0


def test_js_on_a_manifold_does_not_depend_on_where_it_lies():
    x, y = draw(7, 800, 800, 2, 1.0, 1.5)
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(30, 30)))[0][:2]
    flat = otgan.js(x, y, estimator="knn")
    assert otgan.js(x @ turned, y @ turned, estimator="knn") == pytest.approx(flat, abs=1e-3)


def test_js_of_repeated_samples_tends_to_that_of_their_atoms():
    rng = np.random.default_rng(8)
    x, y = rng.choice(3, 900, p=[0.5, 0.3, 0.2]), rng.choice(3, 1200, p=[0.1, 0.3, 0.6])
    assert otgan.js(x, y, estimator="knn") == pytest.approx(otgan.js(x, y), abs=0.005)


@pytest.mark.parametrize("d", [3, 13])
def test_trees_and_all_pairs_find_the_same_neighbors(d, monkeypatch):
    x, y = draw(9, 150, 220, d, 0.7, 1.0)
    x[:, 1:] = np.round(x[:, 1:], 1)  # some ties
    values = []
    for dimension in (0, 99):
        monkeypatch.setattr("otgan.divergences.neighbors._TREE", dimension)
        monkeypatch.setattr("otgan.divergences.neighbors._BLOCK", 2000)
        values.append([otgan.kl(x, y, estimator="knn"), otgan.js(x, y, estimator="knn")])
    assert values[0] == pytest.approx(values[1], rel=1e-9)


@pytest.mark.parametrize("scale", [1e-250, 1e250])
def test_the_unit_of_the_samples_is_irrelevant(scale):
    x, y = draw(10, 50, 60, 2, 1.0, 1.0)
    for f in (otgan.kl, otgan.js):
        assert f(x * scale, y * scale, estimator="knn") == pytest.approx(f(x, y, estimator="knn"), rel=1e-9)


def test_batches_are_loops():
    problems = [draw(seed, 30 + 10 * seed, 50, 2, 1.0, 1.0) for seed in range(3)]
    ragged = tuple(list(side) for side in zip(*problems, strict=True))
    for f in (otgan.kl, otgan.js):
        assert f(*ragged, estimator="knn") == pytest.approx([f(x, y, estimator="knn") for x, y in problems])
    x, y = np.stack([problems[0][0]] * 2), np.stack([problems[0][1]] * 2)
    assert otgan.kl(x, y, estimator="knn").shape == (2,)


def test_kl_is_differentiable_in_the_samples():
    x, y = (torch.tensor(side, requires_grad=True) for side in draw(11, 12, 15, 3, 1.0, 1.0))
    assert torch.autograd.gradcheck(lambda x, y: otgan.kl(x, y, estimator="knn"), (x, y))
    assert not otgan.js(x, y, estimator="knn").requires_grad


def test_float32_in_float32_out():
    x, y = (torch.tensor(side, dtype=torch.float32) for side in draw(12, 40, 40, 2, 1.0, 1.0))
    for f in (otgan.kl, otgan.js):
        value = f(x, y, estimator="knn")
        assert (value.shape, value.dtype) == ((), torch.float32)
        assert value.item() == pytest.approx(f(x.double(), y.double(), estimator="knn").item(), rel=1e-6)


def test_coinciding_samples_have_no_density():
    x, y = draw(13, 20, 20, 2, 0.0, 1.0)
    x[:5] = x[0]
    with pytest.raises(
        ValueError, match=r"5 samples of x coincide with 3 or more other samples of x.*'atoms'"
    ):
        otgan.kl(x, y, estimator="knn")
    assert math.isfinite(otgan.kl(x, y, estimator="knn", k=5))
    with pytest.raises(ValueError, match="1 samples of x coincide with 1 or more samples of y"):
        otgan.kl(y, np.concatenate([x, y[:1]]), estimator="knn", k=1)
    with pytest.raises(ValueError, match="coincide"):
        otgan.kl(np.zeros((9, 1)), np.zeros((9, 1)), estimator="knn")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k must be a whole number >= 1 .*, got 0"),
        ({"k": 1.5}, "got 1.5"),
        ({"k": True}, "got True"),
        ({"k": 20}, "at least 21"),
    ],
)
def test_errors_name_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        otgan.kl(*draw(0, 20, 30, 2, 0.0, 1.0), estimator="knn", **options)


def test_weights_are_refused():
    x, y = draw(0, 20, 30, 2, 0.0, 1.0)
    with pytest.raises(ValueError, match="takes samples without weights"):
        otgan.js(x, y, b=np.ones(30), estimator="knn")


def test_neighbors_keep_the_problems_apart():
    x, y = draw(14, 10, 12, 2, 0.0, 1.0)
    prepared = knn(pair([x, x[:7]], [y, y[:8]]), k=2)
    assert [len(side) for side in (*prepared.x, *prepared.y)] == [10, 7, 12, 8]
