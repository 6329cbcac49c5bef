"""Names of metrics as they are asked for. Imports nothing heavy: the command reads them first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otgan.distances import METRICS, known, metric_of
from otgan.mistakes import WrongValueError

if TYPE_CHECKING:
    from otgan.distances.metric import Metric

__all__ = ["Request", "keys_of", "parse"]


@dataclass(frozen=True)
class Request:
    """One distance to measure.

    Attributes
    ----------
    key : str
        As it was asked for: ``"js"`` or ``"js:histogram"``. The key of its entry in a report.
    metric : Metric
    estimator : str or None
        The estimator of a divergence; None where the metric has none.
    """

    key: str
    metric: Metric
    estimator: str | None


def keys_of(metrics: str | Iterable[str]) -> tuple[str, ...]:
    """Read names of metrics, given one by one or separated by commas, each perhaps with an estimator.

    Loads no metric: whether one has that estimator is not looked at.

    Raises
    ------
    TypeError
        If they are no names.
    ValueError
        If there is no such metric, or none at all.
    """
    names = metrics.split(",") if isinstance(metrics, str) else _listed(metrics)
    keys = tuple(dict.fromkeys(name.strip() for name in names))
    if not keys or not all(keys):
        raise WrongValueError(
            f"metrics must name at least one distance, got {', '.join(names)[:40]!r}: known are {', '.join(METRICS)}"
        )
    for key in keys:
        name = key.partition(":")[0]
        if name not in METRICS:
            raise WrongValueError(f"unknown metric {known(name)}")
    return keys


def parse(metrics: str | Iterable[str], estimator: str = "atoms") -> tuple[Request, ...]:
    """Read names of metrics, given one by one or separated by commas.

    A divergence may name its estimator, ``"js:histogram"``; otherwise it has that of the second argument.

    Raises
    ------
    TypeError
        If the metrics or the estimator are no names.
    ValueError
        If there is no such metric, none at all, or one that needs no estimator is given one.

    Examples
    --------
    >>> [request.estimator for request in parse("emd,js,js:knn")]
    [None, 'atoms', 'knn']
    """
    keys = keys_of(metrics)
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
    metric = metric_of(name)
    if metric.estimators:
        return Request(key, metric, own if colon else estimator)
    if colon:
        estimated = ", ".join(each for each in METRICS if metric_of(each).estimators)
        raise WrongValueError(
            f"the metric {name} needs no estimator, got {key[:60]!r} in metrics: those belong to {estimated}"
        )
    return Request(key, metric, None)
