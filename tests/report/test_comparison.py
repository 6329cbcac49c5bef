"""compare(): what goes in, what comes out, and that it is the same for the same seed."""

import json
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

import otgan
from otgan.mistakes import OutOfRangeError
from otgan.status import ConvergenceError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(30, 2)), RNG.normal(size=(25, 2)) + 1


def refuse(constant):
    raise AssertionError(f"JSON has no {constant}")


def without_times(report):
    plain = report.to_dict()
    plain.pop("seconds")
    for entry in plain["distances"].values():
        entry.pop("seconds")
    return plain


ALWAYS = ["emd", "sinkhorn_divergence", "energy"]


def test_what_is_measured_by_default():
    report = otgan.compare(X, Y)
    assert list(report) == list(report.distances) == [*ALWAYS, "js:knn", "kl:knn"]
    assert len(report) == 5
    assert report["emd"] is report.distances["emd"]
    assert (report.n, report.m, report.d, report.mass, report.names) == (30, 25, 2, (1.0, 1.0), ("x", "y"))
    assert report.converged
    assert all(each.seconds >= 0 for each in report.distances.values())


def test_the_default_suits_the_samples(rng):
    grid = rng.integers(0, 4, (60, 2))
    repeated = np.concatenate([X, X[:4]])
    for x, y, options, expected in (
        (grid, grid[:20], {}, ["js", "kl", "tv"]),
        (grid, grid[:20], {"a": np.ones(60)}, ["js", "kl", "tv"]),
        (X, repeated, {}, ["js", "kl", "tv"]),  # most of one is the other
        (X, np.concatenate([Y, X[:1]]), {}, ["js:knn", "kl:knn"]),  # one point in common makes no atoms
        (
            X,
            np.concatenate([Y, Y[:1], Y[:1], Y[:1]]),
            {},
            ["js", "kl", "tv"],
        ),  # of four at one place none has a density
        (X, Y, {"a": np.ones(30)}, []),
        (X, Y[:3], {}, []),
        (X, Y[:3], {"k": 2}, ["js:knn", "kl:knn"]),
        (X, Y, {"estimator": "knn"}, ["js:knn", "kl:knn"]),
        (X, Y, {"estimator": "histogram", "bins": 4}, ["js:histogram", "kl:histogram", "tv:histogram"]),
        (X, Y, {"estimator": "atoms"}, ["js", "kl", "tv"]),
    ):
        assert list(otgan.compare(x, y, **options)) == [*ALWAYS, *expected]


def test_the_verdict_is_one_named_test():
    report = otgan.compare(X, Y + 1, metrics="tv", names=("before", "after"))
    verdict = report.verdict
    assert (verdict.different, verdict.metric, verdict.level, verdict.permutations) == (
        True,
        "energy",
        0.05,
        199,
    )
    assert (verdict.sizes, verdict.all_tested, verdict.weighted, verdict.resolvable) == (
        (30, 25),
        True,
        False,
        True,
    )
    assert verdict.p_value == 1 / 200
    assert (
        report.table()
        .splitlines()[2]
        .startswith("before and after are different: p = 0.005 by a permutation test:")
    )
    assert report.to_dict()["verdict"]["different"]
    other = otgan.compare(X, Y + 1, metrics="tv", test="mmd").verdict
    assert (other.metric, other.title) == ("mmd", "MMD²")
    assert "MMD², level 5 %" in str(otgan.compare(X, Y + 1, metrics="tv", test="mmd"))
    untold = otgan.compare(X, Y, metrics="tv", test=None)
    assert untold.verdict is None
    assert "permutation" not in str(untold)
    assert untold.to_dict()["verdict"] is None


def test_what_is_not_found_is_not_denied():
    same = otgan.compare(X, np.random.default_rng(3).permuted(X, axis=0) + 1e-9, metrics="tv")
    assert not same.verdict.different
    assert "No difference between x and y was found: p = " in str(same)
    assert "Smaller ones than so many samples show are not ruled out" in " ".join(str(same).split())
    assert "x and y are the same set of points." in str(otgan.compare(X, X, metrics="tv"))
    few = otgan.compare([0.0, 1.0, 2.0], [100.0, 101.0, 102.0], metrics="tv")
    assert not few.verdict.different
    assert not few.verdict.resolvable
    assert "3 and 3 samples are too few for any difference to be found" in str(few)


def test_many_samples_are_thinned_for_the_verdict(rng):
    x, y = rng.normal(size=(5200, 1)), rng.normal(size=(20, 1))
    report = otgan.compare(x, y, rng.random(5200), metrics="tv")
    assert (report.verdict.sizes, report.verdict.all_tested, report.verdict.weighted) == (
        (5000, 20),
        False,
        True,
    )
    words = " ".join(str(report).split())
    assert (
        "random splits of the pooled samples (5000 and 20 of them), which carry their weights along" in words
    )


