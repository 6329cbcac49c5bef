"""The Bures–Wasserstein distance: transport between Gaussians that have the moments of the samples."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from otgan.autograd import once
from otgan.distances.distance import Distance
from otgan.distances.metric import Length
from otgan.distances.scaled import in_units, lengths
from otgan.distances.terms import Terms
from otgan.form import Form
from otgan.pair import Pair, pair
from otgan.quiet import quiet
from otgan.rooted import root
from otgan.spelling import answer_misspelt

if TYPE_CHECKING:
    from otgan.distributed.parts import Part, Parts
    from otgan.distributed.ranks import Ranks

__all__ = ["METRIC", "bures"]

_UNIT = 2.0**-52
"""The distance from 1 to the next number of float64."""


@quiet
@answer_misspelt
def bures(x: Any, y: Any, a: Any = None, b: Any = None) -> Any:
    r"""Bures–Wasserstein distance: W₂ between the Gaussians with the means and covariances of the samples; the root is taken.

    (‖μ − ν‖² + tr Σ + tr Γ − 2 tr (Σ^½ Γ Σ^½)^½)^½, with means μ, ν and covariances Σ, Γ of the weighted samples, divided
    by the total weight (by n, not n − 1). It is a lower bound of :func:`otgan.emd` at p = 2, and sees moments alone.

    Covariances may be of any rank, fewer samples than dimensions included: none is formed. With the weighted, centered
    samples as rows of X and Y, tr (Σ^½ Γ Σ^½)^½ is the sum of the singular values of X Yᵀ, and the distance is what a
    rotation leaves between the triangular factors of X and Y: without cancellation, down to 0.

    Parameters
    ----------
    x, y : array-like
        Samples of shape (n, d) and (m, d), or (n,) and (m,) on the line; batches as for :func:`otgan.transport`.
    a, b : array-like, optional
        Weights, uniform if omitted; each side is normalized to total 1. Samples of weight 0 are left out.

    Returns
    -------
    float, ndarray of B, or Tensor
        In the units of the samples; 0 where it is below what rounding leaves. A tensor carries gradients in points and
        weights, 0 at distance 0. A sample of weight 0 gets the gradient of its normalization only.

    Raises
    ------
    TypeError, ValueError
        If the input is not what is expected.
    OverflowError
        If the distance is beyond the range of the samples' type.

    See Also
    --------
    otgan.emd : Exact transport, as a length.
    otgan.sliced : Transport along random directions.

    Notes
    -----
    .. math::

        \Bigl(\lVert \mu - \nu \rVert^2 + \operatorname{tr} \Sigma + \operatorname{tr} \Gamma
        - 2 \operatorname{tr}\, (\Sigma^{1/2}\, \Gamma\, \Sigma^{1/2})^{1/2}\Bigr)^{1/2}

    References
    ----------
    D. Dowson, B. Landau, "The Fréchet distance between multivariate normal distributions", J. Multivar. Anal. 12(3), 1982.
    R. Bhatia, T. Jain, Y. Lim, "On the Bures–Wasserstein distance between positive definite matrices", Expo. Math.
    37(2), 2019.

    Examples
    --------
    >>> import otgan
    >>> otgan.bures([0.0, 2.0], [1.0, 7.0])  # means 1 and 4, standard deviations 1 and 3
    3.605551275463989
    """
    both = pair(x, y, a, b)
    return Form.of(both).scalar(_bures(both))


def _bures(both: Pair) -> Tensor:
    """The distance of each problem, shape (B,)."""
    inside, unit = in_units(both)
    square: Tensor = _Square.apply(inside.x.points, inside.y.points, inside.x.weights, inside.y.weights)
    return lengths(root(square, 2) * unit, both.x.dtype)


class _Square(torch.autograd.Function):
    """The squared distance. At the best rotation its derivatives are those with the rotation held (envelope theorem)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
        mean_x, rows_x = _moments(x, a)
        mean_y, rows_y = _moments(y, b)
        (q, r), (s, t) = (torch.linalg.qr(rows) for rows in (rows_x, rows_y))
        size = (a * x.square().sum(2)).sum(1) + (b * y.square().sum(2)).sum(1)
        square, rotation = _apart(mean_x - mean_y, r, t, size)
        ctx.save_for_backward(x, y, a, b, q, s, rotation)
        return square

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, y, a, b, q, s, rotation = (each.detach() for each in ctx.saved_tensors)
        with torch.enable_grad():
            inputs = [each.clone().requires_grad_() for each in (x, y, a, b)]
            mean_x, rows_x = _moments(inputs[0], inputs[2])
            mean_y, rows_y = _moments(inputs[1], inputs[3])
            r, t = _as_tall(q.mT @ rows_x, s.mT @ rows_y)
            square = (
                (mean_x - mean_y).square().sum((1, 2))
                + rows_x.square().sum((1, 2))
                + rows_y.square().sum((1, 2))
                - 2 * (r * (rotation @ t)).sum((1, 2))
            )
            found = torch.autograd.grad((upstream.detach() * square).sum(), inputs)
        if torch.is_grad_enabled():  # create_graph=True
            found = tuple(once(each, *ctx.saved_tensors[:4]) for each in found)
        return tuple(each if need else None for each, need in zip(found, ctx.needs_input_grad, strict=True))


