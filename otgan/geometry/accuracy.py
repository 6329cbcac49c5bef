"""How accurate a kernel is in float32: from which marginal error on it serves."""

from __future__ import annotations

__all__ = ["ROUGH", "ROUNDING", "SINGLE"]

SINGLE = 1e-5
"""Marginal error from which on a float32 kernel serves: half the memory traffic of float64.

Its entries are accurate to 1e-7, but sums of thousands of them leave errors of some 1e-6 in the marginals.
"""

ROUNDING = 1e-7
"""Error that the rounding of float32 exponents leaves in the marginals, relative to the largest C/ε: an upper estimate,
fifty times what was seen, since roundings average out."""

ROUGH = 1e-2
"""Relative accuracy that the kernel of a correction needs."""
