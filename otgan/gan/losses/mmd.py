"""The maximum mean discrepancy between sets of codes, with the kernel of the Wasserstein autoencoder."""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.gan.losses.ground_cost import ground_cost
from otgan.gan.streams import Stream, seeded

__all__ = ["inverse_multiquadratic", "mmd", "mmd_by_class", "permutation_band"]

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def inverse_multiquadratic(x: Tensor, y: Tensor, scale: float) -> Tensor:
    """Kernel Σ_s s C / (s C + ‖x_i − y_j‖²), s from .1 to 10; shape (n, m).

    Parameters
    ----------
    x, y : Tensor, shapes (n, d) and (m, d)
    scale : float
        C: for a prior of variance σ² in each coordinate 2 d σ², the mean squared distance between two of its draws.

    References
    ----------
    Tolstikhin et al. 2018, Wasserstein Auto-Encoders.
    """
    squares = ground_cost(x, y, 2)
    return sum((s * scale / (s * scale + squares) for s in SCALES), torch.zeros_like(squares))


def mmd(x: Tensor, y: Tensor, scale: float) -> Tensor:
    """Unbiased estimate of the squared MMD, a U-statistic, which is negative about half of the time where x and y agree.

    Parameters
    ----------
    x, y : Tensor, shapes (n, d) and (m, d), n and m at least 2
    scale : float
        As for :func:`inverse_multiquadratic`.
    """
    within = [inverse_multiquadratic(points, points, scale) for points in (x, y)]
    means = [(gram.sum() - gram.diagonal().sum()) / (len(gram) * (len(gram) - 1)) for gram in within]
    return means[0] + means[1] - 2 * inverse_multiquadratic(x, y, scale).mean()


def mmd_by_class(x: Tensor, y: Tensor, label: Tensor, scale: float) -> Tensor:
    """Mean over rows of :func:`mmd` between those of x and those of y that are of the row's class; 0 for a class of one row.

    Parameters
    ----------
    x, y : Tensor, shape (n, d)
    label : Tensor of int64, shape (n,)
        The class of row i, of x and of y.
    scale : float
        As for :func:`inverse_multiquadratic`.
    """
    same = label[:, None] == label
    count = same.sum(1)
    same = (same & (count > 1)).to(x.dtype)
    across = same / (len(x) * count)
    within = (same / (len(x) * (count - 1).clamp_min(1))).fill_diagonal_(0)
    return sum(
        (
            (weights * inverse_multiquadratic(u, v, scale)).sum()
            for u, v, weights in ((x, x, within), (y, y, within), (x, y, -2 * across))
        ),
        x.new_zeros(()),
    )


@torch.no_grad()
def permutation_band(x: Tensor, y: Tensor, scale: float, *, level: float = 0.95, n: int = 500) -> float:
    """Return what :func:`mmd` exceeds with probability 1 − level where x and y are of one law.

    The quantile of its values over `n` random divisions of the pooled rows, always the same ones.

    Parameters
    ----------
    x, y : Tensor, shapes (n, d) and (m, d)
    scale : float
    level : float, default .95
    n : int, default 500
    """
    pooled = torch.cat([x, y])
    gram = inverse_multiquadratic(pooled, pooled, scale).fill_diagonal_(0)
    rng = seeded(gram.device, 0, Stream.DIVISIONS)
    order = torch.rand(n, len(pooled), generator=rng, device=gram.device).argsort(1)
    left = (order < len(x)).to(gram.dtype)
    right = 1 - left
    from_left = left @ gram
    within_left, across = (from_left * left).sum(1), (from_left * right).sum(1)
    within_right = gram.sum() - within_left - 2 * across
    found = (
        within_left / (len(x) * (len(x) - 1))
        + within_right / (len(y) * (len(y) - 1))
        - 2 * across / (len(x) * len(y))
    )
    return float(found.quantile(level))
