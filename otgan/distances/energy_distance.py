"""The energy distance."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from otgan.distances.distance import Distance
from otgan.distances.metric import Length
from otgan.distances.pairs import mean_over_pairs
from otgan.distances.scaled import in_units, lengths
from otgan.distances.terms import Terms
from otgan.form import Form
from otgan.pair import Pair, pair
from otgan.spelling import answer_misspelt

__all__ = ["METRIC", "energy"]


@answer_misspelt
def energy(x: Any, y: Any, a: Any = None, b: Any = None) -> Any:
    """Energy distance 2 E‖x − y‖ − E‖x − x'‖ − E‖y − y'‖ between the two empirical measures; no root is taken.

    The means run over all pairs, those of a sample with itself included: 2 Σ aᵢbⱼ‖xᵢ − yⱼ‖ − Σ aᵢaⱼ‖xᵢ − xⱼ‖ −
    Σ bᵢbⱼ‖yᵢ − yⱼ‖, a V-statistic. It is at least 0, and 0 for equal measures alone. On the line it is
    2 ∫ (F − G)², the square of :func:`scipy.stats.energy_distance`.

    Every pair is visited, in memory for n + m points.

    Parameters
    ----------
    x, y : array-like
        Samples of shape (n, d) and (m, d), or (n,) and (m,) on the line; batches as for :func:`otgan.transport`.
    a, b : array-like, optional
        Weights, uniform if omitted; each side is normalized to total 1. Samples of weight 0 are left out.

    Returns
    -------
    float, ndarray of B, or Tensor
        In the units of the samples. A tensor carries gradients in points and weights; between coincident points the
        distance is given the slope 0. A sample of weight 0 gets the gradient of its normalization only.

    Raises
    ------
    TypeError, ValueError
        If the input is not what is expected.
    OverflowError
        If the distance is beyond the range of the samples' type.

    References
    ----------
    G. Székely, M. Rizzo, "Energy statistics: a class of statistics based on distances", J. Stat. Plan. Inference
    143(8), 2013.

    Examples
    --------
    >>> import otgan
    >>> otgan.energy([0.0, 1.0], [1.0, 3.0])
    1.5
    """
    both = pair(x, y, a, b)
    return Form.of(both).scalar(_energy(both))


def _energy(both: Pair) -> Tensor:
    """The energy distance of each problem, shape (B,)."""
    inside, unit = in_units(both)
    (x, a), (y, b) = ((side.points, side.weights) for side in (inside.x, inside.y))
    cross = mean_over_pairs(x, y, a, b, _itself)
    within = mean_over_pairs(x, x, a, a, _itself) + mean_over_pairs(y, y, b, b, _itself)
    return lengths((2 * cross - within).clamp_min(0), unit, both.x.dtype)


def _itself(distance: Tensor) -> Tensor:
    return distance


class _Energy(Length):
    symbol = "E"
    noise_floor = True

    def title(self, p: float | None) -> str:
        del p
        return "Energy distance"

    def label(self, p: float | None) -> str:
        del p
        return "Energy"

    def evaluate(self, both: Pair, terms: Terms) -> Tensor:
        del terms
        return _energy(both)

    def how(self, terms: Terms) -> str:
        del terms
        return "all pairs"

    def certificate(self, distance: Distance) -> str:
        del distance
        return "summed"


METRIC = _Energy(energy)
