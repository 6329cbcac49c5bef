"""Options of single metrics: as Python gives them, and as the command reads them; and what an unfinished metric says."""

import numpy as np
import pytest

import otgan
from otgan.distances.metric import Metric
from otgan.distances.option import Option
from otgan.pair import pair

WORD = Option("kernel", "word", "soft", ("soft", "none", "true"))
LENGTH = Option("bandwidth", "positive", None, meaning="a length")
COUNT = Option("projections", "count", 20)
SEED = Option("seed", "seed", 0)
FLAG = Option("biased", "flag", False)


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        (WORD, "soft", "soft"),
        (WORD, "none", "none"),
        (WORD, "true", "true"),
        (LENGTH, "0.5", 0.5),
        (LENGTH, "1e-3", 0.001),
        (LENGTH, "none", None),
        (COUNT, "7", 7),
        (SEED, "0", 0),
        (FLAG, "true", True),
        (FLAG, "False", False),
    ],
)
def test_the_command_reads_options_of_every_kind(option, text, value):
    assert option.read(text) == value
    assert option.check(value) == value


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        (WORD, "hard", "kernel must be 'soft', 'none' or 'true', got 'hard'"),
        (LENGTH, "wide", r"bandwidth must be a positive number \(a length\), or None, got 'wide'"),
        (LENGTH, "-1", r"bandwidth must be a positive number \(a length\), or None, got -1.0"),
        (COUNT, "0", "projections must be a whole number >= 1, got 0"),
        (COUNT, "1.5", "projections must be a whole number >= 1, got '1.5'"),
        (COUNT, "none", "projections must be a whole number >= 1, got 'none'"),
        (SEED, "-1", "seed must be a whole number >= 0, got -1"),
        (FLAG, "1", "biased must be True or False, got '1'"),
    ],
)
def test_what_stands_for_no_value_is_refused(option, text, message):
    with pytest.raises(ValueError, match=message):
        option.read(text)


class Bare(Metric):
    symbol = "?"

    def title(self, p):
        return "Bare"

    def unit(self, p):
        return ""

    def power(self, p):
        return 0.0


def test_a_metric_that_measures_nothing_says_so():
    with pytest.raises(
        NotImplementedError, match=r"<metric emd> has neither evaluate, nor measured and values"
    ):
        Bare(otgan.emd).evaluate(pair([0.0], [1.0]), None)


def test_the_number_of_a_metric_that_can_fail_is_not_taken_for_its_bound():
    x, y = np.random.default_rng(0).normal(size=(2, 40, 2))
    report = otgan.compare(x, y, metrics="emd,energy", time_limit=1e-9, permutations=2)
    assert report["emd"].null is None
    assert report["energy"].null is not None
    assert report["energy"].noise_floor is not None
