"""What the divergences have in common: estimators make densities of samples, and decide the number."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.distances.distance import Distance, Support
from otgan.distances.findings import Caveat, Findings, Stage
from otgan.distances.metric import Metric
from otgan.distances.terms import Terms
from otgan.distances.words import listed
from otgan.divergences import UNWEIGHTED, Cells, estimate
from otgan.divergences.neighbors import check_k
from otgan.form import Form
from otgan.mistakes import WrongValueError
from otgan.namespace import Array, as_numpy
from otgan.options import WrongKindError, number, shown
from otgan.pair import Pair

__all__ = ["Divergence"]


def _ceilings(found: Findings, mine: Sequence[Distance]) -> Iterator[str]:
    del found
    for estimator, reason in (
        ("atoms", "the supports are disjoint"),
        ("histogram", "no bin holds samples of both sets"),
    ):
        disjoint = [each for each in _counted(mine, estimator) if each.support and each.support.shared == 0]
        if disjoint:
            are, their, say = (
                ("is", "its ceiling", "says") if len(disjoint) == 1 else ("are", "their ceilings", "say")
            )
            yield (
                f"{reason}: {_titles(disjoint)} {are} at {their} and {say} nothing about how far apart "
                "the sets are"
            )


def _bins(found: Findings, mine: Sequence[Distance]) -> Iterator[str]:
    held = _counted(mine, "histogram")
    support = next((each.support for each in held if each.support is not None), None)
    if support is None:
        return
    occupied = support.x + support.y - support.shared
    samples = sum(found.sizes)
    if occupied == 1:
        yield f"all samples fall into one bin: {_titles(held)} by it are 0 whatever the sets are"
    elif support.shared and 5 * occupied > samples:
        yield (
            f"{samples} samples fall into {occupied} bins: {_titles(held)} by them are mostly the noise of nearly "
            "empty bins"
        )


def _counted(distances: Sequence[Distance], estimator: str) -> list[Distance]:
    return [each for each in distances if each.estimator == estimator]


def _titles(distances: Sequence[Distance]) -> str:
    return listed(each.title for each in distances)


class Divergence(Metric):
    """A divergence between densities: a method, of the metric's name, of what an estimator makes of two measures."""

    by_lengths = False
    estimators: tuple[str, ...] = ("atoms", "histogram", "knn")
    caveats: tuple[Caveat, ...] = (Caveat(Stage.SATURATED, _ceilings), Caveat(Stage.SETTING, _bins))

    def title(self, p: float | None) -> str:
        """Return its symbol, which is its name."""
        del p
        return self.symbol

    def label(self, p: float | None) -> str:
        """Return its name with its unit."""
        return f"{self.title(p)} ({self.unit(p)})"

    def unit(self, p: float | None) -> str:
        """Nats."""
        del p
        return "nats"

    def power(self, p: float | None) -> float:
        """0: it is no length."""
        del p
        return 0.0

    def takes_weights(self, estimator: str | None) -> bool:
        """Whether the estimator does."""
        return estimator not in UNWEIGHTED

    def least_samples(self, terms: Terms) -> int:
        """How many either set must have: of nearest neighbors one more than k."""
        return 1 if terms.estimator != "knn" else 1 + check_k(terms.options.get("k"))

    def between(
        self, both: Pair, estimator: str, options: Mapping[str, Any], base: float | None = None
    ) -> Any:
        """Return the divergence in the form of the samples: the body of the public function.

        Raises
        ------
        TypeError, ValueError
            If it has no such estimator, an option belongs to another one, or the base is none.
        """
        unit = 1.0
        if base is not None:
            unit = math.log(number(base, "base", "a number above 1 (None: e, for nats; 2: bits)", above=1))
        return Form.of(both).scalar(self._value(self._estimated(both, estimator, options)) / unit)

    def values(self, both: Pair, terms: Terms) -> NDArray[np.float64]:
        """Return the values by the estimator."""
        assert terms.estimator is not None
        return as_numpy(self._value(self._estimated(both, terms.estimator, terms.options)))

    def measured(self, both: Pair, terms: Terms) -> Distance:
        """Measure the divergence, and count where the mass is."""
        assert terms.estimator is not None
        start = time.perf_counter()
        estimated = self._estimated(both, terms.estimator, terms.options)
        value = self._value(estimated).item()
        seconds = time.perf_counter() - start
        support = None
        if isinstance(estimated, Cells):
            support = Support(estimated.x_cells.item(), estimated.y_cells.item(), estimated.shared.item())
        return self.distance(terms, value, terms.estimator, seconds, support=support)

    def certificate(self, distance: Distance) -> str:
        """Return how many of the cells are shared."""
        if distance.support is None:
            return "none: an estimate"
        held = distance.support
        what = "points" if distance.estimator == "atoms" else "bins"
        return f"counted: {held.shared} of {held.x + held.y - held.shared} {what} shared"

    def _estimated(self, both: Pair, estimator: Any, options: Mapping[str, Any]) -> Any:
        names = ", ".join(map(repr, self.estimators))
        if not isinstance(estimator, str):
            raise WrongKindError(f"estimator must be one of {names}, got {shown(estimator)}")
        if estimator not in self.estimators:
            raise WrongValueError(f"{self.name} has no estimator {estimator[:40]!r}: it has {names}")
        return estimate(both, estimator, **options)

    def _value(self, estimated: Any) -> Array:
        value: Array = getattr(estimated, self.name)()
        return value