@pytest.mark.parametrize(
    ("test", "kind", "message"),
    [
        (3, TypeError, "test must be the name of one distance"),
        ("emd,js", ValueError, "test must be the name of one distance, got 2"),
        ("enrgy", ValueError, "did you mean 'energy'"),
        ("tv:knn", ValueError, "tv has no estimator 'knn'"),
    ],
)
def test_a_verdict_by_nothing_is_refused(test, kind, message):
    with pytest.raises(kind, match=message):
        otgan.compare(X, Y, test=test)


def test_there_is_no_verdict_where_it_cannot_be_had(monkeypatch):
    for raised, words in (
        (ConvergenceError, "for want of time: raise time_limit"),
        (OutOfRangeError, "as float64 does not"),
    ):

        def fails(*_, raised=raised):
            raise raised("no")

        monkeypatch.setattr("otgan.report.comparison.verdict_of", fails)
        report = otgan.compare(X, Y, metrics="tv", time_limit=10)
        assert report.verdict is None
        assert report.warnings[-1].startswith(f"there is no verdict{',' if 'float' in words else ''} {words}")


def test_json_is_strict_and_says_everything():
    report = otgan.compare(
        X, Y, 2 * np.ones(30), np.ones(25), metrics="emd,kl,sinkhorn", names=("left", "right")
    )
    plain = json.loads(report.to_json(), parse_constant=refuse)
    assert plain == report.to_dict()
    assert plain["schema"] == 1
    assert (plain["n"], plain["m"], plain["d"], plain["mass"]) == (30, 25, 2, [60.0, 25.0])
    assert plain["names"] == ["left", "right"]
    assert plain["distances"]["kl"]["value"] == "inf"
    assert plain["distances"]["emd"].keys() >= {
        "value",
        "p",
        "status",
        "lower",
        "upper",
        "seconds",
        "estimator",
    }
    assert plain["distances"]["emd"]["status"] == "CONVERGED"
    assert plain["warnings"] == list(report.warnings)
    assert plain["versions"].keys() == {"otgan", "python", "numpy", "scipy", "torch", "pot"}
    assert plain["versions"]["otgan"] == otgan.__version__


@pytest.mark.parametrize("convert", [np.asarray, torch.tensor, pd.DataFrame, lambda x: x.tolist()])
def test_samples_come_from_anywhere(convert):
    expected = without_times(otgan.compare(X, Y, metrics="emd,energy,sinkhorn,js"))
    assert without_times(otgan.compare(convert(X), convert(Y), metrics="emd,energy,sinkhorn,js")) == expected


def test_points_on_the_line():
    report = otgan.compare([0.0, 1.0], [2.0, 3.0], metrics="emd")
    assert (report.d, report["emd"].value, report["emd"].backend) == (1, 2.0, "line")


@pytest.mark.parametrize("batch", [(np.zeros((2, 3, 1)), np.ones((2, 4, 1))), ([X, X[:3]], [Y, Y])])
def test_a_batch_is_refused(batch):
    with pytest.raises(
        ValueError, match="compare is of one pair of sets, got a batch of 2: call it for each"
    ):
        otgan.compare(*batch)


def test_weights_go_through_permutations():
    a = np.random.default_rng(0).random(30)
    found = otgan.compare(X, Y, a, metrics="emd", permutations=19)["emd"]
    assert found.null.values.min() > 0
    test = otgan.two_sample_test(X, Y, a, distance="emd", permutations=199)
    assert np.isclose(found.null.mean, test.null.mean(), rtol=0.2)
    with pytest.raises(ValueError, match="takes samples without weights"):
        otgan.compare(X, Y, a, metrics="js:knn")


def test_a_seed_decides_everything_that_is_random():
    first, again, other = (
        otgan.compare(X, Y, metrics="emd,tv", permutations=5, seed=seed) for seed in (1, 1, 2)
    )
    assert without_times(first) == without_times(again)
    assert first["emd"].value == other["emd"].value
    assert first["emd"].noise_floor != other["emd"].noise_floor
    assert first["emd"].null != other["emd"].null
    generator = otgan.compare(X, Y, metrics="emd,tv", permutations=5, seed=np.random.default_rng(1))
    assert generator["emd"].null == first["emd"].null
    assert (first.seed, generator.seed) == (1, None)


def test_what_is_measured_beside_a_distance_does_not_change_its_uncertainty():
    alone = otgan.compare(X, Y, metrics="emd", permutations=5)
    first = otgan.compare(X, Y, metrics="emd,tv", permutations=5)
    assert alone["emd"].null == first["emd"].null
    assert alone["emd"].noise_floor == first["emd"].noise_floor


def test_no_global_random_state_is_touched():
    numpy, tensors = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    otgan.compare(X, Y, metrics="emd", permutations=2).plot()
    assert np.array_equal(np.random.get_state()[1], numpy)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), tensors)


def test_what_there_is_to_warn_of_is_in_the_report_only():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = otgan.compare(X, Y, metrics="sinkhorn,sinkhorn_divergence", max_iter=1, epsilon=1e-3)
        otgan.compare(X, Y, metrics="sinkhorn_divergence", p=6, epsilon=1e4, permutations=5)
    assert len(report.warnings) >= 2


