"""Comparing two sets of samples: what is measured, what certifies it, and where it misleads.

A :class:`MeasurementSpec` says what to measure, a metric measures it with its certificate,
:mod:`~otgan.report.uncertainty` asks what it says about populations, :mod:`~otgan.report.caveats` puts what
misleads into words, and the :class:`Report` holds it all.
"""

from otgan.distances.distance import Distance, NoiseFloor, Null, Support
from otgan.distances.spec import MeasurementSpec
from otgan.report.comparison import compare
from otgan.report.report import Report

__all__ = ["Distance", "MeasurementSpec", "NoiseFloor", "Null", "Report", "Support", "compare"]
