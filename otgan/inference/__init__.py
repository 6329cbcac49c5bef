"""What a distance between samples says about the populations they are draws of: tests, intervals, comparisons of many sets."""

from otgan.inference.all_pairs import pairwise
from otgan.inference.groups import PairwiseTests, pairwise_tests
from otgan.inference.intervals import Interval, confidence_interval
from otgan.inference.outcome import TwoSampleTest
from otgan.inference.reference import Reading, Reference
from otgan.inference.two_sample import two_sample_test

__all__ = [
    "Interval",
    "PairwiseTests",
    "Reading",
    "Reference",
    "TwoSampleTest",
    "confidence_interval",
    "pairwise",
    "pairwise_tests",
    "two_sample_test",
]
