"""Generative models trained by the distances of this library, and judged by them.

:func:`train` trains one of :data:`SYSTEMS` on a data set and returns a :class:`Run`, from which samples are drawn;
:meth:`Run.load` reads one back from its folder.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from otgan.gan import moved

# Imported on first use, as in the package above: the commands are checked before torch is loaded.
_HOME = {
    "SYSTEMS": "otgan.gan.systems",
    "Callback": "otgan.gan.callbacks",
    "DivergedError": "otgan.gan.errors",
    "EarlyStopping": "otgan.gan.callbacks",
    "OptionError": "otgan.gan.errors",
    "PlanSampler": "otgan.gan.plan_sampler",
    "Run": "otgan.gan.run",
    "RunError": "otgan.gan.errors",
    "System": "otgan.gan.systems",
    "TimeLimit": "otgan.gan.callbacks",
    "couple": "otgan.gan.couplings",
    "train": "otgan.gan.trainer",
}

__all__ = [
    "SYSTEMS",
    "Callback",
    "DivergedError",
    "EarlyStopping",
    "OptionError",
    "PlanSampler",
    "Run",
    "RunError",
    "System",
    "TimeLimit",
    "couple",
    "train",
]


moved.install(__name__)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in moved.MOVED:
        return sys.modules[f"{__name__}.{name}"]
    raise AttributeError(f"module 'otgan.gan' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
