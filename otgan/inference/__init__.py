"""What a distance between samples says about the populations they are draws of: tests, intervals, comparisons of many sets."""

from otgan.inference.outcome import TwoSampleTest
from otgan.inference.two_sample import two_sample_test

__all__ = ["TwoSampleTest", "two_sample_test"]
