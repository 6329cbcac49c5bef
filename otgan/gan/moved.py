"""The modules of before there were rooms, whose names still find what has moved, with a warning."""

from __future__ import annotations

import importlib
import sys
import warnings
from types import ModuleType
from typing import Any

__all__ = ["MOVED", "install"]

MOVED = {
    "arrays": ("datasets.arrays",),
    "batches": ("datasets.batches", "networks", "streams"),
    "checkpoint": ("training.checkpoint",),
    "classifier": ("evaluation.classifier",),
    "evaluate": ("evaluation.judge",),
    "fidelity": ("evaluation.fidelity",),
    "figures": ("evaluation.figures",),
    "folder": ("training.folder", "files"),
    "interrupts": ("training.interrupts",),
    "likelihoods": ("networks.likelihoods",),
    "lock": ("training.lock",),
    "mmd": ("losses.mmd",),
    "reconstruction": ("evaluation.reconstruction",),
    "records": ("training.records", "training.history"),
    "regularized": ("losses.regularizers", "losses.ground_cost", "losses.regularizer"),
    "samples": ("datasets.training_data", "datasets.scaling", "datasets.arrays"),
    "state": ("training.state",),
}
"""Where the names of a module that was ``otgan.gan.<key>`` are now, within ``otgan.gan``."""


class _Moved(ModuleType):
    """A module that has moved to others."""

    def __init__(self, name: str, places: tuple[str, ...]) -> None:
        super().__init__(name, f"Moved to {' and '.join(places)}.")
        self.__places = places

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            for place in self.__places:
                module = importlib.import_module(place)
                if hasattr(module, name):
                    warnings.warn(
                        f"{self.__name__}.{name} has moved: import it from {place}",
                        DeprecationWarning,
                        stacklevel=2,
                    )
                    return getattr(module, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


def install(package: str) -> None:
    """Let the old modules of a package be imported; none of the new ones is, before a name is asked for."""
    for old, places in MOVED.items():
        name = f"{package}.{old}"
        sys.modules.setdefault(name, _Moved(name, tuple(f"{package}.{place}" for place in places)))
