"""Many new batches against one reference: what does not change is found once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.distances.distance import Null
from otgan.distances.splits import Pool
from otgan.distances.words import number
from otgan.inference.border import asked_for, generator_of
from otgan.inference.relabelling import random_sides
from otgan.inference.two_sample import null_of
from otgan.measure import Measure
from otgan.mistakes import WrongValueError
from otgan.options import probability, whole_number
from otgan.pair import Pair, pair
from otgan.quiet import quiet
from otgan.spelling import answer_misspelt

__all__ = ["Reading", "Reference"]


_FEW = 10
"""How many times the samples of a batch a reference must have for draws from it to be like the batch."""


@dataclass(frozen=True, eq=False, repr=False)
class Reading:
    """How far a batch is from a reference. Made by :meth:`otgan.Reference.measure`.

    Attributes
    ----------
    value : float
        The distance, by the terms of the reference.
    p_value : float
        (1 + how many draws of as many samples from the reference were at least as far) / (1 + draws).
    quantile_95 : float
        What 95 % of those draws are at most: an alarm at level 5 %.
    size : int
        How many samples with mass the batch has.
    distance : str
    """

    value: float
    p_value: float
    quantile_95: float
    size: int
    distance: str

    def drifted(self, level: float = 0.05) -> bool:
        """Whether the batch is no draw of the reference's population, by a test at a level.

        Parameters
        ----------
        level : float
            The probability, about, of an alarm without a drift, of every single batch.
        """
        return self.p_value <= probability(level, "level")

    def __repr__(self) -> str:
        return (
            f"Reading({self.distance}={number(self.value)}, p_value={self.p_value:.3g}, "
            f"95 % below {number(self.quantile_95, 4)}, size={self.size})"
        )


class Reference:
    """A set of samples against which many new batches are measured: whether a stream of them drifts away.

    What is of the reference alone is found once: its own term of a divergence, the ε or the bandwidth that suit it, and for
    every size of a batch how far draws of as many of its own samples are from the rest. A batch of more than a tenth of the
    reference's samples, or one with weights, is tested by splits of its own, as by :func:`otgan.two_sample_test`.

    Parameters
    ----------
    x : array-like
        Samples of shape (n, d), or (n,) on the line.
    a : array-like, optional
        Their weights.
    distance : str, default "energy"
        A function of :mod:`otgan` between two sets, as for :func:`otgan.compare`.
    draws : int, default 199
        How many draws from the reference a batch is held against.
    cost, p, epsilon, blur, tol, max_iter, time_limit
        As for :func:`otgan.compare`.
    options : mapping, optional
        Options of the distance's own.
    seed : int or numpy.random.Generator, default 0
        What the draws follow from.

    Raises
    ------
    TypeError, ValueError
        If the samples, the distance or an option are not what is expected.

    See Also
    --------
    otgan.compare : Several distances at once, in a report.
    otgan.two_sample_test : Whether a difference can be chance.

    Examples
    --------
    >>> import numpy as np, otgan
    >>> rng = np.random.default_rng(0)
    >>> reference = otgan.Reference(rng.normal(size=(500, 2)))
    >>> [reference.measure(rng.normal(size=(50, 2)) + shift).drifted() for shift in (0.0, 1.0)]
    [False, True]
    """

    @quiet
    @answer_misspelt
    def __init__(
        self,
        x: Any,
        a: Any = None,
        *,
        distance: str = "energy",
        draws: int = 199,
        cost: Any = "euclidean",
        p: float | None = None,
        epsilon: float | None = None,
        blur: float | None = None,
        tol: float | None = None,
        max_iter: int | None = None,
        time_limit: float | None = None,
        options: Mapping[str, Any] | None = None,
        seed: int | np.random.Generator = 0,
    ) -> None:
        request, spec = asked_for(
            distance,
            options,
            cost=cost,
            p=p,
            epsilon=epsilon,
            blur=blur,
            tol=tol,
            max_iter=max_iter,
            time_limit=time_limit,
        )
        self._draws = whole_number(draws, "draws", "a whole number >= 1")
        self._entropy = int(generator_of(seed).integers(2**63))
        held = Measure.of(x, a)
        if held.batched:
            raise WrongValueError(f"x must be one set of samples, got a batch of {held.count}")
        self._given = held
        self.x = held.for_numbers()
        spec.check_weights(self.x.weighted)
        spec = spec.fit(Pair(held, held))
        self.distance, self._metric = request.key, request.metric
        self._terms = self._metric.fixed(self.x, spec.terms(request))
        self._value = self._metric.against(self.x, replace(self._terms, on_failure="warn"))
        self._nulls: dict[int, NDArray[np.float64]] = {}

    def measure(self, y: Any, b: Any = None) -> Reading:
        """Return how far a batch is from the reference, beside draws of as many samples from the reference itself.

        Parameters
        ----------
        y : array-like
            Samples of shape (m, d).
        b : array-like, optional
            Their weights.

        Returns
        -------
        Reading

        Raises
        ------
        TypeError, ValueError
            If the samples are not what is expected.
        """
        batch = pair(self._given, y, None, b).y
        if batch.batched:
            raise WrongValueError(f"y must be one set of samples, got a batch of {batch.count}")
        batch = batch.for_numbers()
        size = Pool.of(Pair(self.x, batch)).sizes[1]
        value = self._value(batch)
        null = self._null_beside(batch, size, value)
        return Reading(value, null.p_value, null.quantile_95, size, self.distance)

    def _null_beside(self, batch: Measure, size: int, value: float) -> Null:
        """Return what a value is held against: draws found once, where those are like the batch; else splits of the pool."""
        alike = not self.x.weighted and not batch.weighted
        if alike and size * _FEW <= self.x.points.shape[1]:
            return Null.of(self.null(size), value)
        pool = Pool.of(Pair(self.x, batch))
        sides = random_sides(pool.sizes, self._draws, self._stream(size))
        return null_of(pool, sides, self._metric, self._terms, lambda _: None)

    def null(self, size: int) -> NDArray[np.float64]:
        """Return how far draws of so many samples from the reference are from the rest of it, shape (draws,).

        Parameters
        ----------
        size : int
            How many samples; drawn when it is first asked for.
        """
        size = whole_number(size, "size", "a whole number of samples >= 1")
        if size not in self._nulls:
            pool = Pool.of_one(self.x)
            least = self._metric.least_samples(self._terms)
            if len(pool) < size + least or size < least:
                raise WrongValueError(
                    f"size must be of a batch that can be drawn from the reference, {least} to {len(pool) - least} samples of its "
                    f"{len(pool)}, got {size}"
                )
            sides = random_sides((len(pool) - size, size), self._draws, self._stream(size))
            pool = replace(pool, sizes=(len(pool) - size, size))
            self._nulls[size] = self._metric.of_splits(pool, sides, self._terms, lambda _: None)
        return self._nulls[size]

    def _stream(self, size: int) -> np.random.Generator:
        """Return what draws for a size follow from, whatever was asked for before."""
        return np.random.default_rng([self._entropy, size])

    def __repr__(self) -> str:
        return f"Reference({self.distance}, n={self.x.points.shape[1]}, d={self.x.points.shape[2]}, draws={self._draws})"
