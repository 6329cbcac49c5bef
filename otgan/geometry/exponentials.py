"""Exponentials of tensors, as kernels need them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["exp", "exp2_"]

_FLOOR = -100.0
"""Powers of two below it are 0 in float32."""

_LEAST = {torch.float32: -80.0, torch.float64: -600.0}
"""Exponents of e whose powers are next to 0, and far enough from it that their products with weights and costs do not underflow."""


def exp(exponent: Tensor) -> Tensor:
    """e to the power of the exponents, differentiable; nothing is less than e^-80 in float32, or e^-600 in float64.

    Where results underflow torch takes ten to thirty times as long to form them on the CPU. They count for nothing in sums with others that
    are not next to 0, which is what to take them for.
    """
    return exponent.clamp_min(_LEAST.get(exponent.dtype, -math.inf)).exp()


def exp2_(exponent: Tensor) -> Tensor:
    """2 to the power of the exponents, overwriting them; float32 results below 2^-100 become 0.

    Where results underflow torch takes three times as long to form them, and the processor to multiply what is nearly
    0: in a kernel at small ε that is most of them.
    """
    if exponent.dtype != torch.float32:
        return exponent.exp2_()
    return torch.threshold_(exponent.clamp_min_(_FLOOR - 1).exp2_(), 2.0**_FLOOR, 0.0)
