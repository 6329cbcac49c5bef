"""Ground costs ‖x − y‖₂^p between two supports."""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.memory import empty
from otgan.rounding import CostError

__all__ = ["MANY", "NEAR", "cost_error", "cost_matrix", "mean_cost", "origin_of", "squared_distances"]

_DIRECT = 3
"""Up to this dimension exact squares are summed coordinate by coordinate."""

NEAR = 1e-4
"""Share of ‖x‖² + ‖y‖² below which an exact square is recomputed from differences, in float64."""

MANY = 0.05
"""Share of the entries from which on recomputing all of them is faster."""

_TILE = 2**20
"""Entries of a block of costs that is formed in passing."""


def origin_of(x: Tensor, y: Tensor) -> Tensor:
    """A point near both clouds, (B, 1, d), about which the expansion of squared distances cancels least."""
    return 0.5 * (x.mean(-2, keepdim=True) + y.mean(-2, keepdim=True))


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
    if (exact or direct) and x.shape[-1] <= _DIRECT:
        square = empty((*x.shape[:-1], y.shape[-2]), x.dtype, x.device).zero_()
        for k in range(x.shape[-1]):
            difference = x[..., :, None, k] - y[..., None, :, k]
            square.addcmul_(difference, difference)
        return square
    if direct:
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square_()
    origin = origin_of(x, y) if origin is None else origin
    here, there = x - origin, y - origin
    norm_x, norm_y = here.square().sum(-1, keepdim=True), there.square().sum(-1, keepdim=True)
    # (−2x, ‖x‖², 1) · (y, 1, ‖y‖²): the whole expansion in one product.
    left = torch.cat([-2 * here, norm_x, torch.ones_like(norm_x)], -1)
    right = torch.cat([there, torch.ones_like(norm_y), norm_y], -1)
    square = _inner(left, right).clamp_min_(0)
    if exact:
        few = NEAR if x.dtype == torch.float64 else 1e-3
        near = square <= few * (norm_x + norm_y.mT)
        if int(near.sum()) > MANY * near.numel():
            return squared_distances(x, y, direct=True)
        for part in zip(
            *(index.split(2**22 // x.shape[-1] + 1) for index in near.nonzero(as_tuple=True)), strict=True
        ):
            batch, i, j = part
            square[part] = (x[batch, i] - y[batch, j]).square().sum(-1)
    return square


def _inner(x: Tensor, y: Tensor) -> Tensor:
    """Inner products ⟨xᵢ, yⱼ⟩ in full precision, whatever TF32 setting the process has.

    On CUDA a float32 operand is split into a part with ten mantissa bits, which TF32 represents exactly,
    and the rest; the products of the parts then lose nothing that float32 would keep. No global flag is
    touched, so threads cannot race for it.
    """
    if x.device.type != "cuda" or x.dtype != torch.float32:
        if (
            x.ndim != 3
            or x.shape[0] > 1
            or (torch.is_grad_enabled() and (x.requires_grad or y.requires_grad))
        ):
            return products(x, y)
        return products(x, y, out=empty((1, x.shape[1], y.shape[1]), x.dtype, x.device))
    x_high, y_high = _high_bits(x), _high_bits(y)
    return x_high @ y_high.mT + (x_high @ (y - y_high).mT + (x - x_high) @ y.mT)


def products(x: Tensor, y: Tensor, out: Tensor | None = None) -> Tensor:
    """x yᵀ for batches; one problem goes to the plain product, which is several times faster for few columns."""
    if x.ndim < 3 or x.shape[0] > 1:
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
    square = squared_distances(x, y, exact=exact or p != 2, direct=direct, origin=origin)
    if p == 2:
        return square
    return square.sqrt_() if p == 1 else square.pow_(p / 2)


def cost_error(
    x: Tensor, y: Tensor, p: float, *, direct: bool, origin: Tensor, exact: bool = False
) -> CostError:
    """Return how far what :func:`cost_matrix` gives in float64 may be from the costs."""
    exact = exact or p != 2
    if direct or (exact and x.shape[-1] <= _DIRECT):
        return CostError.of_differences(x, y, p)
    return CostError.of_expansion(x, y, p, origin, NEAR if exact else 0.0)


def mean_cost(x: Tensor, y: Tensor, a: Tensor, b: Tensor, p: float) -> Tensor:
    """Mean cost Σ aᵢ bⱼ ‖xᵢ − yⱼ‖^p of independent draws, shape (B,), float64.

    For p = 2 it follows from the moments; for other p the matrix is visited in tiles.
    """
    a, b = a / a.sum(-1, keepdim=True), b / b.sum(-1, keepdim=True)
    x, y = x.double(), y.double()
    if p == 2:
        center_x, center_y = (a[:, None] @ x)[:, 0], (b[:, None] @ y)[:, 0]
        spread_x = (a * (x - center_x[:, None]).square().sum(-1)).sum(-1)
        spread_y = (b * (y - center_y[:, None]).square().sum(-1)).sum(-1)
        return spread_x + spread_y + (center_x - center_y).square().sum(-1)
    rows = max(1, _TILE // max(1, x.shape[0] * y.shape[1]))
    parts = [
        (cost_matrix(x[:, i : i + rows], y, p) @ b[..., None] * a[:, i : i + rows, None]).sum((-2, -1))
        for i in range(0, x.shape[1], rows)
    ]
    return torch.stack(parts).sum(0)
