"""The estimators by their names: each turns samples into something whose divergences can be computed."""

from __future__ import annotations

from typing import Any

from otgan.divergences.bins import histogram
from otgan.divergences.cells import Cells, atoms
from otgan.divergences.neighbors import Neighbors, knn
from otgan.mistakes import WrongValueError
from otgan.normal_form import Side
from otgan.pair import Pair

__all__ = ["OPTIONS", "UNWEIGHTED", "estimate"]

OPTIONS: dict[str, tuple[str, ...]] = {
    "atoms": (),
    "histogram": ("bins", "bin_width", "outside"),
    "knn": ("k",),
}
"""The options that each estimator takes."""

UNWEIGHTED = ("knn",)
"""The estimators that take samples without weights only."""


def estimate(both: Pair, estimator: str, **options: Any) -> Cells | Neighbors:
    """Return what an estimator makes of two measures: :class:`Cells` or :class:`Neighbors`.

    Its methods `kl`, `js` and (for cells) `tv` are the values in nats, of shape (B,). It may serve several
    divergences.

    Parameters
    ----------
    both : Pair
    estimator : str
        One of :data:`OPTIONS`.
    **options
        Those of the estimator; None stands for one that was not given.

    Raises
    ------
    ValueError
        If an option belongs to another estimator.
    """
    both = Pair(Side.of(both.x).measure, Side.of(both.y).measure)
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in OPTIONS[estimator]:
            owner = next(other for other, names in OPTIONS.items() if name in names)
            raise WrongValueError(
                f"{name}= is an option of estimator={owner!r}, but estimator={estimator!r} was asked for"
            )
    match estimator:
        case "atoms":
            return atoms(both)
        case "histogram":
            return histogram(both, **given)
        case _:
            return knn(both, **given)
