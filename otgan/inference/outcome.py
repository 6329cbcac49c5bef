"""What a test of two sets found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from otgan.distances.distance import Distance, Null
from otgan.distances.words import number
from otgan.options import probability
from otgan.plain import plain, strict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["TwoSampleTest"]


@dataclass(frozen=True, eq=False, repr=False)
class TwoSampleTest:
    """Whether two sets are draws of one population, by a permutation test. Made by :func:`otgan.two_sample_test`.

    Attributes
    ----------
    distance : Distance
        What was measured between x and y, with its certificate.
    null : ndarray, shape (permutations,)
        The distances between the two sides of every random split.
    effect : float
        By how much the distance exceeds the mean one of random splits, in units of the mean distance between two of the
        pooled samples, to the power that the distance has of a length; as it is, where it is no length. It does not grow
        with the numbers of samples: 0 where the populations are one, near 1 where they are as far apart as their members.
    design : str
        Which splits were drawn, in words.
    names : tuple of str
    sizes : tuple of int
        The numbers of samples with mass.
    seed : int or None
        What the splits follow from; None for a generator.

    See Also
    --------
    otgan.two_sample_test : Whether a difference can be chance.

    Examples
    --------
    >>> import numpy as np, otgan
    >>> x = np.arange(10.0)
    >>> test = otgan.two_sample_test(x, x + 100, permutations=99)
    >>> test.rejects(0.05), test.permutations
    (True, 99)
    """

    distance: Distance
    null: NDArray[np.float64]
    effect: float
    design: str
    names: tuple[str, str]
    sizes: tuple[int, int]
    seed: int | None = field(default=None)

    @property
    def value(self) -> float:
        """The distance between x and y."""
        return self.distance.value

    @property
    def p_value(self) -> float:
        """That of the test; see :class:`otgan.distances.distance.Null`."""
        return self._null.p_value

    @property
    def permutations(self) -> int:
        """How many splits were drawn."""
        return self._null.permutations

    @property
    def quantile_95(self) -> float:
        """What 95 % of the distances of random splits are at most."""
        return self._null.quantile_95

    @property
    def _null(self) -> Null:
        found = self.distance.null
        assert found is not None
        return found

    def rejects(self, level: float = 0.05) -> bool:
        """Whether one population is ruled out at a level: a probability of at most so much of saying so of one.

        Parameters
        ----------
        level : float
            Between 0 and 1.
        """
        level = probability(level, "level")
        return self.p_value <= level

    def __str__(self) -> str:
        x, y = (plain(name) for name in self.names)
        what = f"{self.distance.title} {number(self.value, 4)}"
        found = (
            f"{x} ({self.sizes[0]} samples) and {y} ({self.sizes[1]}) are different"
            if self.rejects()
            else f"No difference found between {x} ({self.sizes[0]} samples) and {y} ({self.sizes[1]})"
        )
        status = self.distance.status
        short = "" if self.distance.converged or status is None else f"; {what} is {status}: {status.remedy}"
        return (
            f"{found}: {what}, p = {self.p_value:.2g} by {self.permutations} {self.design}, of which 95 % are at most "
            f"{number(self.quantile_95, 4)}; effect size {number(self.effect, 3)}{short}"
        )

    def __repr__(self) -> str:
        return (
            f"TwoSampleTest({self.distance.name}={number(self.value)}, p_value={self.p_value:.3g}, "
            f"effect={number(self.effect, 3)}, permutations={self.permutations})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers for strict JSON, the distances of the splits included; numbers that are not finite are strings."""
        found: dict[str, Any] = strict(self._plain())
        return found

    def _plain(self) -> dict[str, Any]:
        return {
            "names": list(self.names),
            "sizes": list(self.sizes),
            "design": self.design,
            "seed": self.seed,
            "p_value": self.p_value,
            "effect": self.effect,
            "distance": self.distance.to_dict(),
            "null": self.null.tolist(),
        }

    def plot(self) -> Figure:
        """Draw the distances of the random splits as a histogram, and where the one measured is beside them.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from otgan.plot.null_draws import drawn

        return drawn(self)
