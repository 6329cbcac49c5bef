"""Optimal-transport distances between sample sets, each with a certificate, and the models built on them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers and editors, which do not follow __getattr__
    from otgan import data as data
    from otgan import gan as gan
    from otgan import memory as memory
    from otgan import plot as plot
    from otgan import teach as teach
    from otgan.distances import emd, sinkhorn, sinkhorn_divergence
    from otgan.divergences import js, kl, tv
    from otgan.loss import SinkhornLoss
    from otgan.measure import Measure
    from otgan.report import Report, compare
    from otgan.result import ConvergenceWarning, Status, Transport
    from otgan.solve import transport

__version__ = "0.1.0"

__all__ = [
    "ConvergenceWarning",
    "Measure",
    "Report",
    "SinkhornLoss",
    "Status",
    "Transport",
    "__version__",
    "compare",
    "emd",
    "js",
    "kl",
    "sinkhorn",
    "sinkhorn_divergence",
    "transport",
    "tv",
]

# Where each public name lives. They are imported on first use, so that `import otgan` stays light:
# it loads neither torch nor POT nor matplotlib. No module bears the name of a public function: importing
# `otgan.x` binds the attribute `x` of the package to the module, which would hide the function.
_HOME = {
    "ConvergenceWarning": "otgan.result",
    "Measure": "otgan.measure",
    "Report": "otgan.report",
    "SinkhornLoss": "otgan.loss",
    "Status": "otgan.result",
    "Transport": "otgan.result",
    "compare": "otgan.report",
    "emd": "otgan.distances",
    "js": "otgan.divergences",
    "kl": "otgan.divergences",
    "sinkhorn": "otgan.distances",
    "sinkhorn_divergence": "otgan.distances",
    "transport": "otgan.solve",
    "tv": "otgan.divergences",
}
_SUBPACKAGES = ("data", "gan", "memory", "plot", "teach")


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in _SUBPACKAGES:
        return importlib.import_module(f"otgan.{name}")
    raise AttributeError(f"module 'otgan' has no attribute {name!r}{_meant(name)}")


def _meant(name: str) -> str:
    """Return which name was meant, in words, unless Python itself asks for one that a module may have."""
    if name.startswith("_"):
        return ""
    from otgan.spelling import meant_name

    return meant_name(name, __dir__())


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBPACKAGES])
