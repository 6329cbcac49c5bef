"""Which of several sets are draws of one population: a test of every pair, with a rule for their number."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.inference.all_pairs import framed
from otgan.inference.border import generator_of
from otgan.inference.collection import Collection
from otgan.inference.holm import holm
from otgan.inference.two_sample import two_sample_test
from otgan.inference.verdict import LEVEL
from otgan.mistakes import WrongValueError
from otgan.options import flag, probability
from otgan.progress import bar
from otgan.quiet import quiet
from otgan.spelling import answer_misspelt
from otgan.status import ConvergenceWarning

__all__ = ["PairwiseTests", "pairwise_tests"]

_PAIR = 2
"""Sets that a test takes."""


@dataclass(frozen=True, eq=False, repr=False)
class PairwiseTests:
    """Tests of all pairs of several sets. Made by :func:`otgan.pairwise_tests`. The diagonals are those of equal sets.

    Attributes
    ----------
    distances, p_values, adjusted, effects : ndarray, shape (k, k)
        The distance of each pair; the p-value of its test; the same adjusted for the number of pairs, by Holm's rule; and
        the effect size, as of :class:`otgan.TwoSampleTest`.
    names : tuple of str or None
        What the sets are called.
    permutations : int

    See Also
    --------
    otgan.pairwise_tests : A test of every pair.

    Examples
    --------
    >>> import numpy as np, otgan
    >>> x = np.arange(10.0)
    >>> tests = otgan.pairwise_tests({"a": x, "b": x + 0.5, "c": x + 100}, permutations=199)
    >>> tests.different().loc["a"].tolist()
    [False, False, True]
    """

    distances: NDArray[np.float64]
    p_values: NDArray[np.float64]
    adjusted: NDArray[np.float64]
    effects: NDArray[np.float64]
    names: tuple[str, ...] | None
    permutations: int

    def different(self, level: float = 0.05) -> Any:
        """Return which pairs are different at a level, the number of pairs taken into account, (k, k).

        Parameters
        ----------
        level : float
            The probability, at most, of calling any two draws of one population different.
        """
        level = probability(level, "level")
        return framed(self.adjusted <= level, self.names, self.names)

    def __repr__(self) -> str:
        k = len(self.distances)
        apart = int((self.adjusted <= LEVEL).sum()) // 2
        return f"PairwiseTests({k} sets, {apart} of {k * (k - 1) // 2} pairs different at level {100 * LEVEL:g} %)"


@quiet
@answer_misspelt
def pairwise_tests(
    sets: Any,
    *,
    distance: str = "sinkhorn_divergence",
    permutations: int = 999,
    cost: Any = "euclidean",
    p: float | None = None,
    options: Mapping[str, Any] | None = None,
    weights: Any = None,
    seed: int | np.random.Generator = 0,
    progress: bool = False,
) -> PairwiseTests:
    """Test every pair of several sets of samples for being draws of one population.

    Parameters
    ----------
    sets : list of array-like, or mapping of names to array-like
        k sets, of shapes (nᵢ, d), which may differ in nᵢ.
    distance, permutations, cost, p, options
        As for :func:`otgan.two_sample_test`. Adjusted p-values are at least k (k − 1) / 2 times the least one,
        1 / (1 + permutations).
    weights : list of array-like, or mapping, optional
        Weights of the samples of each set, None for a set without.
    seed : int or numpy.random.Generator, default 0
        What the splits follow from.
    progress : bool, default False
        Whether to draw a progress bar on stderr.

    Returns
    -------
    PairwiseTests

    Raises
    ------
    TypeError, ValueError
        If sets, the distance or an option are not what is expected, or there is one set alone.

    See Also
    --------
    otgan.PairwiseTests : What the tests find.
    otgan.pairwise : The distances between all pairs of several sets.
    otgan.two_sample_test : Whether a difference can be chance.

    Examples
    --------
    >>> import numpy as np, otgan
    >>> rng = np.random.default_rng(0)
    >>> sets = {"a": rng.normal(size=50), "b": rng.normal(size=50), "c": rng.normal(size=50) + 1}
    >>> otgan.pairwise_tests(sets, distance="energy", permutations=199)
    PairwiseTests(3 sets, 2 of 3 pairs different at level 5 %)
    """
    progress = flag(progress, "progress")
    held = Collection.of(sets, weights, "sets")
    if len(held) < _PAIR:
        raise WrongValueError("sets must be at least two, got one: there is no pair to test")
    held = held.matched(held)
    rng = generator_of(seed)
    k = len(held)
    distances, effects = np.zeros((k, k)), np.zeros((k, k))
    p_values, adjusted = np.ones((k, k)), np.ones((k, k))
    (i, j), failed = np.triu_indices(k, 1), 0
    with bar(len(i), progress) as told:
        told.begin(f"{len(i)} tests by {distance}")
        for u, v, stream in zip(i, j, rng.spawn(len(i)), strict=True):
            test = two_sample_test(
                held.measures[u],
                held.measures[v],
                distance=distance,
                permutations=permutations,
                cost=cost,
                p=p,
                options=options,
                seed=stream,
            )
            distances[u, v] = distances[v, u] = test.value
            effects[u, v] = effects[v, u] = test.effect
            p_values[u, v] = p_values[v, u] = test.p_value
            failed += not test.distance.converged
            told.tick()
    if failed:
        warnings.warn(
            f"{failed} of {len(i)} distances did not converge; their tests hold all the same, as of any numbers",
            ConvergenceWarning,
            stacklevel=4,
        )
    adjusted[i, j] = adjusted[j, i] = holm(p_values[i, j])
    return PairwiseTests(distances, p_values, adjusted, effects, held.names, permutations)
