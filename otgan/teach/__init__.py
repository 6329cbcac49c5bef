"""Lessons that can be run: the arguments of the papers as numbers, figures and pages."""

from otgan.teach import parallel_lines
from otgan.teach.pages import page

__all__ = ["page", "parallel_lines"]
