"""The distances that reports and the command know by name. Imports nothing heavy: the command reads it first."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from otgan.mistakes import WrongValueError

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
    TypeError
        If the metrics or the estimator are no names.
    ValueError
        If there is no such metric, none at all, or transport is given an estimator.

    Examples
    --------
    >>> [request.estimator for request in parse("emd,js,js:knn")]
    [None, 'atoms', 'knn']
    """
    names = metrics.split(",") if isinstance(metrics, str) else _listed(metrics)
    keys = dict.fromkeys(name.strip() for name in names)
    if not keys or not all(keys):
        raise WrongValueError(
            f"metrics must name at least one distance, got {', '.join(names)[:40]!r}: {_known()}"
        )
    if not isinstance(estimator, str):
        raise _wrong_kind("estimator", "the name of an estimator of the divergences", estimator)
    return tuple(_request(key, estimator) for key in keys)


def _listed(metrics: Iterable[str]) -> list[str]:
    expected = "names of distances, in a list or separated by commas"
    if isinstance(metrics, (bytes, Mapping)) or not isinstance(metrics, Iterable):
        raise _wrong_kind("metrics", expected, metrics)
    try:
        names = list(metrics)
    except TypeError:  # such as an array without dimensions, which only looks like an iterable
        raise _wrong_kind("metrics", expected, metrics) from None
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise _wrong_kind("metrics", expected, wrong[0], "among them")
    return names


def _wrong_kind(name: str, expected: str, value: object, where: str = "") -> TypeError:
    from otgan.options import WrongKindError, shown  # needs torch, which whoever asks rightly may do without

    return WrongKindError(f"{name} must be {expected}, got {' '.join(filter(None, (shown(value), where)))}")


def _request(key: str, estimator: str) -> Request:
    name, colon, own = key.partition(":")
    if name not in METRICS:
        close = difflib.get_close_matches(name[:40], METRICS, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise WrongValueError(f"unknown metric {name[:40]!r}{hint}: {_known()}")
    metric = METRICS[name]
    if metric.kind == "transport":
        if colon:
            raise WrongValueError(
                f"the metric {name} needs no estimator, got {key[:60]!r}: those belong to js, kl and tv"
            )
        return Request(key, metric, None)
    return Request(key, metric, own if colon else estimator)


def _known() -> str:
    return f"known are {', '.join(METRICS)}"
