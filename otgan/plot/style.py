"""How figures are drawn, whatever style the caller has: dark letters on white paper."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

__all__ = ["on_paper"]

_Drawing = TypeVar("_Drawing", bound=Callable[..., object])


def on_paper(draw: _Drawing) -> _Drawing:
    """Draw in matplotlib's own style, on paper: letters in ink would not be read on the black of a dark one."""

    @functools.wraps(draw)
    def drawn(*args: object, **options: object) -> object:
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

    return drawn  # type: ignore[return-value]
