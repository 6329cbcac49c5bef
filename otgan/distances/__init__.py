"""The metrics: one file each, and one line each here, from which reports, the command and the package know them.

Imports nothing heavy: a metric is imported when it is asked for. No module bears the name of a public function, which
it would hide as an attribute of the package.
"""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING, Any

from otgan.mistakes import WrongKindError, WrongValueError

if TYPE_CHECKING:
    from otgan.distances.metric import Metric

__all__ = ["DEFAULT", "METRICS", "known", "metric_of"]

METRICS = {
    "emd": "otgan.distances.earth_mover:METRIC",
    "js": "otgan.distances.jensen_shannon:METRIC",
    "kl": "otgan.distances.kullback_leibler:METRIC",
    "tv": "otgan.distances.total_variation:METRIC",
    "sinkhorn": "otgan.distances.entropic:METRIC",
    "sinkhorn_divergence": "otgan.distances.debiased:METRIC",
    "energy": "otgan.distances.energy_distance:METRIC",
    "mmd": "otgan.distances.kernel_discrepancy:METRIC",
    "sliced": "otgan.distances.sliced_transport:METRIC",
    "bures": "otgan.distances.gaussian_transport:METRIC",
}
"""Where each metric is, "module:attribute", by the name of its function."""

DEFAULT = ("emd", "sinkhorn_divergence", "energy")
"""What is measured where nothing is asked for, beside divergences by an estimator that suits the samples."""


def metric_of(name: str) -> Metric:
    """Return the metric of that name.

    Raises
    ------
    ValueError
        If there is none.
    TypeError
        If its line in :data:`METRICS` leads to something else.
    """
    if name not in METRICS:
        raise WrongValueError(f"unknown metric {known(name)}")
    from otgan.distances.metric import Metric

    home, _, attribute = METRICS[name].partition(":")
    found = getattr(importlib.import_module(home), attribute, None)
    if not isinstance(found, Metric) or found.name != name:
        what = f"the metric {found.name!r}" if isinstance(found, Metric) else type(found).__name__
        raise WrongKindError(
            f"METRICS[{name!r}] must be the place of a Metric whose function is called {name}, got {what} at "
            f"{METRICS[name]!r}: name its module and its attribute"
        )
    return found


def known(name: str) -> str:
    """Return a name that is none, with the one that was perhaps meant and those that there are, for a message."""
    close = difflib.get_close_matches(name[:40], METRICS, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{name[:40]!r}{hint}: known are {', '.join(METRICS)}"


def __getattr__(name: str) -> Any:
    if name in METRICS:
        return metric_of(name).function
    raise AttributeError(f"module 'otgan.distances' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *METRICS])
