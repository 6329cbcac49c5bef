"""Divergences of two densities by distances to nearest neighbors, without bins."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from otgan.costs.squares import raised, squared_distances
from otgan.costs.tiles import tiles_of
from otgan.mistakes import WrongValueError
from otgan.namespace import Array, as_numpy, beside, detached, device, double, is_tensor, namespace
from otgan.options import whole_number
from otgan.pair import Pair

__all__ = ["Neighbors", "check_k", "knn"]

DEFAULT_K = 3
"""Bias grows with k and variance shrinks; at 3 the two are of one size for 500 to 5000 samples."""

_TREE = 12
"""Above this dimension a tree visits nearly all points, and comparing all pairs in blocks is faster."""

_ROWS = 1000
"""Points that a tree is asked for at once: it does not hear of an interruption meanwhile."""

_BLOCK = 2**22
"""Distances that are held at once."""


@dataclass(frozen=True, eq=False)
class Neighbors:
    """Samples of two densities, or a batch of pairs of them, to be compared by their k nearest neighbors.

    Attributes
    ----------
    x, y : tuple of B Arrays, shapes (n, d) and (m, d), float64
        The samples of each problem, over a common length: nothing here depends on the scale.
    k : int
        Which neighbor bounds the ball around a sample.
    """

    x: tuple[Array, ...]
    y: tuple[Array, ...]
    k: int

    def kl(self) -> Array:
        """(d/n) Σᵢ log(νₖ(i) / ρₖ(i)) + log(m / (n − 1)) in nats, shape (B,), differentiable in the samples.

        ρₖ(i) and νₖ(i) are the distances of xᵢ to its k-th neighbor among the other samples of x, and among
        those of y. Consistent for every fixed k where both have densities on ℝᵈ; not clipped, so that near 0
        it may be negative. Too small where the densities barely overlap, and the more so the larger d is.

        Raises
        ------
        ValueError
            If a distance is 0: k or more samples coincide, as samples of densities never do.

        References
        ----------
        Q. Wang, S. R. Kulkarni, S. Verdú, "Divergence estimation for multidimensional densities via
        k-nearest-neighbor distances", IEEE Trans. Inf. Theory 55(5), 2009.
        """
        values = [_kl(x, y, self.k) for x, y in zip(self.x, self.y, strict=True)]
        return namespace(values[0]).stack(values)

    def js(self) -> Array:
        """½ E_P log(p/m) + ½ E_Q log(q/m), m = ½(p + q), in nats, shape (B,), clipped to [0, log 2].

        Around each sample of x stands the ball that reaches its k-th neighbor among the other samples of x;
        it holds N_x of these (k, or more where distances tie) and N_y samples of y. In it

            log p ≈ ψ(N_x) − log n,    log m ≈ log S + ψ(N) − log N,
            S = N_x/(2n) + N_y/(2m),   N = S² / (N_x/(2n)² + N_y/(2m)²),

        up to the log of its volume, which cancels; likewise around each sample of y. ψ is the digamma
        function, and N the number of equally weighted samples whose mass would be as uncertain as S. In the
        larger set the k-th neighbor is replaced by one in proportion, so that both kinds of balls are of one
        size. For n = m this is ψ(N_x) − ψ(N_x + N_y) + log 2 per sample: the estimate of the mutual
        information between a sample and the name of its set (Ross 2014), which the divergence is.

        Since volumes cancel, it holds on manifolds, for samples that coincide (Gao et al. 2017) and for
        disjoint supports as well. It is a function of counts: its gradient in the samples is 0.

        References
        ----------
        B. C. Ross, "Mutual information between discrete and continuous data sets", PLoS ONE 9(2), 2014.
        W. Gao, S. Kannan, S. Oh, P. Viswanath, "Estimating mutual information for discrete-continuous
        mixtures", NeurIPS 2017.
        """
        values = [
            0.5 * (_excess(x, y, self.k) + _excess(y, x, self.k))
            for x, y in zip(map(detached, self.x), map(detached, self.y), strict=True)
        ]
        xp = namespace(values[0])
        return xp.clip(xp.stack(values), 0, math.log(2))


def knn(pair: Pair, *, k: int | None = None) -> Neighbors:
    """Prepare two sets of samples, or two batches, for their comparison by k nearest neighbors.

    Raises
    ------
    TypeError, ValueError
        If k is no positive integer, the samples carry weights, or there are fewer than k + 1 on a side.
    """
    k = check_k(k)
    if pair.x.weighted or pair.y.weighted:
        raise WrongValueError(
            "estimator='knn' takes samples without weights: use estimator='atoms' or 'histogram', or draw "
            "samples by their weights first"
        )
    sides = [[double(m.points[b, : m.lengths[b]]) for m in (pair.x, pair.y)] for b in range(pair.count)]
    least = min(len(points) for both in sides for points in both)
    if least < k + 1:
        raise WrongValueError(
            f"k = {k} needs at least {k + 1} samples on each side, got {least}: give more, or a smaller k"
        )
    # Squares of very large or very small coordinates would leave the range of float64.
    scales = [max(float(abs(detached(points)).max()) for points in both) or 1.0 for both in sides]
    xs, ys = (tuple(both[i] / scale for both, scale in zip(sides, scales, strict=True)) for i in (0, 1))
    return Neighbors(xs, ys, k)


def check_k(k: int | None) -> int:
    """Return which neighbor to use, or raise where it is no whole number >= 1."""
    return DEFAULT_K if k is None else whole_number(k, "k", "a whole number >= 1 (which neighbor)")


def _kl(x: Array, y: Array, k: int) -> Array:
    n, d = x.shape
    query, square = detached(x), namespace(x).square
    # Every sample is its own first neighbor. Distances are recomputed, so that they are exact and differentiable.
    rho = square(x - x[_index(query).kth(query, k + 1)[1]]).sum(1)
    nu = square(x - y[_index(detached(y)).kth(query, k)[1]]).sum(1)
    for squares, name in ((rho, "x"), (nu, "y")):
        zeros = int((squares == 0).sum())
        if zeros:
            raise WrongValueError(
                f"the k-nearest-neighbor KL compares densities, but {zeros} samples of x coincide with {k} or "
                f"more {'other ' if name == 'x' else ''}samples of {name}: use estimator='atoms' or 'histogram' "
                "for discrete data, drop repeated rows, or raise k above the number of repetitions"
            )
    log = namespace(x).log
    return 0.5 * d * (log(nu) - log(rho)).mean() + math.log(len(y) / (n - 1))


def _excess(x: Array, y: Array, k: int) -> Array:
    """Estimate E_P log(p / m), where x are samples of P; neither has a graph."""
    n, m = len(x), len(y)
    own, other = _index(x), _index(y)
    # Distances that are equal may be computed a few roundings apart: a ball holds what lies on its boundary.
    radius = own.kth(x, max(k, round(k * n / m)) + 1)[0] * (1 + 1e-9)
    near_x, near_y = own.within(x, radius) - 1, other.within(x, radius)
    one_x, one_y = 0.5 / n, 0.5 / m
    mass = one_x * near_x + one_y * near_y
    count = mass**2 / (one_x**2 * near_x + one_y**2 * near_y)
    log = namespace(mass).log
    log_p = _digamma(near_x) - math.log(n)
    log_m = log(mass) + _digamma(count) - log(count)
    return (log_p - log_m).mean()


def _digamma(values: Array) -> Array:
    """The digamma function of positive numbers."""
    if is_tensor(values):
        return values.digamma()
    from scipy.special import digamma

    return digamma(values)


class _Index(Protocol):
    def kth(self, query: Array, k: int) -> tuple[Array, Array]:
        """Distance to the k-th nearest point, counted from 1, and its number, shapes (n,)."""

    def within(self, query: Array, radius: Array) -> Array:
        """Return how many points lie within the radius of each query, shape (n,), as floats."""


def _index(points: Array) -> _Index:
    return _Tree(points) if points.shape[1] <= _TREE and str(device(points)) == "cpu" else _Pairs(points)


class _Tree:
    def __init__(self, points: Array) -> None:
        from scipy.spatial import cKDTree

        self.tree = cKDTree(as_numpy(points))

    def kth(self, query: Array, k: int) -> tuple[Array, Array]:
        points = as_numpy(query)
        parts = [self.tree.query(points[rows], [k]) for rows in tiles_of(len(points), 1, _ROWS)]
        distance, number = (np.concatenate(side)[:, 0] for side in zip(*parts, strict=True))
        return beside(distance, query), beside(number.astype(np.int64), query)

    def within(self, query: Array, radius: Array) -> Array:
        points, far = as_numpy(query), as_numpy(radius)
        parts = [
            self.tree.query_ball_point(points[rows], far[rows], return_length=True)
            for rows in tiles_of(len(points), 1, _ROWS)
        ]
        return beside(np.concatenate(parts).astype(np.float64), query)


class _Pairs:
    def __init__(self, points: Array) -> None:
        self.points = points

    def kth(self, query: Array, k: int) -> tuple[Array, Array]:
        concat = namespace(query).concat
        distances, numbers = zip(
            *(_kth(self._distances(query[rows]), k) for rows in self._blocks(query)), strict=True
        )
        return concat(distances), concat(numbers)

    def within(self, query: Array, radius: Array) -> Array:
        counts = [(self._distances(query[rows]) <= radius[rows, None]).sum(1) for rows in self._blocks(query)]
        return double(namespace(query).concat(counts))

    def _blocks(self, query: Array) -> Iterator[slice]:
        return tiles_of(len(query), len(self.points), _BLOCK)

    def _distances(self, block: Array) -> Array:
        return raised(squared_distances(block[None], self.points[None], exact=True)[0], 0.5)


def _kth(distances: Array, k: int) -> tuple[Array, Array]:
    """The k-th smallest of every row, and its place."""
    if is_tensor(distances):
        found = distances.kthvalue(k, dim=1)
        return found.values, found.indices
    place = np.argpartition(distances, k - 1, axis=1)[:, k - 1]
    return distances[np.arange(len(distances)), place], place
