"""Comparing two sets of samples: what is measured, what certifies it, and where it misleads.

A :class:`Plan` says what to measure, :mod:`~otgan.report.distance` measures it with its certificate,
:mod:`~otgan.report.uncertainty` asks what it says about populations, :mod:`~otgan.report.caveats` puts what
misleads into words, and the :class:`Report` holds it all.
"""

from otgan.report.comparison import Report, compare
from otgan.report.distance import Distance, Support
from otgan.report.plan import Plan
from otgan.report.uncertainty import NoiseFloor, Null

__all__ = ["Distance", "NoiseFloor", "Null", "Plan", "Report", "Support", "compare"]