def _apart(means: Tensor, r: Tensor, t: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """The squared distance of Gaussians with triangular factors of their covariances, and the best rotation of one factor.

    What is below the rounding of squares of points, of which the mean is `size`, is 0.
    """
    r, t = _as_tall(r, t)
    left, _, right = torch.linalg.svd(r @ t.mT)
    rotation = left @ right
    square = means.square().sum((1, 2)) + (r - rotation @ t).square().sum((1, 2))
    return torch.where(square <= size * r.shape[1] * (8 * _UNIT) ** 2, 0.0, square), rotation


def _moments(points: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of shape (B, 1, d), and rows √aᵢ (xᵢ − μ), whose Gram matrix is the covariance."""
    mean = weights[:, None] @ points
    held = weights > 0
    roots = torch.where(held, torch.where(held, weights, 1.0).sqrt(), 0.0)
    return mean, roots[..., None] * (points - mean)


def _as_tall(r: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Fill the shorter of two matrices up with rows of 0."""
    k = max(r.shape[1], t.shape[1])
    pad = torch.nn.functional.pad
    return pad(r, (0, 0, 0, k - r.shape[1])), pad(t, (0, 0, 0, k - t.shape[1]))


def _factor(ranks: Ranks, side: Part) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (1, 1, d), triangular factor of the covariance, and mean square of points of a set that ranks share.

    The factor of all rows is that of the ranks' factors, one above the other.
    """
    points, weights = side.points[None], side.weights[None]
    mean = ranks.summed(weights[:, None] @ points)
    size = ranks.summed((weights * points.square().sum(2)).sum(1))
    rows = weights.sqrt()[..., None] * (points - mean)
    own: Tensor = torch.linalg.qr(rows, mode="r").R if len(side.points) else rows
    factors = ranks.rows(own, ranks.all_of(own.shape[1]))
    return mean, torch.linalg.qr(factors, mode="r").R, size


class _GaussianTransport(Length):
    symbol = "BW"

    def title(self, p: float | None) -> str:
        del p
        return "Bures W_2"

    def evaluate(self, both: Pair, terms: Terms) -> Tensor:
        del terms
        return _bures(both)

    def shared(self, parts: Parts, terms: Terms) -> Distance:
        start = time.perf_counter()
        inside, unit = parts.in_units()
        (mean_x, r, size_x), (mean_y, t, size_y) = (
            _factor(inside.ranks, side) for side in (inside.x, inside.y)
        )
        square, _ = _apart(mean_x - mean_y, r, t, size_x + size_y)
        value = float(inside.ranks.of_first(lengths(root(square, 2) * unit, torch.float64)))
        return self.distance(terms, value, self.how(terms), time.perf_counter() - start)

    def how(self, terms: Terms) -> str:
        del terms
        return "moments"

    def certificate(self, distance: Distance) -> str:
        del distance
        return "solved: singular values"


METRIC = _GaussianTransport(bures)
