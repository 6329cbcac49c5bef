"""The maximum mean discrepancy, by kernels of the distance."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otgan.distances.distance import Distance
from otgan.distances.median import median_distance
from otgan.distances.metric import Metric
from otgan.distances.option import Option
from otgan.distances.pairs import mean_over_pairs, means_of_splits
from otgan.distances.scaled import DISTANCE, in_units
from otgan.distances.splits import Pool, Sides
from otgan.distances.terms import Terms
from otgan.distances.words import number
from otgan.form import Form
from otgan.geometry.exponentials import exp
from otgan.measure import Measure
from otgan.mistakes import WrongValueError
from otgan.namespace import as_numpy, beside
from otgan.pair import Pair, pair
from otgan.quiet import quiet
from otgan.spelling import answer_misspelt

if TYPE_CHECKING:
    from otgan.distributed.parts import Part, Parts

__all__ = ["METRIC", "mmd"]

_KERNELS: dict[str, Callable[[Tensor], Tensor]] = {
    "gaussian": lambda ratio: exp(-0.5 * ratio.square()),
    "laplacian": lambda ratio: exp(-ratio),
    "imq": lambda ratio: 1 / (1 + ratio.square()),
}
"""The kernels, as functions of the distance over the bandwidth."""

_FARTHEST = 1e75
"""A distance over the bandwidth beyond which every kernel is 0 in float64, and the products of its slope are numbers."""

_OPTIONS = {
    option.name: option
    for option in (
        Option("kernel", "word", "gaussian", tuple(_KERNELS)),
        Option("bandwidth", "positive", None, meaning="a length, in units of the samples"),
        Option("biased", "flag", False),
    )
}


@quiet
@answer_misspelt
def mmd(
    x: Any,
    y: Any,
    a: Any = None,
    b: Any = None,
    *,
    kernel: str = "gaussian",
    bandwidth: float | None = None,
    biased: bool = False,
) -> Any:
    r"""Squared maximum mean discrepancy MMD² = E k(x, x') + E k(y, y') − 2 E k(x, y); no root is taken.

    Unbiased by default: the first two means run over pairs of two samples, i ≠ j, so that its mean is 0 where both sets
    are draws of one population, and it is then negative about half of the time.

    Parameters
    ----------
    x, y : array-like
        Samples of shape (n, d) and (m, d), or (n,) and (m,) on the line; batches as for :func:`otgan.transport`.
    a, b : array-like, optional
        Weights, uniform if omitted; each side is normalized to total 1. Samples of weight 0 are left out.
    kernel : {"gaussian", "laplacian", "imq"}
        With r = ‖x − y‖₂ and the bandwidth h: exp(−r²/2h²); exp(−r/h); and the inverse multiquadratic of the Wasserstein
        autoencoder, h²/(h² + r²).
    bandwidth : float, optional
        The length h. If omitted, for each problem the median of the distances between two samples of both sets taken
        together, each pair counted once whatever it weighs, pairs that coincide left out, and of an even number of
        distances the mean of the middle two; 1 where all samples coincide. Gradients take it as a constant.
    biased : bool, default False
        Whether the first two means run over all pairs, those of a sample with itself included. It is then the squared
        distance between the two empirical measures, at least 0. Otherwise they are Σ_{i≠j} aᵢaⱼk(xᵢ, xⱼ) / Σ_{i≠j} aᵢaⱼ:
        unbiased where the weights do not depend on the samples.

    Returns
    -------
    float, ndarray of B, or Tensor
        Without unit, at most 2. A tensor carries gradients in points and weights; between coincident points the
        distance is given the slope 0. A sample of weight 0 gets the gradient of its normalization only.

    Raises
    ------
    TypeError, ValueError
        If the input is not what is expected, or a side has too few samples for the unbiased estimate, which needs two.

    See Also
    --------
    otgan.energy : A mean over pairs, for which nothing is solved.
    otgan.two_sample_test : Whether a difference can be chance.

    Notes
    -----
    .. math::

        \mathrm{MMD}^2 = \mathbb E\, k(x, x') + \mathbb E\, k(y, y') - 2\, \mathbb E\, k(x, y)

    References
    ----------
    A. Gretton et al., "A kernel two-sample test", JMLR 13, 2012. I. Tolstikhin et al., "Wasserstein auto-encoders",
    ICLR 2018, has the inverse multiquadratic kernel.

    Examples
    --------
    >>> import otgan
    >>> round(otgan.mmd([0.0, 1.0], [1.0, 3.0], bandwidth=1.0, biased=True), 6)
    0.494446
    """
    given = {"kernel": kernel, "bandwidth": bandwidth, "biased": biased}
    options = {name: _OPTIONS[name].check(value) for name, value in given.items()}
    both = pair(x, y, a, b)
    return Form.of(both).scalar(_mmd(both, **options))


def _mmd(both: Pair, *, kernel: str, bandwidth: float | None, biased: bool) -> Tensor:
    """The squared discrepancy of each problem, shape (B,)."""
    inside, unit = in_units(both)
    (x, a), (y, b) = ((side.points, side.weights) for side in (inside.x, inside.y))
    function = _kernel(kernel, _median(inside) if bandwidth is None else bandwidth / unit)
    cross = mean_over_pairs(x, y, a, b, function)
    if biased:
        within = mean_over_pairs(x, x, a, a, function) + mean_over_pairs(y, y, b, b, function)
        return (within - 2 * cross).clamp_min(0)
    _check_pairs(inside)
    within = mean_over_pairs(x, x, a, a, function, distinct=True) / _of_two(a)
    return within + mean_over_pairs(y, y, b, b, function, distinct=True) / _of_two(b) - 2 * cross


def _kernel(name: str, length: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the kernel of that name as a function of distances, (B, k, m), in units of a length, (B,)."""
    length = length.clamp_min(torch.finfo(torch.float64).tiny)[:, None, None]

    def function(distance: Tensor) -> Tensor:
        return _KERNELS[name]((distance / length).clamp_max(_FARTHEST))

    return function


