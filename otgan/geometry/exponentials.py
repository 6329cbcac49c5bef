"""Exponentials of tensors, as kernels need them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["exp2_"]

_FLOOR = -100.0
"""Powers of two below it are 0 in float32."""


def exp2_(exponent: Tensor) -> Tensor:
    """2 to the power of the exponents, overwriting them; float32 results below 2^-100 become 0.

    Where results underflow torch takes three times as long to form them, and the processor to multiply what is nearly
    0: in a kernel at small ε that is most of them.
    """
    if exponent.dtype != torch.float32:
        return exponent.exp2_()
    return torch.threshold_(exponent.clamp_min_(_FLOOR - 1).exp2_(), 2.0**_FLOOR, 0.0)
