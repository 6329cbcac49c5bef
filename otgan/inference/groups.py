"""Which of several sets are draws of one population: a test of every pair, with a rule for their number."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.inference.all_pairs import framed
from otgan.inference.border import asked_for, generator_of
from otgan.inference.collection import Collection
from otgan.inference.holm import holm
from otgan.inference.store import Store
from otgan.inference.table import check_store, described
from otgan.inference.two_sample import two_sample_test
from otgan.inference.verdict import LEVEL
from otgan.inference.workers import filled
from otgan.measure import Measure
from otgan.mistakes import WrongValueError
from otgan.options import flag, probability, whole_number
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
    n_jobs: int | None = None,
    store: Any = None,
    progress: bool = False,
    group: Any = None,
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
    n_jobs : int, optional
        Processes of joblib, as for :func:`otgan.pairwise`: one that is killed costs the tests that were under way.
    store : path, optional
        A file in which finished tests are kept, by what the sets hold, how they are tested and what their splits follow from, so
        that a run that was killed goes on.
    progress : bool, default False
        Whether to draw a progress bar on stderr.
    group : ProcessGroup, True or "world", optional
        Processes of torch.distributed that share the tests out: all give the same sets, and all get all tests, those of one process.

    Returns
    -------
    PairwiseTests

    Raises
    ------
    TypeError, ValueError
        If sets, the distance or an option are not what is expected, or there is one set alone.
    WorkerError
        If processes are killed again and again before any of them finishes something.
    RankError
        If a process of the group ends, does not answer in the group's timeout, or makes another call.

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
    permutations = whole_number(permutations, "permutations", "a whole number >= 1")
    _, spec = asked_for(distance, options, cost=cost, p=p)
    check_store(store, spec)
    (i, j), streams = (
        np.triu_indices(len(held), 1),
        generator_of(seed).spawn(len(held) * (len(held) - 1) // 2),
    )
    asked = {"distance": distance, "permutations": permutations, "cost": cost, "p": p, "options": options}
    tasks = [
        (held.measures[u], held.measures[v], stream, asked)
        for u, v, stream in zip(i, j, streams, strict=True)
    ]
    how = repr((permutations, described(spec)))
    values, failed = _all(tasks, held.fingerprints(), (i, j), how, (n_jobs, store, progress, group))
    if failed:
        warnings.warn(
            f"{failed} of {len(i)} distances did not converge; their tests hold all the same, as of any numbers",
            ConvergenceWarning,
            stacklevel=4,
        )
    return _tests(values, (i, j), held, permutations)


def _tests(
    values: NDArray[np.float64], pairs: tuple[Any, Any], held: Collection, permutations: int
) -> PairwiseTests:
    """Return what was found of each pair as matrices."""
    (i, j), k = pairs, len(held)
    distances, effects = np.zeros((k, k)), np.zeros((k, k))
    p_values, adjusted = np.ones((k, k)), np.ones((k, k))
    for matrix, found in zip((distances, effects, p_values), values.T, strict=True):
        matrix[i, j] = matrix[j, i] = found
    adjusted[i, j] = adjusted[j, i] = holm(p_values[i, j])
    return PairwiseTests(distances, p_values, adjusted, effects, held.names, permutations)


def _all(
    tasks: Sequence[tuple[Any, ...]],
    prints: Sequence[str],
    pairs: tuple[Any, Any],
    how: str,
    spread: tuple[int | None, Any, bool, Any],
) -> tuple[NDArray[np.float64], int]:
    """Return value, effect and p-value of each test, shape (tests, 3), and how many distances did not converge."""
    n_jobs, path, progress, group = spread
    states = (repr(stream.bit_generator.state) for _, _, stream, _ in tasks)
    keys = [
        f"test-{hashlib.sha256(f'{how} {state}'.encode()).hexdigest()}-{prints[u]}-{prints[v]}"
        for u, v, state in zip(*pairs, states, strict=True)
    ]
    sharing = None
    if group is not None:
        from otgan.distributed.tables import Sharing  # which brings torch

        sharing = Sharing(group)
    with nullcontext() if sharing is None else sharing.guarded(), Store(path) as store:
        if sharing is not None:
            sharing.check(hashlib.sha256(repr(keys).encode()).hexdigest())
        with bar(len(tasks), progress) as told:
            told.begin(f"{len(tasks)} tests by {tasks[0][3]['distance']}")
            values, words = filled(
                _one, tasks, 3, n_jobs=n_jobs, sharing=sharing, tick=told.tick, store=store, keys=keys
            )
    return values, len(words)


def _one(
    x: Measure, y: Measure, stream: np.random.Generator, asked: Mapping[str, Any]
) -> tuple[list[float], list[str]]:
    """Test one pair."""
    test = two_sample_test(x, y, **asked, seed=stream)
    failed = [] if test.distance.converged else [str(test.distance.status)]
    return [test.value, test.effect, test.p_value], failed
