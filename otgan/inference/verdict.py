"""The verdict of a report: one permutation test at one level, named before the numbers are seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from otgan.distances.metric import Metric
from otgan.distances.splits import Pool
from otgan.distances.terms import Terms
from otgan.inference.relabelling import random_sides
from otgan.inference.two_sample import null_of
from otgan.pair import Pair

__all__ = ["LEVEL", "MOST", "Verdict", "verdict_of", "verdict_on"]

LEVEL = 0.05
"""The probability, at most, of calling one population two."""

_PERMUTATIONS = 199
"""Splits: of the ten least p-values that they can give, each is below the level."""

MOST = 5000
"""Samples of a set that are tested; some of more, drawn at random."""


@dataclass(frozen=True)
class Verdict:
    """Whether two sets are draws of one population, as a report puts it first.

    Attributes
    ----------
    different : bool
        Whether one population is ruled out at the level.
    p_value : float
    level : float
    metric, title : str
        The distance that the test is by, and what it is called.
    permutations : int
    sizes : tuple of int
        How many samples of each set were tested.
    all_tested : bool
        Whether these are all that have mass.
    weighted : bool
        Whether samples were permuted with their weights.
    one_sided : bool
        Whether only one of the sets has weights.
    resolvable : bool
        Whether there are so many splits that any difference could show at the level.
    """

    different: bool
    p_value: float
    level: float
    metric: str
    title: str
    permutations: int
    sizes: tuple[int, int]
    all_tested: bool
    weighted: bool
    one_sided: bool
    resolvable: bool

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers."""
        return {**self.__dict__, "sizes": list(self.sizes)}


def verdict_of(
    both: Pair, metric: Metric, terms: Terms, rng: np.random.Generator, tick: Callable[[int], object]
) -> Verdict:
    """Test whether two sets are draws of one population."""
    whole = Pool.of(both)
    pool = whole.thinned(MOST, rng)
    weighted = both.x.weighted, both.y.weighted
    return verdict_on(pool, metric, terms, rng, tick, all_tested=pool is whole, weighted=weighted)


def verdict_on(
    pool: Pool,
    metric: Metric,
    terms: Terms,
    rng: np.random.Generator,
    tick: Callable[[int], object],
    *,
    all_tested: bool,
    weighted: tuple[bool, bool],
) -> Verdict:
    """Test whether the two sets of a pool are draws of one population.

    Parameters
    ----------
    all_tested : bool
        Whether it has all samples that have mass.
    weighted : tuple of bool
        Whether x, and whether y has weights.
    """
    null = null_of(pool, random_sides(pool.sizes, _PERMUTATIONS, rng), metric, terms, tick)
    return Verdict(
        different=null.p_value <= LEVEL,
        p_value=null.p_value,
        level=LEVEL,
        metric=metric.name,
        title=metric.title(terms.p if metric.uses_p else None),
        permutations=_PERMUTATIONS,
        sizes=pool.sizes,
        all_tested=all_tested,
        weighted=pool.weights is not None,
        one_sided=weighted[0] != weighted[1],
        resolvable=_resolvable(*pool.sizes),
    )


def _resolvable(n: int, m: int) -> bool:
    """Whether one split is as rare as the level; of equal sizes each has a mirror image at the same distance."""
    likely = 2 if n == m else 1
    return n + m >= likely / LEVEL or math.comb(n + m, n) * LEVEL >= likely
