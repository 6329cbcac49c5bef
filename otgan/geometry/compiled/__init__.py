"""The geometry of compiled loops, for the CPU."""

from otgan.geometry.compiled.geometry import CompiledGeometry

__all__ = ["CompiledGeometry"]
