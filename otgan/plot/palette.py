"""The colors of the figures, of the benchmarks' too."""

from __future__ import annotations

__all__ = ["BLUE", "GREEN", "INK", "ORANGE", "SKY"]

INK, BLUE, ORANGE, GREEN, SKY = "#333333", "#0072b2", "#d55e00", "#009e73", "#56b4e9"
"""Colors that color-blind eyes tell apart (Okabe and Ito)."""
