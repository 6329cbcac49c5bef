"""Geometries: ways to visit a cost matrix, and the choice among them."""

from __future__ import annotations

import torch

from otgan.geometry.base import Geometry
from otgan.geometry.dense import DenseGeometry
from otgan.geometry.streamed import StreamedGeometry
from otgan.memory import describe, free_memory

__all__ = ["BACKENDS", "Geometry", "make_geometry"]

BACKENDS: dict[str, type[Geometry]] = {
    "dense": DenseGeometry,
    "streamed": StreamedGeometry,
}
"""Backends by the name that `backend=` takes. A new one is a file in this folder and a line here."""

_COPIES = 3.0
"""Matrices of float64 that a dense solve holds at once: the costs, a kernel, and what is formed in passing."""


def make_geometry(backend: str, x: torch.Tensor, y: torch.Tensor, p: float) -> Geometry:
    """Return the geometry named, or for "auto" the dense one where it fits in memory and the streamed one elsewhere.

    Raises
    ------
    MemoryError
        If "dense" is asked for and cannot fit.
    """
    need = _COPIES * 8 * x.shape[0] * x.shape[1] * y.shape[1]
    free = free_memory(x.device)
    if backend == "auto":
        backend = "dense" if need < 0.5 * free else "streamed"
    if backend == "dense" and need > free:
        raise MemoryError(
            f"backend 'dense' needs about {describe(need)} for {x.shape[0]} problem(s) of {x.shape[1]} x {y.shape[1]} "
            f"points, and {describe(free)} are free: use backend='streamed' (or 'auto'), which needs O(n + m)"
        )
    return BACKENDS[backend](x, y, p)
