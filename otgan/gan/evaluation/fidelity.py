"""How good images are: distances between feature vectors of real and generated ones, class shares, sharpness."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["class_tv", "frechet", "kernel_distance", "neighborhoods", "sharpness"]

Rows = NDArray[Any]


def frechet(x: Rows, y: Rows) -> float:
    """‖μ_x − μ_y‖² + tr(Σ_x + Σ_y − 2 (Σ_x^½ Σ_y Σ_x^½)^½): the squared W₂ between Gaussians of these moments.

    The root is taken of the eigenvalues of a symmetric matrix, so that it is never complex, also where there are fewer
    samples than dimensions.

    Parameters
    ----------
    x, y : ndarray, shapes (n, d) and (m, d)

    Returns
    -------
    float
        In squared units of the features.

    References
    ----------
    Dowson & Landau 1982; Heusel et al. 2017, who take other features.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    shift = x.mean(0) - y.mean(0)
    cov_x, cov_y = np.atleast_2d(np.cov(x, rowvar=False)), np.atleast_2d(np.cov(y, rowvar=False))
    values, vectors = np.linalg.eigh(cov_x)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ cov_y @ root).clip(0)).sum()
    return float(max(shift @ shift + np.trace(cov_x) + np.trace(cov_y) - 2 * cross, 0.0))


def kernel_distance(x: Rows, y: Rows) -> float:
    """Unbiased squared MMD under the kernel (⟨u, v⟩ / d + 1)³; it may be negative.

    References
    ----------
    Bińkowski et al. 2018, the KID, who take other features.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    n, m, d = len(x), len(y), x.shape[1]

    def kernel(u: Rows, v: Rows) -> Rows:
        gram: Rows = (u @ v.T / d + 1) ** 3
        return gram

    within_x, within_y = kernel(x, x), kernel(y, y)
    return float(
        (within_x.sum() - np.trace(within_x)) / (n * (n - 1))
        + (within_y.sum() - np.trace(within_y)) / (m * (m - 1))
        - 2 * kernel(x, y).mean()
    )


def neighborhoods(real: Rows, fake: Rows, k: int = 5) -> dict[str, float]:
    """Precision, recall, density and coverage by balls that reach to the k-th nearest neighbor of their own kind.

    Parameters
    ----------
    real, fake : ndarray, shapes (n, d) and (m, d)
    k : int, default 5

    Returns
    -------
    dict
        ``precision``, the share of fakes in some real ball; ``recall``, of reals in some fake ball; ``density``, the
        mean number of real balls about a fake, over k, which may exceed 1; ``coverage``, the share of real balls that
        hold a fake.

    References
    ----------
    Kynkäänniemi et al. 2019; Naeem et al. 2020.
    """
    x, y = torch.as_tensor(real, dtype=torch.float64), torch.as_tensor(fake, dtype=torch.float64)
    real_reach = torch.cdist(x, x).kthvalue(k + 1, dim=1).values  # the nearest of all is the point itself
    fake_reach = torch.cdist(y, y).kthvalue(k + 1, dim=1).values
    across = torch.cdist(x, y)
    in_real = across <= real_reach[:, None]
    return {
        "precision": float(in_real.any(0).double().mean()),
        "recall": float((across <= fake_reach).any(1).double().mean()),
        "density": float(in_real.sum(0).double().mean() / k),
        "coverage": float(in_real.any(1).double().mean()),
    }


def class_tv(real: NDArray[np.int64], fake: NDArray[np.int64], classes: int) -> float:
    """Total variation ½ Σ |p − q| between the shares of the classes."""
    p, q = (np.bincount(labels, minlength=classes) / len(labels) for labels in (real, fake))
    return float(0.5 * np.abs(p - q).sum())


def sharpness(images: Rows) -> float:
    """Mean over the images of the variance of their Laplacian, Σ of the four neighbors − 4 × the pixel: blur lowers it.

    Parameters
    ----------
    images : ndarray, shape (n, C, H, W)

    Returns
    -------
    float
        In squared units of the pixels.

    References
    ----------
    Pech-Pacheco et al. 2000.
    """
    x = np.asarray(images, np.float64)
    inner = x[..., 1:-1, 1:-1]
    if not inner.size:  # no pixel has four neighbors
        return 0.0
    around = x[..., :-2, 1:-1] + x[..., 2:, 1:-1] + x[..., 1:-1, :-2] + x[..., 1:-1, 2:]
    return float((around - 4 * inner).var(axis=(1, 2, 3)).mean())
