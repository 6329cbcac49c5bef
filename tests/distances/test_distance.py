"""Every distance of a report is that of the function it names, and its certificate holds."""

import math

import numpy as np
import ot
import pytest
import torch

import otgan
from otgan.pair import pair
from otgan.report import MeasurementSpec, Support

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 3)), RNG.normal(size=(30, 3)) + 0.7
A, B = RNG.random(40), RNG.random(30)
GRID_X, GRID_Y = RNG.integers(0, 4, (60, 2)), RNG.integers(1, 5, (50, 2))


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("weights", [(None, None), (A, B)])
def test_emd_is_that_of_pot_and_its_bounds_enclose_it(p, weights):
    found = otgan.compare(X, Y, *weights, metrics="emd", p=p)["emd"]
    a, b = (np.ones(n) / n if w is None else w / w.sum() for n, w in zip((40, 30), weights, strict=True))
    expected = ot.emd2(a, b, ot.dist(X, Y, "euclidean") ** p) ** (1 / p)
    assert found.value == pytest.approx(expected, rel=1e-9)
    assert found.lower <= found.value * (1 + 1e-12)
    assert found.upper >= found.value * (1 - 1e-12)
    assert 0 <= found.gap <= 1e-9
    assert found.marginal_error <= 1e-12
    assert (found.estimator, found.bounded, found.p) == ("exact", f"W_{p:g}", p)
    assert found.converged
    assert found.transport.plan.sum() == pytest.approx(1)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("scale", [{}, {"epsilon": 0.3}, {"blur": 0.4}])
def test_entropic_distances_are_those_of_the_functions(p, scale):
    report = otgan.compare(X, Y, A, B, metrics="sinkhorn,sinkhorn_divergence,emd", p=p, tol=1e-9, **scale)
    for name in ("sinkhorn", "sinkhorn_divergence"):
        found = report[name]
        assert found.value == pytest.approx(
            getattr(otgan, name)(X, Y, A, B, p=p, tol=1e-9, **scale), rel=1e-9
        )
        assert found.marginal_error <= 1e-9
        assert str(found.status) == "CONVERGED"
    sinkhorn, exact = report["sinkhorn"], report["emd"].value ** p
    assert sinkhorn.bounded == ("W_1" if p == 1 else "W_2^2")
    assert sinkhorn.lower <= exact * (1 + 1e-12)
    assert sinkhorn.upper >= exact * (1 - 1e-12)
    assert sinkhorn.epsilon == pytest.approx(report["sinkhorn_divergence"].epsilon)


def test_epsilon_is_by_default_a_twentieth_of_the_mean_cost():
    found = otgan.compare(X, Y, A, B, metrics="sinkhorn")["sinkhorn"]
    mean = A / A.sum() @ ot.dist(X, Y, "euclidean") @ (B / B.sum())
    assert found.epsilon == pytest.approx(0.05 * mean)


@pytest.mark.parametrize("name", ["js", "kl", "tv"])
@pytest.mark.parametrize("options", [{}, {"estimator": "histogram", "bins": 3}])
def test_divergences_are_those_of_the_functions_and_count_what_is_shared(name, options):
    found = otgan.compare(GRID_X, GRID_Y, metrics=name, **options)[name]
    assert found.value == getattr(otgan, name)(GRID_X, GRID_Y, **options)
    assert found.estimator == options.get("estimator", "atoms")
    assert found.status is None
    assert found.converged
    if not options:
        x, y = ({tuple(row) for row in grid} for grid in (GRID_X, GRID_Y))
        assert found.support == Support(len(x), len(y), len(x & y))


def test_estimators_stand_side_by_side():
    report = otgan.compare(X, Y, metrics="js,js:knn,kl:knn,js:histogram", bins=4, k=5)
    assert report["js"].value == pytest.approx(math.log(2))
    assert report["js:knn"].value == otgan.js(X, Y, estimator="knn", k=5)
    assert report["kl:knn"].value == otgan.kl(X, Y, estimator="knn", k=5)
    assert report["js:histogram"].value == otgan.js(X, Y, estimator="histogram", bins=4)
    assert report["js:knn"].support is None


@pytest.mark.parametrize("name", ["emd", "js", "kl", "tv", "sinkhorn", "sinkhorn_divergence", "kl:knn"])
def test_the_value_alone_is_the_value(name):
    spec, both = MeasurementSpec.of(name), pair(X, Y)
    metric, terms = spec.requests[0].metric, spec.terms(spec.requests[0])
    assert metric.statistic(terms)(both) == pytest.approx(metric.measured(both, terms).value, rel=1e-9)


def test_a_solve_that_is_cut_short_says_so_and_its_bounds_hold():
    found = otgan.compare(X, Y, metrics="sinkhorn,sinkhorn_divergence", epsilon=1e-3, max_iter=1)
    assert not found.converged
    exact = otgan.emd(X, Y)
    assert found["sinkhorn"].lower <= exact <= found["sinkhorn"].upper
    for each in found.distances.values():
        assert str(each.status) == "MAX_ITER"
        assert each.marginal_error > 1e-6


def test_the_error_of_a_root_is_that_of_the_cost_over_its_slope():
    first = otgan.compare(X, Y, metrics="emd", p=2)["emd"]
    f, g = first.transport.f, first.transport.g
    assert first.standard_error == pytest.approx(np.sqrt(f.var() / 40 + g.var() / 30) / (2 * first.value))
    assert otgan.compare(X, X, metrics="emd", p=2)["emd"].standard_error is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_give_plain_numbers(dtype):
    x, y = torch.tensor(X, dtype=dtype, requires_grad=True), torch.tensor(Y, dtype=dtype)
    report = otgan.compare(x, y, metrics="emd,sinkhorn,sinkhorn_divergence,tv")
    for each in report.distances.values():
        assert type(each.value) is float
    assert report["emd"].value == pytest.approx(otgan.emd(X, Y), rel=1e-5)


def test_entries_have_the_same_keys_and_no_points():
    report = otgan.compare(X, Y, metrics="emd,tv,sinkhorn,sinkhorn_divergence,js:knn", permutations=2)
    entries = [each.to_dict() for each in report.distances.values()]
    assert len({tuple(entry) for entry in entries}) == 1
    assert entries[0]["noise_floor"].keys() == {"x", "y", "x_error", "y_error", "draws"}
    assert entries[0]["null"].keys() == {"permutations", "mean", "quantile_95", "p_value"}
    assert entries[1]["support"] == {"x": 40, "y": 30, "shared": 0}
    assert "transport" not in entries[0]
