"""The colors of the figures, of the benchmarks' too, and what is read on what."""

from __future__ import annotations

__all__ = [
    "BLUE",
    "CYCLE",
    "GRAY",
    "GREEN",
    "INK",
    "ORANGE",
    "PAPER",
    "PURPLE",
    "SKY",
    "contrast",
    "readable_on",
]

INK, BLUE, ORANGE, GREEN, SKY, PURPLE = "#333333", "#0072b2", "#d55e00", "#009e73", "#56b4e9", "#cc79a7"
"""Colors that color-blind eyes tell apart (Okabe and Ito). Letters are of ink: the others are too light for them."""

PAPER = "#ffffff"
"""What figures are drawn on, in dark notebooks and pages too."""

GRAY = "#8c8c8c"
"""Of data that are beneath what is looked at."""

CYCLE = (BLUE, ORANGE, GREEN, PURPLE, SKY, INK)
"""Colors of several curves, in turn."""

_BLACK, _WHITE = "#000000", "#ffffff"

_LINEAR = 0.04045
"""A value of sRGB up to which it is proportional to the light."""


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colors, between 1 and 21, as the Web Content Accessibility Guidelines define it.

    Parameters
    ----------
    one, other : str
        As "#rrggbb". Letters are read from 4.5 on, and shapes from 3 on.
    """
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def readable_on(color: str) -> str:
    """Return black or white, whichever is read better on a color: a contrast of 4.5 at least, whatever the color."""
    return max((_BLACK, _WHITE), key=lambda ink: contrast(ink, color))


def _luminance(color: str) -> float:
    values = (int(color[k : k + 2], 16) / 255 for k in (1, 3, 5))
    red, green, blue = (
        value / 12.92 if value <= _LINEAR else ((value + 0.055) / 1.055) ** 2.4 for value in values
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
