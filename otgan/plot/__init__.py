"""Figures of reports and of lessons, by matplotlib, of which no global state is read or written.

Every function draws what it is given on a new :class:`matplotlib.figure.Figure`, which notebooks show and whose
``savefig`` writes it.
"""

from otgan.plot.border import report
from otgan.plot.lines import parallel_lines
from otgan.plot.matrices import pairwise

__all__ = ["pairwise", "parallel_lines", "report"]
