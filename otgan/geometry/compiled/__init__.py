"""The geometry of compiled loops, for the CPU."""

from otgan.geometry.compiled.geometry import CompiledGeometry
from otgan.geometry.compiled.stream import BlockStream

__all__ = ["BlockStream", "CompiledGeometry"]
