"""How fast an NVIDIA H200 could be: the least time of the work that a solver cannot avoid, by its unit rates."""

from __future__ import annotations

__all__ = ["batch_limit", "pass_limit"]

_EXPONENTIALS = 3.9e12
_FMA = 33.5e12
_TF32 = 494e12
_BYTES = 4.8e12


def batch_limit(n: int, m: int, passes: float) -> float:
    """Seconds of `passes` passes, over all problems of a batch together, on kernels that are already on the chip.

    A pass is a product with the n times m kernel and one with its transpose, two multiply-adds an entry, in float32.
    """
    return 2 * n * m * passes / _FMA


def pass_limit(n: int, m: int, d: int) -> float:
    """Seconds of one pass over a large kernel, both its products, by the cheaper of two ways.

    Either the kernel is recomputed, and exponentials and TF32 inner products overlap, or it is read as float32.
    """
    recomputed = max(n * m / _EXPONENTIALS, 2 * n * m * d / _TF32)
    read = 4 * n * m / _BYTES
    return 2 * min(recomputed, read)
