"""The distances between all pairs of several sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from otgan.inference.border import asked_for
from otgan.inference.collection import Collection
from otgan.inference.table import Table
from otgan.mistakes import NotInstalledError, WrongValueError
from otgan.options import flag
from otgan.quiet import quiet
from otgan.spelling import answer_misspelt

__all__ = ["pairwise"]


@quiet
@answer_misspelt
def pairwise(
    sets: Any,
    other: Any = None,
    *,
    distance: str = "emd",
    weights: Any = None,
    other_weights: Any = None,
    cost: Any = "euclidean",
    p: float | None = None,
    epsilon: float | None = None,
    blur: float | None = None,
    tol: float | None = None,
    max_iter: int | None = None,
    time_limit: float | None = None,
    bins: Any = None,
    bin_width: Any = None,
    outside: str | None = None,
    k: int | None = None,
    options: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
    store: Any = None,
    progress: bool = False,
    group: Any = None,
) -> Any:
    """Compute the distances between all pairs of several sets of samples.

    Pairs of similar sizes are solved as batches. What is symmetric is computed once. A process of joblib's own that is
    killed costs the batches that were under way: they begin again.

    Parameters
    ----------
    sets : list of array-like, or mapping of names to array-like
        k sets, of shapes (nᵢ, d), which may differ in nᵢ.
    other : list or mapping, optional
        l other sets, to which distances are taken; by default those between the sets themselves.
    distance : str, default "emd"
        A function of :mod:`otgan` between two sets, as for :func:`otgan.compare`; a divergence may name its estimator.
    weights, other_weights : list of array-like, or mapping, optional
        Weights of the samples of each set, None for a set without.
    cost, p, epsilon, blur, tol, max_iter, time_limit, bins, bin_width, outside, k
        As for :func:`otgan.compare`.
    options : mapping, optional
        Options of the distance's own, as in ``{"kernel": "laplacian"}`` of "mmd".
    n_jobs : int, optional
        Processes of joblib; None for this one alone, which uses its threads, or what a surrounding
        :func:`joblib.parallel_config` says, a cluster of Dask or Ray for instance.
    store : path, optional
        A file in which finished distances are kept, by what the sets hold and how they are measured, so that a run that was
        killed goes on, and sets may be added.
    progress : bool, default False
        Whether to draw a progress bar on stderr.
    group : ProcessGroup, True or "world", optional
        Processes of torch.distributed that share the pairs out: all give the same sets, and all get the whole matrix.

    Returns
    -------
    ndarray of shape (k, k) or (k, l), float64; or DataFrame
        A DataFrame where the sets have names. Row i is of the first argument of the distance. Between a set and itself it
        is 0 where the distance is 0 between equal populations. As it is, for ``metric="precomputed"`` of scikit-learn.

    Raises
    ------
    TypeError, ValueError
        If sets, the distance or an option are not what is expected.
    ConvergenceError
        If an exact distance is not found in its time. Others that do not converge are returned with a
        :class:`otgan.ConvergenceWarning`, and are not kept in a store.
    WorkerError
        If processes are killed again and again before any of them finishes something.
    RankError
        If a process of the group ends, does not answer in the group's timeout, or makes another call.
    ImportError
        If sets have names and pandas is not there.

    See Also
    --------
    otgan.pairwise_tests : A test of every pair.
    otgan.plot.pairwise : It as a figure.
    otgan.compare : Several distances at once, in a report.

    Examples
    --------
    >>> import otgan
    >>> otgan.pairwise([[0.0, 1.0], [1.0, 3.0], [5.0]])
    array([[0. , 1.5, 4.5],
           [1.5, 0. , 3. ],
           [4.5, 3. , 0. ]])
    """
    _, spec = asked_for(
        distance,
        options,
        cost=cost,
        p=p,
        epsilon=epsilon,
        blur=blur,
        tol=tol,
        max_iter=max_iter,
        time_limit=time_limit,
        bins=bins,
        bin_width=bin_width,
        outside=outside,
        k=k,
    )
    progress = flag(progress, "progress")
    first = Collection.of(sets, weights, "sets")
    first = first.matched(first)
    second = first if other is None else Collection.of(other, other_weights, "other").matched(first)
    if other is None and other_weights is not None:
        raise WrongValueError(
            "other_weights are of other sets, of which there are none: pass other with them"
        )
    found = Table(first, second, spec)
    found.fill(n_jobs, store, progress, group)
    return framed(found.values, first.names, second.names)


def framed(values: NDArray[Any], rows: Sequence[str] | None, columns: Sequence[str] | None) -> Any:
    """Return a matrix with names, where there are any, as a DataFrame."""
    if rows is None and columns is None:
        return values
    try:
        import pandas as pd
    except ImportError as error:
        raise NotInstalledError(
            "sets with names give a DataFrame, which needs pandas: pip install 'otgan[data]', or pass a list of sets"
        ) from error
    return pd.DataFrame(
        values,
        index=None if rows is None else list(rows),
        columns=None if columns is None else list(columns),
    )
