"""Names of distances are read in one place, for Python and for the command."""

import subprocess
import sys

import pytest

import otgan
from otgan.distances import DEFAULT, METRICS
from otgan.distances.request import parse


def test_every_metric_is_a_function_of_the_package():
    assert all(callable(getattr(otgan, name)) for name in METRICS)
    assert set(DEFAULT) <= METRICS.keys()


def test_names_may_be_listed_or_separated_by_commas():
    assert parse("emd, js:knn,kl", "histogram") == parse(["emd", "js:knn", "kl"], "histogram")


def test_a_divergence_has_the_common_estimator_unless_it_names_its_own():
    found = {
        request.key: request.estimator for request in parse(["emd", "js", "js:knn", "tv:atoms"], "histogram")
    }
    assert found == {"emd": None, "js": "histogram", "js:knn": "knn", "tv:atoms": "atoms"}


def test_a_name_that_is_given_twice_is_measured_once():
    assert [request.key for request in parse("emd,tv,emd")] == ["emd", "tv"]


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ("emb", r"unknown metric 'emb' \(did you mean 'emd'\?\): known are emd, js, kl, tv, sinkhorn"),
        ("fid", "unknown metric 'fid': known are"),
        ("emd:atoms", "emd needs no estimator"),
        ("", "at least one"),
        ("emd,,tv", "at least one"),
        ((), "at least one"),
    ],
)
def test_what_is_no_metric_is_answered_with_those_there_are(metrics, message):
    with pytest.raises(ValueError, match=message):
        parse(metrics)


def test_reading_names_imports_nothing_heavy():
    code = "import sys, otgan.distances.request; sys.exit(bool({'numpy', 'torch', 'scipy'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
