"""What a metric is: a function of two measures, and everything that is known about it.

One file because it is one interface: all that reports, figures and the command may ask.

Reports, figures and the command ask the metric; none of them knows one by its name. A metric is one file with the public
function and a :class:`Metric` of it, and one line in :data:`otgan.distances.METRICS`. Of a number that comes from the
samples in one go it needs no more than the attributes and :meth:`Metric.evaluate`; a solver's also says what certifies
its result, in :meth:`Metric.measured`.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from otgan.distances.distance import Distance
from otgan.distances.findings import Caveat
from otgan.distances.option import Option
from otgan.distances.sampling import standard_error
from otgan.distances.splits import Pool, Sides
from otgan.distances.terms import Terms
from otgan.measure import Measure
from otgan.mistakes import WrongValueError
from otgan.namespace import Array, as_numpy, double
from otgan.options import WrongKindError, shown
from otgan.pair import Pair

if TYPE_CHECKING:
    from otgan.distributed.parts import Parts

__all__ = ["Length", "Metric", "arrays_of"]


_LENGTH = "units of the samples"
"""What Euclidean distances are measured in; another distance has units of its own."""


class Metric(ABC):
    """A distance between two measures, with everything that is known about it.

    Larger is farther apart, for every metric: a p-value counts the splits that are at least as far.

    Parameters
    ----------
    function : callable
        The public function, whose name is that of the metric.

    Attributes
    ----------
    symbol : str
        As formulas write it.
    uses_p : bool
        Whether it depends on the power p of the distance between points.
    uses_cost : bool
        Whether it depends on which distance between points that is.
    symmetric : bool
        Whether x and y may be exchanged.
    higher_is_better : bool
        Whether sets that agree better have a larger value.
    vanishes : bool
        Whether it is 0 between equal sets, up to rounding.
    floor, ceiling : float
        Between which it is; estimates may leave that range.
    by_lengths : bool
        Whether it sees the samples by the distances between them, so that one coordinate may decide it.
    suffers_dimension : bool
        Whether its noise hardly falls with the number of samples where they are few for their dimension.
    intervals : tuple of str
        The methods that give valid intervals of it, as of :func:`otgan.confidence_interval`.
    estimators : tuple of str
        Those that it has, the plain one first; none where nothing has to be estimated.
    options : tuple of Option
        Those of its own.
    caveats : tuple of Caveat
        Where its numbers mislead.
    """

    symbol: str
    uses_p: bool = False
    uses_cost: bool = False
    symmetric: bool = True
    higher_is_better: bool = False
    vanishes: bool = True
    floor: float = 0.0
    ceiling: float = math.inf
    by_lengths: bool = True
    suffers_dimension: bool = False
    intervals: tuple[str, ...] = ()
    estimators: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    caveats: tuple[Caveat, ...] = ()

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name: str = function.__name__

    def __repr__(self) -> str:
        return f"<metric {self.name}>"

    # ---- what it is called, and in what it is measured ----

    @abstractmethod
    def title(self, p: float | None) -> str:
        """What it is called in words, for a power p of the distance between points."""

    def label(self, p: float | None) -> str:
        """What it is called in a table."""
        return self.title(p)

    @abstractmethod
    def unit(self, p: float | None) -> str:
        """In what it is measured, in words; empty where it has no unit."""

    @abstractmethod
    def power(self, p: float | None) -> float:
        """Of which power of a length it is: sets twice as large have 2^power times the value. 0 for no length."""

    # ---- how it is measured ----

    def evaluate(self, both: Pair, terms: Terms) -> Array:
        """Return the value alone, shape (B,), of tensors with gradients."""
        raise NotImplementedError(f"{self!r} has neither evaluate, nor measured and values")

    def values(self, both: Pair, terms: Terms) -> NDArray[np.float64]:
        """Return the values alone, of every problem of a batch, shape (B,)."""
        held = Pair(both.x.detached(), both.y.detached())
        return as_numpy(double(self.evaluate(held, terms)))

    def statistic(self, terms: Terms) -> Callable[[Pair], float]:
        """Return the value alone as a function of two measures, for when it is needed several times."""
        return lambda both: float(self.values(both, terms)[0])

    def against(self, x: Measure, terms: Terms) -> Callable[[Measure], float]:
        """Return the value between x and another measure as a function of that, what is of x alone found beforehand."""
        return lambda y: self.statistic(terms)(Pair(x, y))

    def fixed(self, x: Measure, terms: Terms) -> Terms:
        """Return the terms with what is else chosen for every pair of measures chosen for x, so that values compare."""
        del x
        return terms

    def of_splits(
        self, pool: Pool, sides: Sides, terms: Terms, tick: Callable[[int], object]
    ) -> NDArray[np.float64]:
        """Return the values between the two sets of every split, shape (K,).

        Parameters
        ----------
        pool : Pool
        sides : ndarray of bool, shape (K, n + m)
        terms : Terms
        tick : callable
            Told of how many more splits are done.
        """
        found = np.empty(len(sides))
        # What time there is for a solve must not be shared by those of a batch.
        for where, part in pool.batches(sides, single=terms.time_limit is not None):
            found[where] = self.values(pool.split(part), terms)
            tick(len(part))
        return found

    def measured(self, both: Pair, terms: Terms) -> Distance:
        """Measure the distance between two measures, with what certifies it."""
        import torch

        start = time.perf_counter()
        held = both.as_tensors()
        sides = [replace(side, weights=side.weights.detach().requires_grad_()) for side in (held.x, held.y)]
        with torch.enable_grad():
            value = self.evaluate(Pair(*sides), terms)
        seconds = time.perf_counter() - start
        found = float(value.detach())
        return self.distance(
            terms,
            found,
            self.how(terms),
            seconds,
            options=dict(terms.options) if self.options else None,
            standard_error=self._standard_error(value, *sides) if found != 0 else None,
        )

    def shared(self, parts: Parts, terms: Terms) -> Distance:
        """Measure the distance between two sets whose rows the ranks of a group have; for those that can be."""
        raise NotImplementedError(f"{self!r} is not shared over ranks")

    @property
    def cuts(self) -> bool:
        """Whether splits are measured batch by batch, and not all at once."""
        return type(self).of_splits is Metric.of_splits

    @property
    def shares(self) -> bool:
        """Whether it can be measured between sets whose rows the ranks of a group have."""
        return type(self).shared is not Metric.shared

    def how(self, terms: Terms) -> str:
        """Return what a report calls the way in which it was found."""
        return "direct" if terms.estimator is None else terms.estimator

    def certificate(self, distance: Distance) -> str:
        """Return what certifies a number, for a table."""
        del distance
        return "none: it is computed as it is defined"

    def comparable(self, distance: Distance) -> bool:
        """Whether values of other samples can be held against this one: not where a bound stands in its place."""
        del distance
        return True

    def takes_weights(self, estimator: str | None) -> bool:
        """Whether samples may have weights."""
        del estimator
        return True

    def unbiased(
        self, both: Pair, terms: Terms, value: float, rng: np.random.Generator
    ) -> tuple[float, float]:
        """Return a value less what few samples add to it on average, and how much of that may be left."""
        del both, terms, rng
        return value, 0.0

    def least_samples(self, terms: Terms) -> int:
        """How many samples with mass either set must have."""
        del terms
        return 1

    def distance(
        self,
        terms: Terms,
        value: float,
        estimator: str,
        seconds: float,
        **known: Any,
    ) -> Distance:
        """Return a value as one of this metric."""
        p = terms.p if self.uses_p else None
        cost = terms.cost if self.uses_cost else None
        unit = self.unit(p) if cost is None else self.unit(p).replace(_LENGTH, cost.unit_of_distance)
        name = None if cost is None else cost.name
        return Distance(
            terms.key, self.name, self.title(p), value, unit, estimator, seconds, p=p, cost=name, **known
        )

    def _standard_error(self, value: Any, x: Measure, y: Measure) -> float | None:
        """Standard error by the slopes in the weights; None where there are none, or it is no number."""
        if not value.requires_grad:
            return None
        import torch

        f, g = torch.autograd.grad(value.sum(), (x.weights, y.weights), allow_unused=True)
        if f is None or g is None:
            return None
        error = standard_error(*arrays_of(f, g, x.weights, y.weights))
        return error if math.isfinite(error) else None

    # ---- its options ----

    def chosen(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options of its own, checked, those that are not given at their defaults.

        Raises
        ------
        TypeError, ValueError
            If it has no such option, or a value is none.
        """
        return {
            name: option.check(given[name], f"options[{self.name!r}][{name!r}]")
            if name in given
            else option.default
            for name, option in self._known(given).items()
        }

    def read(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Return the options that texts stand for, as the command is given them.

        Raises
        ------
        TypeError, ValueError
            If it has no such option, or a text stands for no value of it.
        """
        known = self._known(given)
        return {name: known[name].read(text, f"option {self.name}.{name}") for name, text in given.items()}

    def _known(self, given: Mapping[str, Any]) -> dict[str, Option]:
        known = {option.name: option for option in self.options}
        for name in given:
            if not isinstance(name, str):
                raise WrongKindError(
                    f"options[{self.name!r}] must have names of options as keys, got {shown(name)}"
                )
            if name not in known:
                those = f"it has {', '.join(known)}" if known else "it has none of its own"
                raise WrongValueError(f"{self.name} has no option {name[:40]!r} for options: {those}")
        return known


class Length(Metric):
    """A metric that is a length: sets twice as large are twice as far apart."""

    def unit(self, p: float | None) -> str:
        """Those of the samples, or of the distance between two of them."""
        del p
        return _LENGTH

    def power(self, p: float | None) -> float:
        """The first."""
        del p
        return 1.0


def arrays_of(*arrays: Array) -> list[Any]:
    """Return what belongs to the first problem as NumPy arrays of float64."""
    return [double(as_numpy(array)[0]) for array in arrays]
