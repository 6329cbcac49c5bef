"""Squared Euclidean distances as products of matrices, and their powers."""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.memory import empty

__all__ = [
    "DIRECT",
    "MANY",
    "NEAR",
    "SQUARES",
    "cost_matrix",
    "factors",
    "power_of",
    "products",
    "squared_distances",
]

SQUARES = 2
"""The power at which costs are squared distances."""

_BATCH = 3
"""Dimensions of a batch of points."""

DIRECT = 3
"""Up to this dimension exact squares are summed coordinate by coordinate."""

NEAR = 1e-4
"""Share of ‖x‖² + ‖y‖² below which an exact square is recomputed from differences, in float64."""

MANY = 0.05
"""Share of the entries from which on recomputing all of them is faster."""


def squared_distances(
    x: Tensor, y: Tensor, *, exact: bool = False, direct: bool = False, origin: Tensor | None = None
) -> Tensor:
    """Squared Euclidean distances ‖xᵢ − yⱼ‖² of shape (B, n, m).

    Parameters
    ----------
    x, y : Tensor, shapes (B, n, d) and (B, m, d)
    exact : bool
        Recompute from differences the entries that the expansion ‖x‖² + ‖y‖² − 2⟨x, y⟩ leaves with few correct
        digits, so that coincident points are at distance 0 and near ones keep their relative accuracy.
        Without it the error is relative to the size of the clouds.
    direct : bool
        Compute every entry from differences, to full relative accuracy, many times slower in many dimensions.
    origin : Tensor, shape (B, 1, d), optional
        What the expansion is taken about; a point between the clouds by default.
    """
    if (exact or direct) and x.shape[-1] <= DIRECT:
        square = empty((*x.shape[:-1], y.shape[-2]), x.dtype, x.device).zero_()
        for k in range(x.shape[-1]):
            difference = x[..., :, None, k] - y[..., None, :, k]
            square.addcmul_(difference, difference)
        return square
    if direct:
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square_()
    origin = 0.5 * (x.mean(-2, keepdim=True) + y.mean(-2, keepdim=True)) if origin is None else origin
    left, right = factors(x - origin, y - origin)
    square = _inner(left, right).clamp_min_(0)
    if exact:
        few = NEAR if x.dtype == torch.float64 else 1e-3
        near = square <= few * (left[..., -2:-1] + right[..., -1:].mT)
        if int(near.sum()) > MANY * near.numel():
            return squared_distances(x, y, direct=True)
        for part in zip(
            *(index.split(2**22 // x.shape[-1] + 1) for index in near.nonzero(as_tuple=True)), strict=True
        ):
            batch, i, j = part
            square[part] = (x[batch, i] - y[batch, j]).square().sum(-1)
    return square


def factors(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """(−2x, ‖x‖², 1) and (y, 1, ‖y‖²), whose product is the whole expansion."""
    norm_x, norm_y = x.square().sum(-1, keepdim=True), y.square().sum(-1, keepdim=True)
    left = torch.cat([-2 * x, norm_x, torch.ones_like(norm_x)], -1)
    return left, torch.cat([y, torch.ones_like(norm_y), norm_y], -1)


def power_of(square: Tensor, p: float) -> Tensor:
    """r^p of squares r², overwriting them."""
    if p == SQUARES:
        return square
    return square.sqrt_() if p == 1 else square.pow_(p / 2)


def _inner(x: Tensor, y: Tensor) -> Tensor:
    """Inner products ⟨xᵢ, yⱼ⟩ in full precision, whatever TF32 setting the process has.

    On CUDA a float32 operand is split into a part with ten mantissa bits, which TF32 represents exactly,
    and the rest; the products of the parts then lose nothing that float32 would keep. No global flag is
    touched, so threads cannot race for it.
    """
    if x.device.type != "cuda" or x.dtype != torch.float32:
        if (
            x.ndim != _BATCH
            or x.shape[0] > 1
            or (torch.is_grad_enabled() and (x.requires_grad or y.requires_grad))
        ):
            return products(x, y)
        return products(x, y, out=empty((1, x.shape[1], y.shape[1]), x.dtype, x.device))
    x_high, y_high = _high_bits(x), _high_bits(y)
    return x_high @ y_high.mT + (x_high @ (y - y_high).mT + (x - x_high) @ y.mT)


def products(x: Tensor, y: Tensor, out: Tensor | None = None) -> Tensor:
    """x yᵀ for batches; one problem goes to the plain product, which is several times faster for few columns."""
    if x.ndim < _BATCH or x.shape[0] > 1:
        return torch.matmul(x, y.mT, out=out)
    if out is None:
        return torch.mm(x[0], y[0].T)[None]
    torch.mm(x[0], y[0].T, out=out[0])
    return out


def _high_bits(x: Tensor) -> Tensor:
    return (x.view(torch.int32) & -8192).view(torch.float32)


def cost_matrix(
    x: Tensor,
    y: Tensor,
    p: float,
    *,
    exact: bool = False,
    direct: bool = False,
    origin: Tensor | None = None,
) -> Tensor:
    """Costs ‖xᵢ − yⱼ‖₂^p of shape (B, n, m); the options are those of :func:`squared_distances`."""
    return power_of(squared_distances(x, y, exact=exact or p != SQUARES, direct=direct, origin=origin), p)
