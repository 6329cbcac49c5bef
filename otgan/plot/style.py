"""How figures are drawn, whatever style the caller has: dark letters on white paper."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["on_paper"]

_Given = ParamSpec("_Given")
_Figure = TypeVar("_Figure")


def on_paper(draw: Callable[_Given, _Figure]) -> Callable[_Given, _Figure]:
    """Draw in matplotlib's own style, on paper: letters in ink would not be read on the black of a dark one."""

    @functools.wraps(draw)
    def drawn(*args: _Given.args, **options: _Given.kwargs) -> _Figure:
        from cycler import cycler
        from matplotlib import style

        from otgan.plot.palette import CYCLE, PAPER

        own = {
            "figure.facecolor": PAPER,
            "axes.facecolor": PAPER,
            "axes.prop_cycle": cycler(color=CYCLE),
        }
        with style.context(["default", own]):
            return draw(*args, **options)

    return drawn
