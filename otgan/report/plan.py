"""What a comparison is to measure, with all that can be checked before there are samples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from otgan.costs import Euclidean
from otgan.divergences import ESTIMATORS, OPTIONS
from otgan.divergences.bins import check_binning
from otgan.divergences.neighbors import check_k
from otgan.entropic.problems import Settings
from otgan.measure import Pair
from otgan.metrics import DEFAULT, Request, parse
from otgan.mistakes import WrongValueError
from otgan.normal_form import NormalForm
from otgan.options import (
    check_max_iter,
    check_power,
    check_time_limit,
    check_tol,
    resolve_epsilon,
    whole_number,
)

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """The distances to measure and the options they share. Made by :meth:`of`, which checks them."""

    requests: tuple[Request, ...]
    p: float
    epsilon: float | None
    blur: float | None
    tol: float | None
    max_iter: int | None
    time_limit: float | None
    options: dict[str, Any]
    permutations: int

    @classmethod
    def of(
        cls,
        metrics: str | Iterable[str] = DEFAULT,
        *,
        p: float = 1,
        epsilon: float | None = None,
        blur: float | None = None,
        tol: float | None = None,
        max_iter: int | None = None,
        time_limit: float | None = None,
        estimator: str = "atoms",
        bins: Any = None,
        bin_width: Any = None,
        outside: str | None = None,
        k: int | None = None,
        permutations: int = 0,
    ) -> Plan:
        """Check everything that can be checked without samples.

        Raises
        ------
        TypeError, ValueError
            If a metric or an estimator is unknown, a number is out of its range, or an option goes with nothing
            that is measured.
        """
        requests = parse(metrics, estimator)
        p = check_power(p)
        strength = resolve_epsilon(epsilon, blur, p)
        if strength is not None and strength.ndim > 0:
            name = "epsilon" if epsilon is not None else "blur"
            raise WrongValueError(
                f"{name} must be one number, as a report is of one problem, got {len(strength)}"
            )
        check_tol(tol, torch.float64)
        check_max_iter(max_iter)
        check_time_limit(time_limit)
        permutations = whole_number(permutations, "permutations", "a whole number, 0 for no test", least=0)
        given = {"bins": bins, "bin_width": bin_width, "outside": outside, "k": k}
        options = {name: value for name, value in given.items() if value is not None}
        _check_estimators(requests, options)
        return cls(requests, p, epsilon, blur, tol, max_iter, time_limit, options, permutations)

    def check_weights(self, weighted: bool) -> None:
        """Raise a ValueError where samples have weights and something is to be measured that takes none."""
        if weighted and self.permutations:
            raise WrongValueError(
                "permutations split samples that are alike but for their places, and these have weights: "
                "draw samples by their weights first, or leave permutations at 0"
            )
        if weighted and any(request.estimator == "knn" for request in self.requests):
            raise WrongValueError(
                "the estimator 'knn' takes samples without weights: use 'atoms' or 'histogram', or draw samples "
                "by their weights first"
            )

    def settings(self, both: Pair) -> Settings:
        """Return what the entropic problems between two measures are solved with."""
        options = self.entropic_options()
        return Settings.of(
            NormalForm.of(both, Euclidean(options.pop("p"))), reach=None, backend="auto", **options
        )

    def entropic_options(self) -> dict[str, Any]:
        """What the entropic functions are called with."""
        return {
            "p": self.p,
            "epsilon": self.epsilon,
            "blur": self.blur,
            "tol": self.tol,
            "max_iter": self.max_iter,
            "time_limit": self.time_limit,
        }

    def divergence_options(self, estimator: str) -> dict[str, Any]:
        """What a divergence is called with, beside the estimator: those options that are its own."""
        return {name: self.options[name] for name in OPTIONS[estimator] if name in self.options}


def _check_estimators(requests: tuple[Request, ...], options: dict[str, Any]) -> None:
    used = set()
    for request in requests:
        if request.estimator is None:
            continue
        known = ESTIMATORS[request.metric.name]
        if request.estimator not in known:
            names = ", ".join(map(repr, known))
            raise WrongValueError(
                f"{request.metric.name} has no estimator {request.estimator[:40]!r}: it has {names}; leave it out of "
                f"metrics, or give it its own, '{request.metric.name}:{known[0]}'"
            )
        used.add(request.estimator)
    for name in options:
        owner = next(estimator for estimator, names in OPTIONS.items() if name in names)
        if owner not in used:
            raise WrongValueError(
                f"{name} is an option of the estimator {owner!r}, which no metric here uses: "
                f"ask for estimator={owner!r}, or for 'js:{owner}'"
            )
    if "histogram" in used and ("bins" in options) == ("bin_width" in options):
        raise WrongValueError(
            "the estimator 'histogram' needs bins (a number, edges, 'scott', 'fd' or 'sturges') or bin_width "
            f"(a length), got {'both' if 'bins' in options else 'neither'}"
        )
    if "histogram" in used:
        check_binning(options.get("bins"), options.get("bin_width"), options.get("outside"))
    check_k(options.get("k"))
