"""Distances between all pairs of points, and their powers: squared Euclidean ones as products of matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from otgan.blas import times_transposed
from otgan.memory import empty
from otgan.namespace import Array, is_double, is_tensor, namespace, need_gradients, square_norms

__all__ = [
    "DIRECT",
    "MANY",
    "NEAR",
    "SQUARES",
    "cost_matrix",
    "factors",
    "pair_norms",
    "power_of",
    "products",
    "raised",
    "squared_distances",
]

SQUARES = 2
"""The power at which costs are squared distances."""

_ROOT = 0.5
"""The power of a square root."""

_BATCH = 3
"""Dimensions of a batch of points."""

DIRECT = 3
"""Up to this dimension exact squares are summed coordinate by coordinate."""

NEAR = 1e-4
"""Share of ‖x‖² + ‖y‖² below which an exact square is recomputed from differences, in float64."""

MANY = 0.05
"""Share of the entries from which on recomputing all of them is faster."""


def squared_distances(
    x: Array, y: Array, *, exact: bool = False, direct: bool = False, origin: Array | None = None
) -> Array:
    """Squared Euclidean distances ‖xᵢ − yⱼ‖² of shape (B, n, m).

    Parameters
    ----------
    x, y : Array, shapes (B, n, d) and (B, m, d)
    exact : bool
        Recompute from differences the entries that the expansion ‖x‖² + ‖y‖² − 2⟨x, y⟩ leaves with few correct
        digits, so that coincident points are at distance 0 and near ones keep their relative accuracy.
        Without it the error is relative to the size of the clouds.
    direct : bool
        Compute every entry from differences, to full relative accuracy, many times slower in many dimensions.
    origin : Array, shape (B, 1, d), optional
        What the expansion is taken about; a point between the clouds by default.
    """
    if (exact or direct) and x.shape[-1] <= DIRECT:
        return _by_coordinates(x, y)
    if direct:
        return raised(pair_norms(x, y, 2), 2)
    origin = 0.5 * (x.mean(-2) + y.mean(-2))[..., None, :] if origin is None else origin
    left, right = factors(x, y, origin)
    square, xp = _inner(left, right), namespace(x)
    if is_tensor(square):
        square.clamp_min_(0)
    else:
        np.maximum(square, 0, out=square)
    if exact:
        few = NEAR if is_double(x.dtype) else 1e-3
        near = square <= few * (left[..., -2:-1] + right[..., -1:].mT)
        if int(near.sum()) > MANY * math.prod(near.shape):
            return squared_distances(x, y, direct=True)
        batch, i, j = xp.nonzero(near)
        step = 2**22 // x.shape[-1] + 1
        for start in range(0, len(batch), step):
            k, row, column = (index[start : start + step] for index in (batch, i, j))
            square[k, row, column] = xp.square(x[k, row] - y[k, column]).sum(-1)
    return square


def _by_coordinates(x: Array, y: Array) -> Array:
    """Squared distances as sums of the squares of the coordinates' differences."""
    if is_tensor(x):
        square = empty((*x.shape[:-1], y.shape[-2]), x.dtype, x.device).zero_()
        for k in range(x.shape[-1]):
            difference = x[..., :, None, k] - y[..., None, :, k]
            square.addcmul_(difference, difference)
        return square
    square = np.square(x[..., :, None, 0] - y[..., None, :, 0])
    for k in range(1, x.shape[-1]):
        difference = x[..., :, None, k] - y[..., None, :, k]
        difference *= difference
        square += difference
    return square


def pair_norms(x: Array, y: Array, order: float) -> Array:
    """The norms ‖xᵢ − yⱼ‖ of an order, 1, 2 or ∞, from differences, shape (B, n, m)."""
    if is_tensor(x):
        import torch

        found: Array = torch.cdist(x, y, p=order, compute_mode="donot_use_mm_for_euclid_dist")
        return found
    from scipy.spatial.distance import cdist

    name: Any = {1: "cityblock", 2: "euclidean", math.inf: "chebyshev"}[order]
    return np.stack([cdist(*both, name) for both in zip(x, y, strict=True)]).astype(x.dtype, copy=False)


def factors(x: Array, y: Array, origin: Array | None = None) -> tuple[Array, Array]:
    """(−2x, ‖x‖², 1) and (y, 1, ‖y‖²), of points about an origin, whose product is the whole expansion."""
    if is_tensor(x):
        x, y = (x, y) if origin is None else (x - origin, y - origin)
        norm_x, norm_y = square_norms(x)[..., None], square_norms(y)[..., None]
        xp = namespace(x)
        left = xp.concat([-2 * x, norm_x, xp.ones_like(norm_x)], axis=-1)
        return left, xp.concat([y, xp.ones_like(norm_y), norm_y], axis=-1)
    d = x.shape[-1]
    left, right = (np.empty((*side.shape[:-1], d + 2), side.dtype) for side in (x, y))
    for side, whole, norm, one in ((x, left, d, d + 1), (y, right, d + 1, d)):
        np.subtract(side, 0.0 if origin is None else origin, out=whole[..., :d])
        whole[..., norm] = square_norms(whole[..., :d])
        whole[..., one] = 1.0
    left[..., :d] *= -2
    return left, right


def power_of(square: Array, p: float) -> Array:
    """r^p of squares r², overwriting them."""
    return raised(square, p / 2)


def raised(array: Array, power: float) -> Array:
    """Numbers to a power, overwriting them."""
    if power == _ROOT:
        return namespace(array).sqrt(array, out=array)
    if power != 1:
        array **= power
    return array


def _inner(x: Array, y: Array) -> Array:
    """Inner products ⟨xᵢ, yⱼ⟩ in full precision, whatever TF32 setting the process has.

    On CUDA a float32 operand is split into a part with ten mantissa bits, which TF32 represents exactly,
    and the rest; the products of the parts then lose nothing that float32 would keep. No global flag is
    touched, so threads cannot race for it.
    """
    if not is_tensor(x):
        return times_transposed(x, y) if x.ndim == _BATCH else x @ y.mT
    if x.is_cuda and not is_double(x.dtype):
        x_high, y_high = _high_bits(x), _high_bits(y)
        return x_high @ y_high.mT + (x_high @ (y - y_high).mT + (x - x_high) @ y.mT)
    if x.ndim != _BATCH or x.shape[0] > 1 or need_gradients(x, y):
        return products(x, y)
    return products(x, y, out=empty((1, x.shape[1], y.shape[1]), x.dtype, x.device))


def products(x: Any, y: Any, out: Any = None) -> Any:
    """x yᵀ for batches of tensors; one problem goes to the plain product, several times faster for few columns."""
    import torch

    if x.ndim < _BATCH or x.shape[0] > 1:
        return torch.matmul(x, y.mT, out=out)
    if out is None:
        return torch.mm(x[0], y[0].T)[None]
    torch.mm(x[0], y[0].T, out=out[0])
    return out


def _high_bits(x: Any) -> Any:
    import torch

    return (x.view(torch.int32) & -8192).view(torch.float32)


def cost_matrix(
    x: Array,
    y: Array,
    p: float,
    *,
    exact: bool = False,
    direct: bool = False,
    origin: Array | None = None,
) -> Array:
    """Costs ‖xᵢ − yⱼ‖₂^p of shape (B, n, m); the options are those of :func:`squared_distances`."""
    return power_of(squared_distances(x, y, exact=exact or p != SQUARES, direct=direct, origin=origin), p)
