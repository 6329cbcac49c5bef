"""Tasks that are spread over processes of joblib and over the ranks of a group; one that is killed costs what it had begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from otgan.inference.store import Store
from otgan.mistakes import WorkerError, WrongKindError
from otgan.options import shown

if TYPE_CHECKING:
    from otgan.distributed.tables import Sharing

__all__ = ["check_n_jobs", "filled", "spread"]

_LIVES = 3
"""Times that worker processes may be killed in a row before any of them finishes a task."""

Told = Callable[[int], object]


def check_n_jobs(n_jobs: Any) -> None:
    """Raise a TypeError where a value is no number of processes."""
    if n_jobs is not None and (isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs == 0):
        raise WrongKindError(
            f"n_jobs must be a whole number but 0, as joblib takes it, or None, got {shown(n_jobs)}"
        )


def spread(
    function: Callable[..., Any],
    tasks: Sequence[Any],
    n_jobs: int | None,
    packed: Callable[[Any], tuple[Any, ...]] = tuple,
) -> Iterator[tuple[int, Any]]:
    """Yield the place of each task and what a function makes of it, in whatever order they are done.

    Parameters
    ----------
    function : callable
        Of the parts of a task; where there are workers it can be pickled.
    tasks : sequence
        Tuples of their parts, or what those are made of.
    n_jobs : int or None
        Processes of joblib, as it takes their number.
    packed : callable, optional
        Makes the parts of a task, when its turn comes and not before: all of them together may be many times the data.

    Raises
    ------
    TypeError
        If the number of processes is none.
    WorkerError
        If they are killed again and again before any of them finishes something.
    """
    from joblib import Parallel, delayed

    check_n_jobs(n_jobs)
    left, lives = dict(enumerate(tasks)), _LIVES
    while left:
        jobs = (delayed(_placed)(place, function, packed(left[place])) for place in list(left))
        try:
            for place, found in Parallel(n_jobs=n_jobs, return_as="generator_unordered")(jobs):
                del left[place]
                lives = _LIVES
                yield place, found
        except BrokenProcessPool as error:
            # With one worker the whole pool is gone: what it had not finished begins again in a new one.
            lives -= 1
            if not lives:
                raise WorkerError(
                    f"worker processes were killed {_LIVES} times without finishing anything (tasks to go: {len(left)}), as "
                    "systems do whose memory is used up: take fewer processes by n_jobs, and a store where there is one, "
                    "which keeps what is finished"
                ) from error


def _placed(place: int, function: Callable[..., Any], task: tuple[Any, ...]) -> tuple[int, Any]:
    return place, function(*task)


def filled(
    function: Callable[..., tuple[Any, list[str]]],
    tasks: Sequence[tuple[Any, ...]],
    width: int,
    *,
    n_jobs: int | None,
    sharing: Sharing | None,
    tick: Told,
    store: Store | None = None,
    keys: Sequence[str] = (),
) -> tuple[NDArray[np.float64], list[str]]:
    """Return the numbers of all tasks, shape (tasks, width), and what fell short in them; with a group, on all of its ranks.

    Parameters
    ----------
    function : callable
        Of the parts of a task; returns its numbers, at most `width`, and what fell short.
    tasks : sequence of tuple
        The same on all ranks.
    width : int
    n_jobs : int or None
    sharing : Sharing or None
        The ranks that share them out.
    tick : callable
        Told of how many more are done here.
    store : Store, optional
        What is known already, and keeps what is finished and did not fall short.
    keys : sequence of str
        By what it knows each task.
    """
    values, found = np.full((len(tasks), width), np.nan), np.zeros((len(tasks), width), dtype=np.bool_)
    names = [[f"{key}-{part}" for part in range(width)] for key in keys]
    known = {} if store is None else store.known(name for each in names for name in each)
    done = np.array([all(name in known for name in each) for each in names] or [False] * len(tasks))
    for place in np.flatnonzero(done).tolist():
        values[place] = [known[name] for name in names[place]]
    if sharing is not None:
        # What rank 0 knows all know, so that they share out the same rest.
        done = sharing.known(done.astype(np.float64)) > 0
        values = sharing.known(values)
    due = np.flatnonzero(~done).tolist()
    mine, words = due if sharing is None else sharing.own(due), []
    for at, (numbers, failures) in spread(function, [tasks[place] for place in mine], n_jobs):
        place = mine[at]
        values[place, : len(numbers)], found[place] = numbers, True
        words += failures
        if store is not None and keys and not failures:
            store.keep(dict(zip(names[place], map(float, values[place]), strict=True)))
        tick(1)
    if sharing is None:
        return values, words
    return sharing.joined(values, found), sharing.all_words(words)
