"""Generative models trained by the distances of this library, and judged by them.

:func:`train` trains one of :data:`SYSTEMS` on a data set and returns a :class:`Run`, from which samples are drawn;
:meth:`Run.load` reads one back from its folder.
"""

from __future__ import annotations

from otgan.gan.errors import DivergedError, OptionError, RunError
from otgan.gan.run import Run
from otgan.gan.systems import SYSTEMS, System
from otgan.gan.trainer import train

__all__ = ["SYSTEMS", "DivergedError", "OptionError", "Run", "RunError", "System", "train"]
