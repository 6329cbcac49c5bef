"""Figures of reports and of lessons, by matplotlib, of whose global state nothing is changed.

Every function draws what it is given on a new :class:`matplotlib.figure.Figure`, which notebooks show and whose
``savefig`` writes it. They are drawn in ink on white paper whatever the caller's style is.
"""

from otgan.plot.border import report
from otgan.plot.lines import parallel_lines
from otgan.plot.matrices import pairwise

__all__ = ["pairwise", "parallel_lines", "report"]