def test_a_report_is_frozen():
    report = otgan.compare(X, Y, metrics="tv")
    with pytest.raises(AttributeError):
        report.seconds = 0.0
    with pytest.raises(TypeError):
        report.distances["tv"] = None
    with pytest.raises(AttributeError):
        report["tv"].value = 0.0


def test_a_report_can_be_sent_to_another_process():
    report = otgan.compare(X, Y)
    assert str(pickle.loads(pickle.dumps(report))) == str(report)


def test_progress_goes_to_stderr_when_asked(capsys):
    otgan.compare(X, Y, metrics="emd", permutations=2, progress=True)
    loud = capsys.readouterr()
    assert loud.out == ""
    assert "emd" in loud.err
    assert "/6" in loud.err
    assert "between " in loud.err
    otgan.compare(X, Y, metrics="emd", permutations=2)
    assert capsys.readouterr() == ("", "")


def test_mnist_agrees_with_pot(mnist_dir):
    import ot

    x, y = (otgan.data.load(f"mnist:{digit}", n=300, data_dir=mnist_dir.parent) for digit in (3, 8))
    report = otgan.compare(x, y, metrics="emd,sinkhorn")
    assert report["emd"].value == pytest.approx(ot.emd2([], [], ot.dist(x, y, "euclidean")), abs=1e-9)
    assert report["sinkhorn"].lower <= report["emd"].value <= report["sinkhorn"].upper


def test_time_that_runs_out_leaves_bounds_and_no_floor_or_p_value():
    x, y = np.random.default_rng(0).normal(size=(2, 40, 2))
    report = otgan.compare(x, y, metrics="emd", permutations=2, time_limit=1e-9)
    each = report["emd"]
    assert (str(each.status), each.noise_floor, each.null) == ("TIME_LIMIT", None, None)
    assert each.lower <= otgan.emd(x, y) <= each.upper
    assert (
        report.warnings[-1]
        == "EM has no noise floor and no p-value for want of time: raise time_limit, here 1e-09 s"
    )


def test_a_value_that_is_not_certain_is_held_against_nothing():
    x, y = (
        np.array([[0, 1e-150], [1e150, 0], [1e-150, 3]]),
        np.array([[1e-150, 0], [1e150, 1e-150], [0, 2.0]]),
    )
    report = otgan.compare(x, y, metrics="emd")
    assert str(report["emd"].status) == "UNCERTIFIED"
    assert report.warnings[-1] == (
        "EM has no noise floor, as nothing can be held against a value that is UNCERTIFIED"
    )


def test_parts_that_float64_cannot_tell_apart_cost_the_noise_floor_alone(monkeypatch):
    def beyond(*_):
        raise OutOfRangeError("too near")

    monkeypatch.setattr("otgan.report.comparison.noise_floor", beyond)
    report = otgan.compare([0.0, 1.0, 2.0], [1.0, 3.0, 4.0], metrics="emd")
    assert report["emd"].value == pytest.approx(5 / 3)
    assert report.warnings[-1] == (
        "EM has no noise floor, as float64 does not tell parts of the sets from each other"
    )


@pytest.mark.parametrize(("step", "what"), [("noise_floor", "noise floor"), ("null_of", "p-value")])
def test_time_that_runs_out_later_leaves_the_rest(monkeypatch, step, what):
    def late(*_):
        raise ConvergenceError("too late")

    monkeypatch.setattr(f"otgan.report.comparison.{step}", late)
    x, y = np.random.default_rng(0).normal(size=(2, 40, 2))
    report = otgan.compare(x, y, metrics="emd", permutations=2, time_limit=1e9)
    each = report["emd"]
    assert each.value == otgan.emd(x, y)
    assert (each.noise_floor is None, each.null is None) == (what == "noise floor", what == "p-value")
    assert report.warnings[-1] == f"EM has no {what} for want of time: raise time_limit, here 1e+09 s"


@pytest.mark.parametrize(
    ("cost", "unit"), [("cityblock", "units of the samples"), ("cosine", "units of the cost")]
)
def test_a_report_says_which_cost_it_has(cost, unit):
    x, y = np.random.default_rng(0).uniform(1, 2, (2, 8, 3))
    report = otgan.compare(x, y, metrics="emd,sinkhorn,sinkhorn_divergence,tv", cost=cost)
    assert f"d = 3, cost {cost}, p = 1\n" in str(report)
    assert report["emd"].value == pytest.approx(otgan.emd(x, y, cost=cost), rel=1e-12)
    assert report["sinkhorn"].value == pytest.approx(otgan.sinkhorn(x, y, cost=cost, p=1), rel=1e-6)
    assert report["emd"].unit == unit
    assert {each["cost"] for each in report.to_dict()["distances"].values()} == {cost, None}
    assert any(unit in ax.get_xlabel() for ax in report.plot().axes)
    with pytest.raises(ValueError, match="'precomputed' leaves no samples"):
        otgan.compare(x, y, cost="precomputed")
    assert "cost" not in str(otgan.compare(x, y, metrics="tv")).splitlines()[0]
