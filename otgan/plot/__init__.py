"""Figures. The only package that knows matplotlib; no global state of it is read or written.

Every function draws what it is given on a new :class:`matplotlib.figure.Figure`, which notebooks show and whose
``savefig`` writes it.
"""

from otgan.plot.lines import parallel_lines
from otgan.plot.reports import report

__all__ = ["parallel_lines", "report"]
