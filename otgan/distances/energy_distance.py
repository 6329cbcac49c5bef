"""The energy distance."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otgan.costs import COSTS, Cost, resolve
from otgan.distances.distance import Distance
from otgan.distances.metric import Length
from otgan.distances.pairs import mean_over_pairs, means_of_splits
from otgan.distances.scaled import lengths, normalized
from otgan.distances.splits import Pool, Sides
from otgan.distances.terms import Terms
from otgan.form import Form
from otgan.measure import Measure
from otgan.mistakes import WrongValueError
from otgan.namespace import as_numpy, beside
from otgan.pair import Pair
from otgan.quiet import quiet
from otgan.spelling import answer_misspelt

if TYPE_CHECKING:
    from otgan.distributed.parts import Parts

__all__ = ["METRIC", "energy"]


@quiet
@answer_misspelt
def energy(x: Any, y: Any = None, a: Any = None, b: Any = None, *, cost: Any = "euclidean") -> Any:
    r"""Energy distance 2 E d(x, y) − E d(x, x') − E d(y, y') between the two empirical measures; no root is taken.

    The means run over all pairs, those of a sample with itself included: 2 Σ aᵢbⱼd(xᵢ, yⱼ) − Σ aᵢaⱼd(xᵢ, xⱼ) −
    Σ bᵢbⱼd(yᵢ, yⱼ), a V-statistic, with d = ‖x − y‖₂ unless told otherwise. For that distance it is at least 0, and 0 for
    equal measures alone; on the line it is 2 ∫ (F − G)², the square of :func:`scipy.stats.energy_distance`.

    Every pair is visited, in memory for n + m points.

    Parameters
    ----------
    x, y : array-like
        Samples of shape (n, d) and (m, d), or (n,) and (m,) on the line; batches as for :func:`otgan.transport`.
    a, b : array-like, optional
        Weights, uniform if omitted; each side is normalized to total 1. Samples of weight 0 are left out.
    cost : str or callable, default "euclidean"
        The distance d, as for :func:`otgan.transport`; with "precomputed", x is the three matrices (Cxy, Cxx, Cyy) and y
        is left out. Where exp(−t d) is no positive semidefinite kernel for every t > 0, as for "chebyshev", the result may
        be negative.

    Returns
    -------
    float, ndarray of B, or Tensor
        In the units of d, those of the samples for a norm. A tensor carries gradients in points and weights, in matrices
        and in a function's parameters; between coincident points the distance is given the slope 0. A sample of weight 0
        gets the gradient of its normalization only.

    Raises
    ------
    TypeError, ValueError
        If the input is not what is expected.
    OverflowError
        If the distance is beyond the range of the samples' type.

    See Also
    --------
    otgan.mmd : The same with a kernel.
    otgan.sinkhorn_divergence : The entropic cost without its bias at equal sets.
    otgan.two_sample_test : Whether a difference can be chance.

    Notes
    -----
    .. math::

        2\, \mathbb E\, d(x, y) - \mathbb E\, d(x, x') - \mathbb E\, d(y, y')

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
    both, distance = resolve(cost, 1.0, 1.0).pose(x, y, a, b, selves=True)
    return Form.of(both).scalar(_energy(both, distance))


def _energy(both: Pair, distance: Cost) -> Tensor:
    """The energy distance of each problem, shape (B,)."""
    inside, form = normalized(both, distance)
    differs = torch.is_grad_enabled() and not both.numpy
    parts, slopes = [], []
    for share, cost, rule, here, there in zip(
        (2, -1, -1),
        (form.cost, *form.cost.of_selves()),
        (distance, *distance.of_selves()),
        _terms(inside),
        _terms(both),
        strict=True,
    ):
        own = rule.own(there) if differs else ()
        parts.append(share * _mean(here, cost, own))
        slope = rule.own_slope(_Independent(there), there, torch.ones_like(form.length)) if own else None
        if slope is not None:
            slopes.append(share * slope)
    value = parts[0] + (parts[1] + parts[2])
    found: Tensor = lengths((value.clamp_min(0) if distance.definite else value) * form.length, both.x.dtype)
    for slope in slopes:
        found = found + slope
    return found