@torch.no_grad()
def _median(inside: Pair) -> Tensor:
    """Median distance of the pooled samples of each problem that do not coincide, shape (B,); 1 where all do."""
    found = []
    for k in range(inside.x.points.shape[0]):
        pooled = torch.cat([side.points[k, side.weights[k] > 0] for side in (inside.x, inside.y)])
        found.append(median_distance(pooled[None]))
    return torch.stack(found)


def _check_pairs(inside: Pair) -> None:
    for name, side in (("x", inside.x), ("y", inside.y)):
        _check_two(int((side.weights > 0).sum(1).min()), name)


def _check_two(heavy: int, name: str) -> None:
    if heavy <= 1:
        raise WrongValueError(
            f"{name} must have two samples with mass or more for the unbiased estimate of mmd, got 1: pass biased=True, as an option"
        )


def _of_two(weights: Tensor) -> Tensor:
    """Σ_{i≠j} aᵢaⱼ of each problem, shape (B,), without the cancellation of 1 − Σ aᵢ² where one weight is nearly all."""
    rising = weights.sort(1).values
    before = torch.cat([rising.new_zeros(len(rising), 1), rising.cumsum(1)[:, :-1]], 1)
    return 2 * (rising * before).sum(1)


def _of_two_over_ranks(parts: Parts, side: Part, name: str) -> float:
    """The same of a set that ranks share: its pairs within each of them, and those across."""
    heavy, within, mass = zip(
        *parts.ranks.all_of(
            [len(side.weights), float(_of_two(side.weights[None])), float(side.weights.sum())]
        ),
        strict=True,
    )
    _check_two(sum(heavy), name)
    return math.fsum([*within, *(u * v for k, u in enumerate(mass) for j, v in enumerate(mass) if j != k)])


# ---- in reports -----------------------------------------------------------------------------------------------------


