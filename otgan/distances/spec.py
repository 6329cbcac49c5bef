"""What a comparison is to measure, with all that can be checked before there are samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from otgan.costs import Cost, resolve
from otgan.distances import DEFAULT, METRICS, known, metric_of
from otgan.distances.request import Request, parse
from otgan.distances.terms import Terms
from otgan.divergences import OPTIONS
from otgan.divergences.bins import check_binning
from otgan.divergences.neighbors import check_k
from otgan.mistakes import WrongValueError
from otgan.namespace import DOUBLE
from otgan.options import (
    WrongKindError,
    check_max_iter,
    check_time_limit,
    check_tol,
    resolve_epsilon,
    shown,
    whole_number,
)
from otgan.pair import Pair

__all__ = ["MeasurementSpec", "check_request", "divergences"]


@dataclass(frozen=True)
class MeasurementSpec:
    """The distances to measure and the options they share. Made by :meth:`of`, which checks them.

    Attributes
    ----------
    requests : tuple of Request
        The distances, in order.
    cost : Cost
        What moving a unit of mass costs.
    epsilon, blur, tol, max_iter, time_limit
        Of what is solved.
    estimated : dict
        The options of the estimators of divergences that were given.
    own : dict of dict
        The options of single metrics that were given, by the metric.
    permutations : int
    by_data : bool
        Whether divergences are to be added by an estimator that suits the samples.
    """

    requests: tuple[Request, ...]
    cost: Cost
    epsilon: float | None
    blur: float | None
    tol: float | None
    max_iter: int | None
    time_limit: float | None
    estimated: dict[str, Any]
    own: dict[str, dict[str, Any]]
    permutations: int
    by_data: bool = False

    @classmethod
    def of(
        cls,
        metrics: str | Iterable[str] | None = None,
        *,
        cost: Any = "euclidean",
        p: float | None = None,
        epsilon: float | None = None,
        blur: float | None = None,
        tol: float | None = None,
        max_iter: int | None = None,
        time_limit: float | None = None,
        estimator: str | None = None,
        bins: Any = None,
        bin_width: Any = None,
        outside: str | None = None,
        k: int | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        permutations: int = 0,
    ) -> MeasurementSpec:
        """Check everything that can be checked without samples.

        Raises
        ------
        TypeError, ValueError
            If a metric or an estimator is unknown, a number is out of its range, or an option goes with nothing
            that is measured.
        """
        by_data = metrics is None and estimator is None
        if metrics is None:
            metrics = DEFAULT if estimator is None else (*DEFAULT, *divergences(estimator))
        requests = parse(metrics, "atoms" if estimator is None else estimator)
        rule = resolve(cost, p, 1)
        if not rule.embedded:
            raise WrongValueError(
                f"cost={rule.name!r} leaves no samples to report on: use otgan.transport, or a function of two blocks of "
                "points"
            )
        strength = resolve_epsilon(epsilon, blur, rule.p)
        if strength is not None and strength.ndim > 0:
            name = "epsilon" if epsilon is not None else "blur"
            raise WrongValueError(
                f"{name} must be one number, as a report is of one problem, got {len(strength)}"
            )
        check_tol(tol, DOUBLE)
        check_max_iter(max_iter)
        check_time_limit(time_limit)
        permutations = whole_number(permutations, "permutations", "a whole number, 0 for no test", least=0)
        given = {"bins": bins, "bin_width": bin_width, "outside": outside, "k": k}
        estimated = {name: value for name, value in given.items() if value is not None}
        _check_estimators(requests, {} if by_data and estimated.keys() <= {"k"} else estimated)
        check_k(k)
        own = _own_options(requests, options)
        return cls(
            requests, rule, epsilon, blur, tol, max_iter, time_limit, estimated, own, permutations, by_data
        )

    def chosen(self, estimator: str | None) -> MeasurementSpec:
        """Return the same with the divergences of an estimator that suits the samples; None for none of them."""
        more = divergences(estimator) if estimator is not None else ()
        return replace(self, requests=(*self.requests, *parse(more, "atoms"))) if more else self

    def fit(self, both: Pair) -> MeasurementSpec:
        """Return the same with the cost as it is between these measures."""
        return replace(self, cost=self.cost.fit(both))

    def check_weights(self, weighted: bool) -> None:
        """Raise a ValueError where samples have weights and something is to be measured that takes none."""
        for request in self.requests:
            if weighted and not request.metric.takes_weights(request.estimator):
                what = (
                    f"the estimator {request.estimator!r}"
                    if request.estimator
                    else f"the metric {request.metric.name}"
                )
                others = [name for name in request.metric.estimators if request.metric.takes_weights(name)]
                use = f"use {' or '.join(map(repr, others))}, or draw" if others else "draw"
                raise WrongValueError(
                    f"{what} takes samples without weights: {use} samples by their weights first"
                )

    def terms(self, request: Request) -> Terms:
        """Return what one of the distances is measured with."""
        if request.estimator is None:
            options = request.metric.chosen(self.own.get(request.metric.name, {}))
        else:
            names = OPTIONS.get(request.estimator, ())
            options = {name: self.estimated[name] for name in names if name in self.estimated}
        return Terms(
            key=request.key,
            cost=self.cost,
            epsilon=self.epsilon,
            blur=self.blur,
            tol=self.tol,
            max_iter=self.max_iter,
            time_limit=self.time_limit,
            estimator=request.estimator,
            options=options,
        )


def divergences(estimator: str) -> tuple[str, ...]:
    """Return the divergences that have an estimator, as they are asked for: plain ones by their names alone."""
    having = [name for name in METRICS if estimator in metric_of(name).estimators]
    return tuple(
        name if estimator == metric_of(name).estimators[0] else f"{name}:{estimator}" for name in having
    )


def _own_options(requests: tuple[Request, ...], options: Any) -> dict[str, dict[str, Any]]:
    """Check the options of single metrics."""
    if options is None:
        return {}
    expected = "options of single metrics by their names, as {metric: {option: value}}, or None"
    if not isinstance(options, Mapping):
        raise WrongKindError(f"options must be {expected}, got {shown(options)}")
    asked = {request.metric.name for request in requests}
    for name, own in options.items():
        if not isinstance(name, str) or not isinstance(own, Mapping):
            raise WrongKindError(
                f"options must be {expected}, got {shown(own if isinstance(name, str) else name)}"
            )
        if name not in METRICS:
            raise WrongValueError(f"options are of metrics, got those of {known(name)}")
        metric_of(name).chosen(own)
        if name not in asked:
            raise WrongValueError(
                f"options of {name} were given, which is not measured: metrics are {', '.join(sorted(asked))}"
            )
    return {name: dict(own) for name, own in options.items()}


def check_request(request: Request) -> None:
    """Raise a ValueError where a distance is asked for by an estimator that it does not have."""
    known_ones = request.metric.estimators
    if request.estimator is not None and request.estimator not in known_ones:
        names = ", ".join(map(repr, known_ones))
        raise WrongValueError(
            f"{request.metric.name} has no estimator {request.estimator[:40]!r}: it has {names}; leave it out of "
            f"metrics, or give it its own, '{request.metric.name}:{known_ones[0]}'"
        )


def _check_estimators(requests: tuple[Request, ...], options: dict[str, Any]) -> None:
    for request in requests:
        check_request(request)
    used = {request.estimator for request in requests} - {None}
    for name in options:
        owner = next(estimator for estimator, names in OPTIONS.items() if name in names)
        if owner not in used:
            example = next(each for each in METRICS if owner in metric_of(each).estimators)
            raise WrongValueError(
                f"{name} is an option of the estimator {owner!r}, which no metric here uses: "
                f"ask for estimator={owner!r}, or for '{example}:{owner}'"
            )
    if "histogram" in used and ("bins" in options) == ("bin_width" in options):
        raise WrongValueError(
            "the estimator 'histogram' needs bins (a number, edges, 'scott', 'fd' or 'sturges') or bin_width "
            f"(a length), got {'both' if 'bins' in options else 'neither'}"
        )
    if "histogram" in used:
        check_binning(options.get("bins"), options.get("bin_width"), options.get("outside"))
    check_k(options.get("k"))
