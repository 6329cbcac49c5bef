"""Optimal-transport distances between sample sets, each with a certificate, and the models built on them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from otgan.distances import METRICS, metric_of

if TYPE_CHECKING:  # for type checkers and editors, which do not follow __getattr__
    from otgan import data as data
    from otgan import gan as gan
    from otgan import memory as memory
    from otgan import plot as plot
    from otgan import teach as teach
    from otgan.distances.debiased import sinkhorn_divergence as sinkhorn_divergence
    from otgan.distances.earth_mover import emd as emd
    from otgan.distances.energy_distance import energy as energy
    from otgan.distances.entropic import sinkhorn as sinkhorn
    from otgan.distances.gaussian_transport import bures as bures
    from otgan.distances.jensen_shannon import js as js
    from otgan.distances.kernel_discrepancy import mmd as mmd
    from otgan.distances.kullback_leibler import kl as kl
    from otgan.distances.sliced_transport import sliced as sliced
    from otgan.distances.total_variation import tv as tv
    from otgan.inference.all_pairs import pairwise as pairwise
    from otgan.inference.groups import PairwiseTests as PairwiseTests
    from otgan.inference.groups import pairwise_tests as pairwise_tests
    from otgan.inference.intervals import Interval as Interval
    from otgan.inference.intervals import confidence_interval as confidence_interval
    from otgan.inference.outcome import TwoSampleTest as TwoSampleTest
    from otgan.inference.reference import Reference as Reference
    from otgan.inference.two_sample import two_sample_test as two_sample_test
    from otgan.loss import SinkhornLoss as SinkhornLoss
    from otgan.measure import Measure as Measure
    from otgan.report import Report as Report
    from otgan.report import compare as compare
    from otgan.result import Transport as Transport
    from otgan.solve import transport as transport
    from otgan.status import ConvergenceWarning as ConvergenceWarning
    from otgan.status import Status as Status

__version__ = "0.2.0"

# Where each public name lives, but the metrics, which have a registry of their own. They are imported on first use, so
# that `import otgan` stays light: it loads neither torch nor POT nor matplotlib. No module bears the name of a public
# function: importing `otgan.x` binds the attribute `x` of the package to the module, which would hide the function.
_HOME = {
    "ConvergenceWarning": "otgan.status",
    "Interval": "otgan.inference.intervals",
    "Measure": "otgan.measure",
    "PairwiseTests": "otgan.inference.groups",
    "Reference": "otgan.inference.reference",
    "Report": "otgan.report",
    "SinkhornLoss": "otgan.loss",
    "Status": "otgan.status",
    "Transport": "otgan.result",
    "TwoSampleTest": "otgan.inference.outcome",
    "compare": "otgan.report",
    "confidence_interval": "otgan.inference.intervals",
    "pairwise": "otgan.inference.all_pairs",
    "pairwise_tests": "otgan.inference.groups",
    "transport": "otgan.solve",
    "two_sample_test": "otgan.inference.two_sample",
}
_SUBPACKAGES = ("data", "gan", "memory", "plot", "teach")

__all__ = ["__version__"]
__all__ += list(_HOME)
__all__ += list(METRICS)


def __getattr__(name: str) -> Any:
    if name in METRICS:
        return metric_of(name).function
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