class _KernelDiscrepancy(Metric):
    symbol = "MMD²"
    intervals = ("normal",)
    vanishes = False  # the unbiased estimate is 0 in the mean only
    floor = -math.inf
    ceiling = 2.0
    options = tuple(_OPTIONS.values())

    def title(self, p: float | None) -> str:
        del p
        return self.symbol

    def unit(self, p: float | None) -> str:
        del p
        return ""

    def power(self, p: float | None) -> float:
        del p
        return 0.0

    def evaluate(self, both: Pair, terms: Terms) -> Tensor:
        return _mmd(both, **terms.options)

    def of_splits(
        self, pool: Pool, sides: Sides, terms: Terms, tick: Callable[[int], object]
    ) -> NDArray[np.float64]:
        # The pool, and so the median of its distances and the kernel of every pair, are the same for all splits.
        own = terms.options
        inside, unit = in_units(pool.itself)
        points = inside.x.points
        length = median_distance(points)[None] if own["bandwidth"] is None else own["bandwidth"] / unit
        w, chosen = beside(pool.mass, points), beside(sides.T, points)
        kernel, distinct = _kernel(own["kernel"], length), not own["biased"]
        within_a, within_b, across = means_of_splits(points, w, chosen, kernel, distinct=distinct)
        tick(len(sides))
        if own["biased"]:
            return as_numpy((within_a + within_b - 2 * across).clamp_min(0))
        value = -2 * across
        for within, side in ((within_a, chosen), (within_b, ~chosen)):
            weights = side * w[:, None] / (side * w[:, None]).sum(0)
            value = value + within / _of_two(weights.T)
        return as_numpy(value)

    def fixed(self, x: Measure, terms: Terms) -> Terms:
        if terms.options["bandwidth"] is not None:
            return terms
        inside, unit = in_units(Pair(x, x))
        length = float(median_distance(inside.x.points) * unit)
        return replace(terms, options={**terms.options, "bandwidth": length})

    def least_samples(self, terms: Terms) -> int:
        return 1 if terms.options["biased"] else 2

    def how(self, terms: Terms) -> str:
        return "biased" if terms.options["biased"] else "unbiased"

    def measured(self, both: Pair, terms: Terms) -> Distance:
        found = super().measured(both, terms)
        options = dict(terms.options)
        if options["bandwidth"] is None:
            inside, unit = in_units(both)
            options["bandwidth"] = float(_median(inside) * unit)
        return replace(found, options=options)

    def shared(self, parts: Parts, terms: Terms) -> Distance:
        own = terms.options
        if own["bandwidth"] is None:
            raise WrongValueError(
                "mmd over the ranks of a group needs a bandwidth, as the median that it has by default is of all pairs: pass "
                "options={'mmd': {'bandwidth': h}}, of the command --option mmd.bandwidth=H"
            )
        start = time.perf_counter()
        inside, unit = parts.in_units()
        length = inside.x.points.new_tensor([own["bandwidth"] / unit])
        sums = inside.sums(_kernel(own["kernel"], length), DISTANCE)
        value, slopes = -2 * sums.across, [-2 * sums.x_to_y, -2 * sums.y_to_x]
        withins = (inside.x, sums.within_x, sums.x_to_x), (inside.y, sums.within_y, sums.y_to_y)
        for k, (side, within, each) in enumerate(withins):
            if own["biased"]:
                value, slopes[k] = value + within, slopes[k] + 2 * each
                continue
            # Of a sample with itself every kernel is 1.
            two, mean = (
                _of_two_over_ranks(inside, side, "xy"[k]),
                within - inside.totals(side.weights @ side.weights)[0],
            )
            value = value + mean / two
            slopes[k] = slopes[k] + 2 * (each - side.weights) / two - 2 * mean / two**2 * (1 - side.weights)
        value = max(value, 0.0) if own["biased"] else value
        error = inside.standard_error(*slopes) if value != 0 else None
        seconds = time.perf_counter() - start
        return self.distance(terms, value, self.how(terms), seconds, options=dict(own), standard_error=error)

    def certificate(self, distance: Distance) -> str:
        assert distance.options is not None
        kernel, bandwidth = distance.options["kernel"], distance.options["bandwidth"]
        return f"{kernel}, bandwidth {number(bandwidth, 3)}"


METRIC = _KernelDiscrepancy(mmd)
