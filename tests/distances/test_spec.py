"""What can be checked without samples is checked without them."""

import pytest

from otgan.pair import pair
from otgan.report import MeasurementSpec


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": "emd,nope"}, "unknown metric 'nope'"),
        ({"p": 0.5}, "p must be a finite number >= 1"),
        ({"epsilon": 1.0, "blur": 1.0}, "epsilon or blur, not both"),
        ({"epsilon": -1.0}, "epsilon must be a positive finite number"),
        ({"epsilon": [1.0, 2.0]}, "must be one number"),
        ({"tol": 0}, "tol must be a positive number"),
        ({"max_iter": 0}, "max_iter must be a whole number >= 1"),
        ({"permutations": -1}, "permutations must be a whole number"),
        ({"permutations": 1.5}, "permutations must be a whole number"),
        (
            {"metrics": "js", "estimator": "kde"},
            "js has no estimator 'kde': it has 'atoms', 'histogram', 'knn'",
        ),
        (
            {"metrics": "tv", "estimator": "knn"},
            "tv has no estimator 'knn': it has 'atoms', 'histogram'; leave it out",
        ),
        ({"metrics": "js", "k": 5}, "k is an option of the estimator 'knn', which no metric here uses"),
        ({"bins": 5}, "bins is an option of the estimator 'histogram'"),
        ({"estimator": "histogram"}, "needs bins .* or bin_width .*, got neither"),
        ({"estimator": "histogram", "bins": 5, "bin_width": 0.1}, "got both"),
    ],
)
def test_what_cannot_be_measured_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MeasurementSpec.of(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": "js:knn"}, "the estimator 'knn' takes samples without weights"),
    ],
)
def test_what_takes_no_weights_is_refused_where_there_are_some(options, message):
    spec = MeasurementSpec.of(**options)
    spec.check_weights(False)
    with pytest.raises(ValueError, match=message):
        spec.check_weights(True)


def test_every_estimator_gets_its_own_options_only():
    spec = MeasurementSpec.of("js:histogram,js:knn,js", bins=7, k=2)
    terms = [spec.terms(request) for request in spec.requests]
    assert {each.estimator: each.options for each in terms} == {
        "atoms": {},
        "histogram": {"bins": 7},
        "knn": {"k": 2},
    }


def test_epsilon_is_a_twentieth_of_the_mean_cost_unless_it_is_given():
    both = pair([0.0, 0.0], [10.0, 30.0])

    def epsilon(**options):
        spec = MeasurementSpec.of("sinkhorn", **options)
        return float(spec.terms(spec.requests[0]).entropic(both)[1].epsilon[0])

    assert epsilon() == pytest.approx(1.0)
    assert epsilon(epsilon=0.3) == pytest.approx(0.3)
    assert epsilon(blur=0.3, p=2) == pytest.approx(2 * 0.3**2)
