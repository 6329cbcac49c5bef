"""The systems: one file each, and one line in :mod:`otgan.gan.registry`."""

from __future__ import annotations

import importlib

from otgan.gan.registry import CLASSES
from otgan.gan.systems.base import System

__all__ = ["SYSTEMS", "System"]


def _loaded(place: str) -> type[System]:
    module, _, name = place.rpartition(".")
    found: type[System] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return found


SYSTEMS: dict[str, type[System]] = {name: _loaded(place) for name, place in CLASSES.items()}
