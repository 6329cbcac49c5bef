# Kernels are typed by Triton when they are compiled.
# mypy: disallow-untyped-defs=False
"""What the streaming kernels share: one tile of costs, computed from points and never stored.

Points come scaled by ε^(-1/p), so that the cost of two scaled points is the exponent C/ε itself, in units of log 2:
one multiplication less an entry, and `exp2` is the instruction that the chip has. Two ways lead to a tile:

* by differences, coordinate by coordinate: exact for coincident points, at every p, in float32 and float64;
* by the inner product on the tensor cores, for p = 2 and many coordinates, in the arithmetic that
  :class:`~otgan.geometry.triton.points.Precision` names.
"""

from __future__ import annotations

import triton
import triton.language as tl

from otgan.geometry.triton.device import INTERPRETED

__all__ = ["PLAIN", "SQUARED", "cost_tile", "load_vector"]

PLAIN, SQUARED = tl.constexpr(1.0), tl.constexpr(2.0)
"""Powers P at which a cost is the distance, and its square."""

# The interpreter keeps bfloat16 as integers and would multiply those.
_WIDEN = tl.constexpr(INTERPRETED)


@triton.jit
def load_vector(pointer, index, size, other):
    """Entries of a vector, and `other` past its end."""
    return tl.load(pointer + index, mask=index < size, other=other)


@triton.jit
def _by_differences(x, y, rows, columns, n, m, D: tl.constexpr, DTYPE: tl.constexpr):
    """Squared distances from points stored coordinate by coordinate, (D, n) and (D, m)."""
    square = tl.zeros((rows.shape[0], columns.shape[0]), dtype=DTYPE)
    for k in range(D):
        difference = (
            load_vector(x + k * n, rows, n, 0.0)[:, None] - load_vector(y + k * m, columns, m, 0.0)[None, :]
        )
        square += difference * difference
    return square


@triton.jit
def _high(values):
    """The nearest bfloat16."""
    half = values.to(tl.bfloat16)
    if _WIDEN:
        half = half.to(tl.float32)
    return half


@triton.jit
def _by_inner_product(
    x, y, x_norms, y_norms, rows, columns, n, m, D: tl.constexpr, DOT: tl.constexpr, BLOCK_D: tl.constexpr
):
    """Squared distances ‖x‖² + ‖y‖² − 2⟨x, y⟩ from points stored one by one, (n, D) and (m, D)."""
    inner = tl.zeros((rows.shape[0], columns.shape[0]), dtype=tl.float32)
    for start in range(0, D, BLOCK_D):
        k = start + tl.arange(0, BLOCK_D)
        left = tl.load(
            x + rows[:, None] * D + k[None, :], mask=(rows < n)[:, None] & (k < D)[None, :], other=0.0
        )
        right = tl.load(
            y + columns[None, :] * D + k[:, None], mask=(columns < m)[None, :] & (k < D)[:, None], other=0.0
        )
        if DOT == "bf16x3":
            # Three products of halves keep sixteen bits of each factor, at the rate of the bfloat16 units.
            left_high, right_high = _high(left), _high(right)
            inner = tl.dot(left_high, right_high, inner)
            inner = tl.dot(left_high, _high(right - right_high.to(tl.float32)), inner)
            inner = tl.dot(_high(left - left_high.to(tl.float32)), right_high, inner)
        else:
            inner = tl.dot(left, right, inner, input_precision=DOT)
    norms = load_vector(x_norms, rows, n, 0.0)[:, None] + load_vector(y_norms, columns, m, 0.0)[None, :]
    return tl.maximum(norms - 2.0 * inner, 0.0)


@triton.jit
def cost_tile(
    x,
    y,
    x_norms,
    y_norms,
    rows,
    columns,
    n,
    m,
    D: tl.constexpr,
    P: tl.constexpr,
    DOT: tl.constexpr,
    DTYPE: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """Costs ‖x − y‖^P of a tile, and the squared distances they come from."""
    if DOT == "":
        square = _by_differences(x, y, rows, columns, n, m, D, DTYPE)
    else:
        square = _by_inner_product(x, y, x_norms, y_norms, rows, columns, n, m, D, DOT, BLOCK_D)
    if P == SQUARED:
        cost = square
    elif P == PLAIN:
        cost = tl.sqrt(square)
    else:
        cost = tl.where(square > 0, tl.exp2(tl.log2(tl.where(square > 0, square, 1.0)) * (P / 2)), 0.0)
    return cost, square
