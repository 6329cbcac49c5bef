"""Ground costs ‖x − y‖₂^p, and the conventions by which users state a scale: epsilon, blur, reach."""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor

from otgan.memory import empty

__all__ = ["RELATIVE_EPSILON", "check_power", "cost_matrix", "mean_cost", "resolve_epsilon", "resolve_reach"]

RELATIVE_EPSILON = 0.05
"""ε as a share of the mean cost Σ aᵢ bⱼ Cᵢⱼ where neither `epsilon` nor `blur` is given."""

_DIRECT = 3
"""Up to this dimension exact squares are summed coordinate by coordinate."""

_TILE = 2**20
"""Entries of a block of costs that is formed in passing."""


def check_power(p: float) -> float:
    """Return p as a float, or raise where it is no power p >= 1."""
    if isinstance(p, bool) or not isinstance(p, Real) or not (1 <= p < math.inf):
        raise ValueError(
            f"p must be a finite number >= 1 (the cost is the distance to the power p), got {p!r}"
        )
    return float(p)


def squared_distances(x: Tensor, y: Tensor, *, exact: bool = False) -> Tensor:
    """Squared Euclidean distances ‖xᵢ − yⱼ‖² of shape (B, n, m).

    Parameters
    ----------
    x, y : Tensor, shapes (B, n, d) and (B, m, d)
    exact : bool
        Recompute from differences the entries that the expansion ‖x‖² + ‖y‖² − 2⟨x, y⟩ leaves with few correct
        digits, so that coincident points are at distance 0 and near ones keep their relative accuracy.
        Without it the error is relative to the size of the clouds.
    """
    if exact and x.shape[-1] <= _DIRECT:
        square = empty((*x.shape[:-1], y.shape[-2]), x.dtype, x.device).zero_()
        for k in range(x.shape[-1]):
            difference = x[..., :, None, k] - y[..., None, :, k]
            square.addcmul_(difference, difference)
        return square
    # One shared origin near both clouds keeps the expansion from cancelling.
    origin = 0.5 * (x.mean(-2, keepdim=True) + y.mean(-2, keepdim=True))
    x, y = x - origin, y - origin
    norm_x, norm_y = x.square().sum(-1, keepdim=True), y.square().sum(-1, keepdim=True)
    # (−2x, ‖x‖², 1) · (y, 1, ‖y‖²): the whole expansion in one product.
    left = torch.cat([-2 * x, norm_x, torch.ones_like(norm_x)], -1)
    right = torch.cat([y, torch.ones_like(norm_y), norm_y], -1)
    square = _inner(left, right).clamp_min_(0)
    if exact:
        few = 1e-6 if x.dtype == torch.float64 else 1e-3
        near = (square <= few * (norm_x + norm_y.mT)).nonzero(as_tuple=True)
        for part in zip(*(index.split(2**22 // x.shape[-1] + 1) for index in near), strict=True):
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


def cost_matrix(x: Tensor, y: Tensor, p: float, *, exact: bool = False) -> Tensor:
    """Costs ‖xᵢ − yⱼ‖₂^p of shape (B, n, m); `exact` as in :func:`squared_distances`."""
    square = squared_distances(x, y, exact=exact or p != 2)
    if p == 2:
        return square
    return square.sqrt_() if p == 1 else square.pow_(p / 2)


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


def resolve_epsilon(epsilon: object, blur: object, p: float) -> Tensor | None:
    """Turn `epsilon` or `blur` into ε in units of the cost, shape () or (B,); None where neither is given.

    A blur is a length: ε = p · blur^p.
    """
    if epsilon is not None and blur is not None:
        raise ValueError(
            f"give epsilon or blur, not both (got epsilon={epsilon!r}, blur={blur!r}); epsilon = p * blur**p"
        )
    if epsilon is not None:
        return _positive(epsilon, "epsilon")
    if blur is not None:
        return p * _positive(blur, "blur") ** p
    return None


def resolve_reach(reach: object, p: float) -> Tensor | None:
    """Turn `reach`, a length, into the marginal penalty ρ = p · reach^p; None for balanced transport."""
    return None if reach is None else p * _positive(reach, "reach") ** p


def _positive(value: object, name: str) -> Tensor:
    tensor = torch.as_tensor(value, dtype=torch.float64).detach()
    if tensor.ndim > 1 or not bool((torch.isfinite(tensor) & (tensor > 0)).all()):
        raise ValueError(f"{name} must be a positive finite number (or one a problem), got {value!r}")
    return tensor
