"""The distances that reports and the command know by name. Imports nothing heavy: the command reads it first."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["DEFAULT", "METRICS", "Metric", "Request", "parse"]


@dataclass(frozen=True)
class Metric:
    """A distance with a name.

    Attributes
    ----------
    name : str
        The function of :mod:`otgan` that computes it.
    kind : {"transport", "divergence"}
        Transport compares where samples are; a divergence compares how much mass is in the same places, as
        found by an estimator.
    """

    name: str
    kind: str


METRICS = {
    metric.name: metric
    for metric in (
        Metric("emd", "transport"),
        Metric("js", "divergence"),
        Metric("kl", "divergence"),
        Metric("tv", "divergence"),
        Metric("sinkhorn", "transport"),
        Metric("sinkhorn_divergence", "transport"),
    )
}

DEFAULT = ("emd", "js", "kl", "tv", "sinkhorn")
"""What is measured where nothing is asked for."""


@dataclass(frozen=True)
class Request:
    """One distance to measure.

    Attributes
    ----------
    key : str
        As it was asked for: ``"js"`` or ``"js:histogram"``. The key of its entry in a report.
    metric : Metric
    estimator : str or None
        The estimator of a divergence; None for transport.
    """

    key: str
    metric: Metric
    estimator: str | None


def parse(metrics: str | Iterable[str], estimator: str = "atoms") -> tuple[Request, ...]:
    """Read names of distances, given one by one or separated by commas.

    A divergence may name its estimator, ``"js:histogram"``; otherwise it has that of the second argument.

    Raises
    ------
    ValueError
        If there is no such metric, none at all, or transport is given an estimator.

    Examples
    --------
    >>> [request.estimator for request in parse("emd,js,js:knn")]
    [None, 'atoms', 'knn']
    """
    names = metrics.split(",") if isinstance(metrics, str) else list(metrics)
    keys = dict.fromkeys(str(name).strip() for name in names)
    if not keys or not all(keys):
        raise ValueError(f"metrics must name at least one distance, got {metrics!r}: {_known()}")
    return tuple(_request(key, estimator) for key in keys)


def _request(key: str, estimator: str) -> Request:
    name, colon, own = key.partition(":")
    if name not in METRICS:
        close = difflib.get_close_matches(name, METRICS, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(f"unknown metric {name!r}{hint}: {_known()}")
    metric = METRICS[name]
    if metric.kind == "transport":
        if colon:
            raise ValueError(f"{name} needs no estimator, got {key!r}: those belong to js, kl and tv")
        return Request(key, metric, None)
    return Request(key, metric, own if colon else estimator)


def _known() -> str:
    return f"known are {', '.join(METRICS)}"
