"""2 to the power of a number, in operations that vector instructions have: what kernels are made of.

A number t is k + r with k whole and |r| <= 1/2; 2^r is a polynomial of least relative error (Remez), and k is added to
the exponent's bits. The library's `exp` would be called element by element, ten times as slow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from otgan.jit import EXACT, SUMS, part

__all__ = ["exp2", "fill_powers"]

_SHIFT, _SHIFT_SINGLE = 1.5 * 2.0**52, np.float32(1.5 * 2.0**23)
"""Added to a number of moderate size they leave the nearest whole number in the last bits."""

_LEAST_SINGLE, _MOST_SINGLE = -100.0, 127.0
"""Exponents of float32: below, sums of thousands of them do not count; the processor is slow where it underflows."""

_LEAST_DOUBLE, _MOST_DOUBLE = -1021.0, 1023.0
"""Exponents of float64 within which nothing overflows or is denormal."""


def _bits_of(typing_context: Any, number: Any) -> Any:
    """Read the bits of a float as those of an integer of the same size, or the other way round."""
    to = {
        types.float64: types.int64,
        types.int64: types.float64,
        types.float32: types.int32,
        types.int32: types.float32,
    }[number]
    kinds = {
        types.float64: ir.DoubleType(),
        types.float32: ir.FloatType(),
        types.int64: ir.IntType(64),
        types.int32: ir.IntType(32),
    }

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], kinds[signature.return_type])

    return to(number), code


_bits: Any = intrinsic(_bits_of)

_C0, _C1, _C2, _C3, _C4, _C5, _C6 = map(
    np.float32,
    (
        1.0000000005541648,
        0.69314720573719576,
        0.24022646890645520,
        0.055503287771053248,
        0.0096184889563311816,
        0.0013399931177239738,
        0.00015345812161311630,
    ),
)
"""Relative error 1.9e-9, a fortieth of the rounding of float32."""

(_D1, _D2, _D3, _D4, _D5, _D6, _D7, _D8, _D9, _D10, _D11) = (
    0.69314718055994533046,
    0.24022650695910156204,
    0.055504108664819921605,
    0.0096181291075883352443,
    0.0013333558146789921722,
    0.00015403530462514432062,
    0.000015252733489988525649,
    1.321543308967639918e-6,
    1.0178198021671930844e-7,
    7.0741056135081427963e-9,
    4.4352827069572771511e-10,
)
"""Relative error 3e-18, a fiftieth of the rounding of float64; the first coefficient is 1."""


@part(EXACT)
def _all_single(t: Any) -> Any:
    bounded = min(max(t, np.float32(_LEAST_SINGLE)), np.float32(_MOST_SINGLE))
    shifted = bounded + _SHIFT_SINGLE
    r = bounded - (shifted - _SHIFT_SINGLE)
    p = _C0 + r * (_C1 + r * (_C2 + r * (_C3 + r * (_C4 + r * (_C5 + r * _C6)))))
    power: Any = _bits(np.int32(_bits(p) + (_bits(shifted) << np.int32(23))))
    power = np.float32(0) if t < _LEAST_SINGLE else power
    return np.float32(np.inf) if t > _MOST_SINGLE else power


@part(EXACT)
def _single(t: float) -> Any:
    bounded = min(max(t, _LEAST_SINGLE), _MOST_SINGLE)
    shifted = bounded + _SHIFT
    r = np.float32(bounded - (shifted - _SHIFT))
    p = _C0 + r * (_C1 + r * (_C2 + r * (_C3 + r * (_C4 + r * (_C5 + r * _C6)))))
    power: Any = _bits(np.int32(_bits(p) + (np.int32(_bits(shifted)) << np.int32(23))))
    power = np.float32(0) if t < _LEAST_SINGLE else power
    return np.float32(np.inf) if t > _MOST_SINGLE else power


@part(EXACT)
def _double(t: float) -> float:
    bounded = min(max(t, _LEAST_DOUBLE), _MOST_DOUBLE)
    shifted = bounded + _SHIFT
    r = bounded - (shifted - _SHIFT)
    p = 1.0 + r * (
        _D1
        + r
        * (
            _D2
            + r
            * (
                _D3
                + r
                * (_D4 + r * (_D5 + r * (_D6 + r * (_D7 + r * (_D8 + r * (_D9 + r * (_D10 + r * _D11)))))))
            )
        )
    )
    power: Any = _bits(_bits(p) + (_bits(shifted) << np.int64(52)))
    power = 0.0 if t < _LEAST_DOUBLE else power
    return np.inf if t > _MOST_DOUBLE else power


def exp2(t: float, like: Any) -> Any:
    """2^t in the type of `like`, which is that of t or a smaller one; 0 below the range of that type's sums, inf above."""
    return type(like)(2.0**t)


@overload(exp2, jit_options={"fastmath": EXACT, "error_model": "numpy", "nogil": True})
def _exp2_of(t: Any, like: Any) -> Any:
    def single(t: Any, like: Any) -> Any:
        return _single(t)

    def double(t: Any, like: Any) -> Any:
        return _double(t)

    def all_single(t: Any, like: Any) -> Any:
        return _all_single(t)

    if t == types.float32:
        return all_single
    return single if like == types.float32 else double


@part(SUMS)
def fill_powers(costs: Any, base: float, columns: Any, factor: float, found: Any) -> None:
    """Write 2^(base + columns − costs · factor) into a row; exponents have the type of the numbers, powers that of the row."""
    like = found.dtype.type(0)
    for j in range(len(found)):
        found[j] = exp2(base + columns[j] - costs[j] * factor, like)