def _terms(both: Pair) -> tuple[Pair, Pair, Pair]:
    """The measures of the three terms: x with y, x with itself, y with itself."""
    return both, Pair(both.x, both.x), Pair(both.y, both.y)


def _mean(both: Pair, cost: Cost, own: tuple[Tensor, ...]) -> Tensor:
    x, y = both.x, both.y
    return mean_over_pairs(x.points, y.points, x.weights, y.weights, _itself, cost=cost, own=own)


@torch.no_grad()
def _mean_distance(both: Pair, distance: Cost) -> float:
    """Mean distance between two measures that are no batch."""
    inside, form = normalized(both, distance)
    return float(_mean(inside, form.cost, ()) * form.length)


def _itself(distance: Tensor) -> Tensor:
    return distance


@dataclass(frozen=True, eq=False)
class _Independent:
    """Two measures whose points are paired independently: what the means are over."""

    both: Pair

    def plan(self) -> Tensor:
        """The product of the weights, (B, n, m)."""
        a, b = self.both.x.weights.detach(), self.both.y.weights.detach()
        return a[:, :, None] * b[:, None]


class _Energy(Length):
    symbol = "E"
    intervals = ("normal",)
    uses_cost = True

    def title(self, p: float | None) -> str:
        del p
        return "Energy distance"

    def label(self, p: float | None) -> str:
        del p
        return "Energy"

    def evaluate(self, both: Pair, terms: Terms) -> Tensor:
        return _energy(both, replace(terms.cost, p=1.0))

    def against(self, x: Measure, terms: Terms) -> Callable[[Measure], float]:
        distance = replace(terms.cost, p=1.0)
        within = _mean_distance(Pair(x, x), distance)

        def value(y: Measure) -> float:
            found = 2 * _mean_distance(Pair(x, y), distance) - within - _mean_distance(Pair(y, y), distance)
            return max(found, 0.0) if distance.definite else found

        return value

    def unbiased(
        self, both: Pair, terms: Terms, value: float, rng: np.random.Generator
    ) -> tuple[float, float]:
        del rng
        # Means over different samples: 1 − Σ aᵢ² of the weight is on pairs of two.
        distance = replace(terms.cost, p=1.0)
        for side in (both.x, both.y):
            alone = float((side.weights**2).sum())
            value -= _mean_distance(Pair(side, side), distance) * alone / max(1 - alone, 1e-9)
        return value, 0.0

    def of_splits(
        self, pool: Pool, sides: Sides, terms: Terms, tick: Callable[[int], object]
    ) -> NDArray[np.float64]:
        distance = replace(terms.cost, p=1.0)
        inside, form = normalized(pool.itself, distance)
        points = inside.x.points
        within_a, within_b, across = means_of_splits(
            points, beside(pool.mass, points), beside(sides.T, points), _itself, cost=form.cost
        )
        tick(len(sides))
        value = 2 * across - within_a - within_b
        value = value.clamp_min(0) if distance.definite else value
        return as_numpy(lengths(value * form.length, pool.itself.x.dtype))

    def shared(self, parts: Parts, terms: Terms) -> Distance:
        distance = replace(terms.cost, p=1.0)
        if not distance.symmetric:
            raise WrongValueError(
                f"energy over the ranks of a group needs a distance that is known to be symmetric, got cost={distance.name!r}: "
                f"take one by its name, {', '.join(name for name in COSTS if name != 'precomputed')}"
            )
        start = time.perf_counter()
        inside, rule, length = parts.normalized(distance)
        sums = inside.sums(_itself, rule)
        value = 2 * sums.across - sums.within_x - sums.within_y
        value = length * (max(value, 0.0) if distance.definite else value)
        slopes = sums.x_to_y - sums.x_to_x, sums.y_to_x - sums.y_to_y
        error = inside.standard_error(*(2 * length * each for each in slopes)) if value != 0 else None
        lengths(torch.tensor([value], dtype=torch.float64), torch.float64)  # which may be beyond float64
        seconds = time.perf_counter() - start
        return self.distance(terms, value, self.how(terms), seconds, standard_error=error)

    def how(self, terms: Terms) -> str:
        del terms
        return "all pairs"

    def certificate(self, distance: Distance) -> str:
        del distance
        return "summed"


METRIC = _Energy(energy)
